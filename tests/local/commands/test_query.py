import datetime as dt

import pytest

from infra.checkout import ROOT
from local.commands import query

ANALYSES = sorted((ROOT / "include" / "sql" / "analysis").glob("*.sql"))


@pytest.mark.parametrize("path", ANALYSES, ids=lambda path: path.stem)
def test_every_analysis_can_be_asked_for_another_session(path):
    sql = query.for_session(path.read_text(), dt.date(2024, 3, 14))

    assert query.LAST_SESSION not in sql
    assert "date '2024-03-14'" in sql


@pytest.mark.parametrize("sql", ["SELECT 1", f"SELECT {query.LAST_SESSION}, {query.LAST_SESSION}"])
def test_a_statement_that_names_the_session_otherwise_is_refused(sql):
    with pytest.raises(ValueError, match=r"to put DATE in its place; found it [02]x"):
        query.for_session(sql, dt.date(2024, 3, 14))
