import json
import logging
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException

from b3.airflow import alerts
from b3.doctor import checkup
from tests.dags.test_b3_daily import DAGS, next_run, parse, sao_paulo
from tests.plugins.b3.exchange import Answer
from tests.plugins.b3.simulated import NIGHT, SpoiledExchange


@pytest.fixture(scope="module")
def dag() -> DAG:
    return parse(DAGS).dags["b3_doctor"]


class TestItsRuns:
    def test_are_each_saturday_at_noon_in_sao_paulo(self, dag):
        following = next_run(dag, sao_paulo("2026-11-21T12:00"))

        assert following.run_after == sao_paulo("2026-11-28T12:00")
        assert following.run_after.day_of_week == 5


class Task:
    """A task instance as the callable has it; it keeps what is pushed."""

    dag_id, task_id, run_id, try_number = "b3_doctor", "examine", "scheduled__1", 1

    def __init__(self) -> None:
        self.pushed: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = json.loads(json.dumps(value))


class TestTheExamination:
    @pytest.fixture
    def b3(self, monkeypatch):
        server = SpoiledExchange()
        monkeypatch.setenv("AIRFLOW_CONN_B3_DEFAULT", json.dumps({"conn_type": "http", "host": server.url}))
        monkeypatch.setenv("B3_LAKE_BUCKET", "b3-lake")
        monkeypatch.setenv("B3_INDEXES", "SMLL")
        monkeypatch.setattr("b3.calendar.publication.now", lambda: NIGHT)
        monkeypatch.setattr("b3.doctor.checkup.time.sleep", lambda seconds: None)
        yield server
        server.close()

    @pytest.fixture
    def examine(self, dag):
        return dag.get_task("examine").python_callable

    def test_of_a_healthy_b3_says_so_and_keeps_the_table(self, b3, examine, caplog):
        task = Task()

        with caplog.at_level(logging.INFO):
            assert examine(ti=task) == "all 8 addresses answer as expected"

        kept = task.pushed["addresses"]
        assert [each["subject"] for each in kept][:4] == [
            "COTAHIST_D08012026.ZIP", "COTAHIST_M012026.ZIP", "COTAHIST_A2026.ZIP", "GetPortfolioDay SMLL",
        ]  # fmt: skip
        (sectors,) = [line for line in caplog.messages if line.startswith("sector workbook ")]
        assert sectors.endswith("as expected: 278 companies")

    def test_of_an_address_that_differs_fails_for_good_and_tells_people_which(self, b3, examine):
        b3.spoil("/feriados/", lambda healthy: Answer(404))
        task = Task()

        with pytest.raises(AirflowFailException) as error:
            examine(ti=task)

        subject, message = alerts.describe({"ti": task, "exception": error.value})
        assert subject == "warn: b3_doctor examine failed in scheduled__1"
        first = message.splitlines()[0]
        assert first == (
            "AirflowFailException: AddressesDiffer: 1 of 8 addresses of B3 differ: page of trading holidays"
        )
        assert len(first) <= 120
        assert "  expected  status 200\n  found     status 404 Not Found\n" in message
        assert task.pushed["addresses"][-1]["found"] == "status 404 Not Found"

    def test_of_a_b3_out_of_reach_may_be_tried_again(self, b3, examine):
        b3.spoil("/", lambda healthy: Answer(fault="reset"))
        task = Task()

        with pytest.raises(checkup.OutOfReach, match=r"^B3 does not answer at all: ConnectionResetError"):
            examine(ti=task)

        assert {each["answer"] for each in task.pushed["addresses"]} == {"none"}
