"""Asset events of a run: one for each table that it wrote, with its trade dates and rows."""

from types import SimpleNamespace
from typing import Any

import pytest

from b3.airflow import assets

ONE = {"partitions": [{"trade_date": "2024-03-14", "rows": 6749}]}
TWO = {"partitions": [{"trade_date": "2020-01-02", "rows": 1}, {"trade_date": "2020-12-30", "rows": 2}]}
INDEXES = {"rows": 240, "rows_of": {"IBOV": {"portfolio_day": 80, "theoretical": 80, "preview": 80}}}


@pytest.fixture
def announced():
    """Announce what was pulled; returns the events' extras by asset."""

    def run(findings: int = 0, **pulled: Any) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        events = {assets.LAKE: SimpleNamespace(add=lambda asset, extra: found.update({asset.name: extra}))}
        names = {"upload": None, "indexes": None, "sectors": None, **pulled}
        uploads = {name if name == "upload" else f"{name}.upload": value for name, value in names.items()}
        assets.announce(events, uploads, findings)
        return found

    return run


def test_quotes_have_their_dates_rows_and_findings(announced):
    day = {"first_date": "2024-03-14", "last_date": "2024-03-14"}

    assert announced(3, upload=ONE) == {
        "b3_raw_quotes": {**day, "rows": 6749},
        "b3_quotes": {**day, "rows": 6749, "findings": 3},
        "b3_findings": {**day, "rows": 3},
    }


def test_a_year_has_its_first_and_last_session_and_all_its_rows(announced):
    assert announced(upload=TWO)["b3_quotes"] == {
        "first_date": "2020-01-02", "last_date": "2020-12-30", "rows": 3, "findings": 0,
    }  # fmt: skip


def test_portfolios_and_sectors_are_announced_only_if_they_were_written(announced):
    found = announced(upload=ONE, indexes=INDEXES, sectors={"rows": 420})

    assert found["b3_index_stocks"]["rows"] == 80
    assert found["b3_raw_index_portfolio"]["rows"] == 240
    assert found["b3_raw_sectors"]["rows"] == 420
    assert not {"b3_index_stocks", "b3_raw_index_portfolio", "b3_raw_sectors"} & announced(upload=ONE).keys()


def test_a_run_that_wrote_no_session_announces_nothing(announced):
    assert announced(upload={"partitions": []}) == {}
