import copy
import datetime as dt
import re
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG

from b3.airflow.event_sessions import INDEX_STOCKS, MOST
from tests.dags.test_b3_daily import DAGS, edges, parse

CHECK = "validate.visual_index_stocks_agree_with_index_stocks"


@pytest.fixture(scope="module")
def dag() -> DAG:
    return parse(DAGS).dags["b3_visual"]


@pytest.fixture
def rendered(dag, monkeypatch):
    """A task as it executes for two events, as after a pause."""
    monkeypatch.setenv("B3_LAKE_BUCKET", "b3-lake")
    run = SimpleNamespace(run_id="asset__1", run_type="asset_triggered", conf={}, logical_date=None)
    days = ("2024-03-13", "2024-03-14")
    events = [SimpleNamespace(extra={"first_date": day, "last_date": day}) for day in days]
    context = {"dag_run": run, "triggering_asset_events": {INDEX_STOCKS: events}}

    def render(task_id: str) -> Any:
        task = copy.copy(dag.get_task(task_id))
        task.render_template_fields(context, dag.get_template_env())
        return task

    return render


def test_is_the_job_and_then_the_check(dag):
    assert edges(dag) == {("transform", CHECK)}


def test_starts_when_constituents_are_announced(dag):
    assert dag.timetable.asset_condition.name == "b3_index_stocks"


def test_lets_no_event_wait_for_another_run(dag):
    """Airflow keeps the time of the first event that waits, and hands the next run the events until then alone."""
    assert dag.max_active_runs >= 16
    assert dag.get_task("transform").max_active_tis_per_dag == 2


def test_ends_by_itself(dag):
    assert dag.get_task("transform").execution_timeout < dag.dagrun_timeout < dt.timedelta(days=1)


def test_tells_how_many_sessions_a_run_takes(dag):
    assert f"takes the newest {MOST} sessions" in dag.doc_md


def test_asks_for_the_trade_date(dag):
    assert [(name, dag.params.get_param(name).schema["format"]) for name in dag.params] == [("trade_date", "date")]


class TestTheJob:
    def test_is_the_visual_one_for_the_sessions_of_the_events(self, rendered):
        job = rendered("transform")

        assert job.job_name == "b3-visual"
        assert job.script_args == {"--sessions": "2024-03-13,14"}

    def test_is_named_after_the_database(self, rendered, monkeypatch):
        monkeypatch.setenv("B3_GLUE_DATABASE", "markets")

        assert rendered("transform").job_name == "markets-visual"

    def test_is_waited_for_without_a_worker_and_never_changed(self, dag):
        job = dag.get_task("transform")

        assert job.deferrable and not job.verbose
        assert job.update_config is False
        assert job.waiter_delay * job.waiter_max_attempts > 600 * 60


def test_the_check_is_one_query_on_the_sessions_partitions(rendered):
    query = rendered(CHECK).query

    assert not re.search(r"\{\{|\}\}|\{%|%\}", query)
    assert query.count("WHERE trade_date IN (date '2024-03-13', date '2024-03-14')") == 2
    assert "constituents of 2024-03-13, 2024-03-14 differ" in query
    assert re.search(r"AS integer\)\s+END AS visual_index_stocks_agree_with_index_stocks\b", query)
