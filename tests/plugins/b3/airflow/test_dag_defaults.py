import datetime as dt

import pytest

from b3.airflow.dag_defaults import QUERY_TIMEOUT, TASK_TIMEOUT, YEARS_TIMEOUT
from tests.dags.test_b3_daily import DAGS, parse


@pytest.fixture(scope="module")
def dags():
    return parse(DAGS).dags


def test_every_task_of_every_dag_has_an_execution_timeout_below_that_of_its_run(dags):
    assert dags.keys() >= {"b3_daily", "b3_history", "b3_doctor"}
    for dag in dags.values():
        for task in dag.tasks:
            assert dt.timedelta(0) < task.execution_timeout < dag.dagrun_timeout, task


def test_tasks_of_several_years_and_queries_have_timeouts_of_their_own(dags):
    history, daily = dags["b3_history"], dags["b3_daily"]

    assert {history.get_task(name).execution_timeout for name in ("scrape", "upload")} == {YEARS_TIMEOUT}
    assert {daily.get_task(name).execution_timeout for name in ("scrape", "upload", "refine")} == {TASK_TIMEOUT}
    assert {task.execution_timeout for task in daily.tasks if task.task_id.startswith("validate.")} == {QUERY_TIMEOUT}
    assert daily.get_task("summary").execution_timeout == QUERY_TIMEOUT
