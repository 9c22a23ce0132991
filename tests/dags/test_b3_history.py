import copy
import datetime as dt
import itertools
import re
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG

from tests.dags.test_b3_daily import CHECKS_OF, DAGS, edges, parse

STEPS = ["scrape", "upload", "crawl_raw", "raw_registered", "refine", "crawl_refined", "refined_registered"]
CHECKS = CHECKS_OF["quotes"]


@pytest.fixture(scope="module")
def dag() -> DAG:
    return parse(DAGS).dags["b3_history"]


@pytest.fixture
def rendered(dag, monkeypatch):
    """A task as it executes for 2020, of which two sessions were uploaded."""
    monkeypatch.setenv("B3_LAKE_BUCKET", "b3-lake")
    partitions = [
        {"trade_date": "2020-01-02", "rows": 11, "financial_volume": "1.10"},
        {"trade_date": "2020-05-04", "rows": 22, "financial_volume": "2.20"},
    ]
    run = SimpleNamespace(run_id="backfill__1", run_type="backfill", conf={}, logical_date=sao_paulo(2020))
    uploaded = {"upload": {"partitions": partitions}}
    context = {"dag_run": run, "ti": SimpleNamespace(xcom_pull=lambda task_ids: uploaded[task_ids])}

    def render(task_id: str) -> Any:
        task = copy.copy(dag.get_task(task_id))
        task.render_template_fields(context, dag.get_template_env())
        return task

    return render


def sao_paulo(year: int) -> dt.datetime:
    return dt.datetime(year, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=-3)))


def test_is_the_steps_and_then_every_check_of_quotes(dag):
    checks = [f"validate.{check}" for check in CHECKS]

    assert [task.task_id for task in dag.topological_sort()][: len(STEPS)] == STEPS
    assert edges(dag) == {
        *itertools.pairwise(STEPS),
        *(("refined_registered", check) for check in checks),
        *((check, end) for check in checks for end in ("report", "summary")),
    }
    rules = {task.task_id: task.trigger_rule for task in dag.tasks}
    assert (rules.pop("summary"), rules.pop("report")) == ("none_failed", "all_done")
    assert (rules.pop("raw_registered"), rules.pop("refined_registered")) == ("none_failed", "none_failed")
    assert set(rules.values()) == {"all_success"}


def test_a_run_is_scheduled_for_the_year_that_ended(dag):
    following = dag.timetable.next_dagrun_info(
        last_automated_data_interval=dag.timetable.infer_manual_data_interval(run_after=in_sao_paulo("2020-06-01")),
        restriction=SimpleNamespace(earliest=None, latest=None, catchup=True),
    )

    assert following.data_interval.start == in_sao_paulo("2020-01-01")
    assert following.run_after == in_sao_paulo("2021-01-01")


@pytest.mark.parametrize(
    "logical_date", [dt.datetime(1986, 1, 1, tzinfo=dt.UTC), dt.datetime(1986, 1, 1, 3, tzinfo=dt.UTC)]
)
def test_the_first_year_of_b3s_history_runs(dag, logical_date):
    """No task starts for a logical date before the start date, and a run without tasks is green."""
    assert dag.start_date <= logical_date


def test_years_of_a_backfill_are_fetched_and_taken_apart_one_at_a_time(dag):
    """A backfill has a limit of runs of its own, ten; a worker has the memory of one year's upload or two."""
    assert {name: dag.get_task(name).max_active_tis_per_dag for name in ("scrape", "upload")} == {
        "scrape": 1, "upload": 1,
    }  # fmt: skip


def in_sao_paulo(text: str) -> Any:
    import pendulum

    return pendulum.parse(text, tz="America/Sao_Paulo")


def test_the_glue_job_gets_every_session_with_the_one_before_it_in_the_file(rendered):
    assert rendered("refine").script_args == {
        "--sessions": "2020-01-02,2020-05-04",
        "--previous_session": "2019-12-30",
        "--source": "s3://b3-lake/raw/quotes/",
        "--target": "s3://b3-lake/refined/quotes/",
        "--findings": "s3://b3-lake/refined/findings/",
    }


def test_forty_years_of_sessions_fit_an_argument_of_the_glue_job():
    """Linux takes 128 KiB in one, AWS 260 KB in all."""
    from b3.airflow import glue_arguments
    from b3.calendar import sessions

    argument = glue_arguments.sessions_argument(sessions.sessions(dt.date(1986, 1, 1), dt.date(2026, 12, 31)))

    assert argument.startswith("1986-01-02,03,06,07,")
    assert ",31,1986-02-03,04," in argument
    assert len(argument) < 48_000


@pytest.mark.parametrize("check", CHECKS)
def test_each_check_is_one_query_over_the_partitions_of_the_year(rendered, check):
    query = rendered(f"validate.{check}").query

    assert not re.search(r"\{\{|\}\}|\{%|%\}", query)
    tables = len(re.findall(r"(?:FROM|JOIN) (?:raw_quotes|quotes|index_stocks|findings)\b", query))
    assert tables >= 1
    assert query.count("trade_date BETWEEN date '2020-01-01' AND date '2020-05-04'") == tables


def test_quotes_that_it_corrects_are_compared_with_the_constituents_of_b3_daily(dag, rendered):
    assert "validate.quotes_agree_with_index_stocks" in dag.get_task("refined_registered").downstream_task_ids

    query = rendered("validate.quotes_agree_with_index_stocks").query
    assert re.findall(r"FROM (quotes|index_stocks)\s+WHERE trade_date BETWEEN (\S+ \S+) AND (\S+ \S+)", query) == [
        (table, "date '2020-01-01'", "date '2020-05-04'") for table in ("quotes", "index_stocks")
    ]


def test_each_session_is_compared_with_the_source(rendered):
    query = rendered("validate.raw_rows_match_the_source").query

    assert "      (date '2020-01-02', 11, 1.10),\n      (date '2020-05-04', 22, 2.20)\n" in query


def test_the_report_is_on_the_last_session_that_was_written(rendered):
    assert rendered("report").op_args == ("2020-05-04",)
