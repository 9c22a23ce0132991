"""The last task of a run: what it says, and to whom."""

import datetime as dt
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from b3.airflow import alerts, assets, aws, run_metrics
from b3.airflow.tasks.summary import summary

ROWS = [
    {
        "rule": "prices_lie_within_low_and_high",
        "findings": 3,
        "sessions": 1,
        "first_date": dt.date(2005, 3, 14),
        "ticker": "VALE5",
        "expected": "low <= open, close <= high",
        "found": "open 9.99, high 9.98, low 9.00, close 9.50",
    }
]
UPLOADED = {"partitions": [{"trade_date": "2005-03-14", "rows": 6}]}


@pytest.fixture
def tell(monkeypatch):
    """Run the task after an upload; returns what it returned, and the alerts that it published."""
    published: list[tuple[str, str]] = []
    announced: list[tuple[str, dict[str, Any]]] = []
    recorded: list[tuple[Any, ...]] = []
    monkeypatch.setattr(run_metrics, "record", lambda _, *brought: recorded.append(brought))
    monkeypatch.setattr(alerts, "inform", lambda subject, message: published.append((subject, message)))

    def run(found: list[dict[str, Any]], uploaded: Any = UPLOADED) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        asked: list[str] = []
        monkeypatch.setattr(aws, "ask", lambda sql: asked.append(sql) or found)
        dag_run = SimpleNamespace(dag_id="b3_daily", run_type="manual", conf={"trade_date": "2005-03-14"})
        pulled = {"upload": uploaded}
        ti = SimpleNamespace(xcom_pull=lambda task_ids: pulled.get(task_ids), xcom_push=lambda *_: None)
        task = summary.function
        events = {assets.LAKE: SimpleNamespace(add=lambda asset, extra: announced.append((asset.name, extra)))}
        result = task(dag_run=dag_run, ti=ti, templates_dict={"sql": "SELECT 1"}, outlet_events=events)
        assert asked == ["SELECT 1"]
        assert recorded == [(uploaded["partitions"], sum(row["findings"] for row in found))]
        assert [name for name, _ in announced] == ["b3_raw_quotes", "b3_quotes", "b3_findings"]
        return result, published

    return run


def test_tells_findings_in_one_alert_that_asks_for_nothing(tell):
    result, published = tell(ROWS)

    assert result["findings"] == {"prices_lie_within_low_and_high": 3}
    assert result["summary"].startswith("b3_daily for 2005-03-14: 3 findings.")
    assert published == [("b3_daily for 2005-03-14: 3 findings", result["summary"])]


def test_without_findings_tells_nobody(tell):
    result, published = tell([])

    assert result == {"summary": "b3_daily for 2005-03-14: 0 findings", "findings": {}}
    assert published == []


def test_of_a_run_that_wrote_no_quotes_is_skipped(tell):
    with pytest.raises(AirflowSkipException, match="no quotes were written"):
        tell(ROWS, uploaded=None)
