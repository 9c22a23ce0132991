"""What a DAG run hands over to the run that it is instead of; tests/e2e runs DAGs for real."""

import datetime as dt

import pytest
from airflow.models.dagrun import DagRun
from airflow.models.tasklog import LogTemplate
from airflow.utils import session as airflow_session
from sqlalchemy import create_engine, select
from sqlalchemy.orm import sessionmaker

from local.lake import dag_runner


@pytest.fixture
def database(monkeypatch):
    """A database with two runs that wait."""
    engine = create_engine("sqlite://")
    for table in (DagRun, LogTemplate):
        table.__table__.create(engine)
    opened = sessionmaker(engine)
    monkeypatch.setattr(airflow_session, "create_session", opened.begin)
    with opened.begin() as session:
        for minute, run_id in enumerate(("arrival__1", "arrival__2")):
            run_after = dt.datetime(2020, 5, 1, 0, minute, tzinfo=dt.UTC)
            run = DagRun(dag_id="b3_daily", run_id=run_id, run_type="manual", run_after=run_after, state="queued")
            session.add(run)
    return opened


class Told:
    """Keeps the runs that are told to wait."""

    def __init__(self) -> None:
        self.waiting: list[str] = []

    def tell_waiting(self, dag: str, run_id: str, conf: object) -> None:
        """Keep a run."""
        self.waiting.append(run_id)


@pytest.mark.parametrize(("outcome", "state"), [("success", "success"), ("failed", "queued")])
def test_the_run_that_it_is_instead_of_waits_until_one_succeeds(database, outcome, state):
    told = Told()

    dag_runner._hand_over(told, "b3_daily", "arrival__1", outcome)  # type: ignore[arg-type]

    with database() as session:
        states = dict(session.execute(select(DagRun.run_id, DagRun.state)).all())
    assert {run: str(getattr(each, "value", each)) for run, each in states.items()} == {
        "arrival__1": state, "arrival__2": "queued",
    }  # fmt: skip
    assert told.waiting == ["arrival__2"]
