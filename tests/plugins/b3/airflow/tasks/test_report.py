"""The task that writes a run's report: when it writes, and what it knows of the run."""

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowSkipException

from b3.airflow import aws
from b3.airflow.queries import claim
from b3.airflow.tasks import report
from b3.report import publish
from tests.places import SQL

STATES = {
    "upload": "success", "refine": "success", "refined_registered": "success", "sectors.scrape": "skipped",
    "sectors.upload": "skipped", "validate.key_is_unique": "failed",
}  # fmt: skip


@pytest.fixture
def write(monkeypatch):
    """Run the task in a run whose tasks ended in these states; returns its result, and what the report was told."""
    monkeypatch.setenv("B3_LAKE_BUCKET", "b3-lake")
    monkeypatch.setattr(aws, "s3_client", lambda: None)
    monkeypatch.setattr(aws, "asking", lambda: None)
    told: list[Any] = []

    def write_report(ask, s3, lake, queries, trade_date, outcomes):
        told.extend([queries, trade_date, {each.task: (each.state, each.text) for each in outcomes}])
        return publish.Report("s3://b3-lake/reports/x", "1 quote")

    monkeypatch.setattr(publish, "write_report", write_report)
    with DAG("a_dag", schedule=None):
        task = report.report(SQL, "2024-03-14").operator

    def run(states: dict[str, str]) -> tuple[Any, list[Any], dict[str, str]]:
        pushed: dict[str, str] = {}
        ti = SimpleNamespace(
            dag_id="a_dag",
            task=SimpleNamespace(get_flat_relative_ids=lambda upstream: set(states) if upstream else set()),
            get_task_states=lambda dag_id, task_ids, run_ids: {
                run_ids[0]: {name: states[name] for name in task_ids if dag_id == "a_dag"}
            },
            xcom_push=pushed.__setitem__,
        )
        queries = {"totals": "SELECT 1"}
        result = task.python_callable(
            "2024-03-14", dag_run=SimpleNamespace(run_id="a_run"), ti=ti, templates_dict=queries
        )
        return result, told, pushed

    return run


def test_is_told_how_each_task_before_it_ended_and_what_a_check_claims(write):
    result, (queries, trade_date, outcomes), said = write(STATES)

    assert (result, said) == ("s3://b3-lake/reports/x", {"summary": "1 quote"})
    assert queries == {"totals": "SELECT 1"} and str(trade_date) == "2024-03-14"
    assert outcomes["sectors.scrape"] == ("skipped", "")
    state, claim = outcomes["validate.key_is_unique"]
    assert state == "failed" and claim.startswith("Trade date, ticker, market type") and "\n" not in claim


@pytest.mark.parametrize("needed", ["upload", "refine", "refined_registered"])
@pytest.mark.parametrize("state", ["failed", "upstream_failed", "skipped"])
def test_is_skipped_if_the_tables_do_not_show_the_session(write, needed, state):
    with pytest.raises(AirflowSkipException, match=f"{needed} did not succeed"):
        write({**STATES, needed: state})


def test_every_check_says_what_must_hold():
    for path in (SQL / "validate").glob("*/*.sql"):
        assert claim(path.read_text()).endswith(".")
