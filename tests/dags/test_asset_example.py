"""The DAG of docs/assets.md: it imports, waits for the quotes, and reads the event that it is given."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.sdk import DAG, Asset

from tests.dags.test_b3_daily import parse
from tests.places import ROOT

(CODE,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "assets.md").read_text(), re.DOTALL)


@pytest.fixture
def example(tmp_path: Path) -> DAG:
    (tmp_path / "after_the_close.py").write_text(CODE)
    return parse(tmp_path).dags["after_the_close"]


def test_it_waits_for_the_quotes(example: DAG):
    assert example.timetable.asset_condition.name == "b3_quotes"


def test_it_tells_the_session_of_the_event(example: DAG, capsys):
    event = SimpleNamespace(extra={"first_date": "2024-03-14", "last_date": "2024-03-14", "rows": 6749})

    example.get_task("tell").python_callable(triggering_asset_events={Asset("b3_quotes"): [event]})

    assert "quotes up to 2024-03-14: 6749 rows" in capsys.readouterr().out
