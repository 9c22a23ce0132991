import copy
import datetime as dt
from types import SimpleNamespace
from typing import Any

import pendulum
import pytest
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization

from b3.airflow import run_hours
from tests.dags.test_b3_daily import DAGS, edges, next_run, parse, serialized
from tests.places import SQL

CHECKS = [f"validate.{path.stem}" for path in (SQL / "validate" / "bitcoin").glob("*.sql")]


@pytest.fixture(scope="module")
def dag() -> DAG:
    return parse(DAGS).dags["btc_minutes"]


def utc(text: str) -> Any:
    return pendulum.parse(text, tz="UTC")


def test_is_the_steps_and_then_every_check(dag):
    assert edges(dag) == {
        ("bitcoin.scrape", "bitcoin.upload"),
        ("bitcoin.upload", "bitcoin.refine"),
        ("bitcoin.scrape", "bitcoin.complete"),
        ("bitcoin.refine", "bitcoin.compare_stream"),
        *(("bitcoin.refine", check) for check in CHECKS),
    }
    assert len(CHECKS) == 5


def test_is_off_until_somebody_switches_it_on(dag):
    assert dag.is_paused_upon_creation is True


class TestItsRuns:
    def test_are_each_hour_for_the_hour_that_is_over(self, dag):
        following = next_run(dag, utc("2026-10-31T13:00"))

        assert following.data_interval.start == utc("2026-10-31T13:00")
        assert following.run_after == following.data_interval.end == utc("2026-10-31T14:00")

    def test_of_a_backfill_of_a_month_are_its_hours(self, dag):
        stored = DagSerialization.from_dict(serialized(dag))

        runs = list(stored.iter_dagrun_infos_between(utc("2026-10-01"), utc("2026-10-31T23:00")))

        assert len(runs) == 31 * 24
        assert [runs[0].data_interval.start, runs[-1].data_interval.start] == [
            utc("2026-10-01"), utc("2026-10-31T23:00"),
        ]  # fmt: skip


def run(run_type="manual", **fields):
    given = {"conf": {}, "run_after": utc("2026-10-31T14:20"), "data_interval_start": utc("2026-10-31T09:00")}
    return SimpleNamespace(run_type=run_type, **given | fields)


def hours(*texts):
    return [dt.datetime.strptime(text, "%Y-%m-%dT%H").replace(tzinfo=dt.UTC) for text in texts]


class TestTheHoursOfARun:
    @pytest.mark.parametrize("run_type", ["scheduled", "backfill"])
    def test_are_its_data_interval_whatever_its_conf(self, run_type):
        assert run_hours.hours_of(run(run_type, conf={"hour": "2020-01-01T00"})) == hours("2026-10-31T09")

    def test_are_the_last_one_that_is_over_if_a_person_names_none(self):
        assert run_hours.hours_of(run()) == hours("2026-10-31T13")
        assert run_hours.hours_of(run(conf={"hours": 2, "hour": None})) == hours("2026-10-31T12", "2026-10-31T13")

    def test_are_those_that_a_person_names(self):
        found = run_hours.hours_of(run(conf={"hour": "2026-10-30T23", "hours": 2}))

        assert found == hours("2026-10-30T23", "2026-10-31T00")

    @pytest.mark.parametrize(
        ("conf", "said"),
        [
            ({"hour": "2026-10-30"}, "expected hour .* as 2026-10-31T13, found '2026-10-30'"),
            ({"hour": 13}, "expected hour .* found 13"),
            ({"hours": 0}, "expected hours .* as 1 to 168, found 0"),
            ({"hours": 169}, "found 169"),
            ({"hours": "2"}, "found '2'"),
            ({"hours": True}, "found True"),
        ],
    )
    def test_are_asked_for_again_if_they_are_none(self, conf, said):
        with pytest.raises(ValueError, match=said):
            run_hours.hours_of(run(conf=conf))

    def test_are_checked_with_the_days_before_whose_gaps_they_may_have_filled(self):
        assert run_hours.period(run("scheduled")).sql == ("trade_date BETWEEN date '2026-10-27' AND date '2026-10-31'")

    def test_of_which_nothing_was_uploaded_are_compared_with_nothing(self):
        assert run_hours.uploaded_sql([], "hour") == run_hours.uploaded_sql(None, "hour") == "false"


@pytest.mark.parametrize("check", CHECKS)
def test_a_check_reads_the_partitions_of_its_run(dag, check, monkeypatch):
    monkeypatch.setenv("B3_LAKE_BUCKET", "b3-lake")
    task = copy.copy(dag.get_task(check))

    ti = SimpleNamespace(xcom_pull=lambda task_ids: ["BTCBRL 2026-10-31T13"] if task_ids == "bitcoin.upload" else None)

    task.render_template_fields({"dag_run": run("scheduled"), "ti": ti}, dag.get_template_env())

    assert task.query.count("WHERE trade_date BETWEEN date '2026-10-27' AND date '2026-10-31'") in (1, 2)
    assert task.query.count(" IN ('BTCBRL 2026-10-31T13')") == (2 if check.endswith("minutes_agree") else 0)
    assert "{" not in task.query


def test_asks_a_person_for_hours_and_source(dag):
    assert [*dag.params] == ["hour", "hours", "source"]
