"""Run one DAG run in this process, as `airflow dags test` does.

Usage: `python -m local.lake.dag_runner DAG_ID DATE LOG CONF [RUN_ID]`.

Standard output is one JSON line for each step or task that begins, and one for each task that ends, then one for each
run that waits in the database; all that Airflow prints goes to LOG. Status 0 only if the run succeeded. RUN_ID names a
waiting run of DAG_ID that this one is instead of: it succeeds with this one, since nothing here runs it. If this one
fails, it goes on waiting.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
import time
from pathlib import Path
from typing import Any


class Reporter:
    """Writes a line for each beginning, and one for each end of a task; Airflow calls it as a listener.

    Attributes:
        told: the state of each task that has ended.
    """

    def __init__(self, descriptor: int) -> None:
        self._out = os.fdopen(descriptor, "w", buffering=1)
        self._began: dict[str, float] = {}
        self.told: dict[str, str] = {}

    def begin(self, step: str) -> None:
        """Write that a step of the start begins."""
        self._write(step=step)

    def begin_task(self, task: str) -> None:
        """Write that a task begins. A task that was deferred begins once."""
        if task not in self._began:
            self._began[task] = time.monotonic()
            self._write(began=task)

    def tell(self, task: str, state: str, error: object = None, summary: str | None = None) -> None:
        """Write that a task ended, with its error or reason, and what it did."""
        self.told[task] = state
        words = None
        if error is not None:
            kind = f"{type(error).__name__}: " if isinstance(error, BaseException) else ""
            words = "; ".join([f"{kind}{error}", *getattr(error, "__notes__", [])])
        began = self._began.pop(task, None)
        seconds = time.monotonic() - began if began is not None else 0.0
        self._write(task=task, state=state, error=words, summary=summary, seconds=seconds)

    def tell_waiting(self, dag: str, run_id: str, conf: Any) -> None:
        """Write that a run waits."""
        self._write(dag=dag, run_id=run_id, conf=conf)

    def _write(self, **event: object) -> None:
        self._out.write(json.dumps(event) + "\n")


def main(dag_id: str, date: str, log: str, conf: str, instead_of: str = "") -> int:
    """Run `dag_id` for the session `date`; see the module."""
    reporter = Reporter(os.dup(1))
    with Path(log).open("ab") as sink:
        os.dup2(sink.fileno(), 1)
        os.dup2(sink.fileno(), 2)
    reporter.begin("starting Airflow")
    # Airflow reads its configuration, and starts to log, when it is imported.
    from airflow.dag_processing.dagbag import DagBag
    from airflow.listeners import hookimpl
    from airflow.sdk.lineage import get_hook_lineage_collector
    from airflow.sdk.listener import get_listener_manager

    class Listener:
        @hookimpl
        def on_task_instance_running(self, previous_state: Any, task_instance: Any) -> None:
            reporter.begin_task(_shown(task_instance))
            # Elsewhere each task has a process, and so a collector of its lineage, of its own.
            get_hook_lineage_collector.cache_clear()

        @hookimpl
        def on_task_instance_success(self, previous_state: Any, task_instance: Any) -> None:
            reporter.tell(_shown(task_instance), "success", summary=_xcom(task_instance, SUMMARY))

        @hookimpl
        def on_task_instance_failed(self, previous_state: Any, task_instance: Any, error: Any) -> None:
            reporter.tell(_shown(task_instance), _name(task_instance.state) or "failed", error)

        @hookimpl
        def on_task_instance_skipped(self, previous_state: Any, task_instance: Any) -> None:
            reporter.tell(_shown(task_instance), "skipped", _xcom(task_instance, "skipped"))

    from b3.airflow.summaries import SUMMARY
    from local.aws import service_models

    service_models.read_once()
    get_listener_manager().add_listener(Listener())
    reporter.begin("reading the DAGs")
    bag = DagBag()
    dag = bag.get_dag(dag_id)
    if dag is None:
        reporter.tell(dag_id, "not loaded", "; ".join(bag.import_errors.values()) or "no such DAG in dags/")
        return 2
    reporter.begin("starting the run")
    instant = dt.datetime.combine(dt.date.fromisoformat(date), dt.time(), dt.UTC)
    run = dag.test(logical_date=instant, run_conf=json.loads(conf))
    for task_instance in run.get_task_instances():
        state = _name(task_instance.state)
        if reporter.told.get(_shown(task_instance)) != state:
            reporter.tell(_shown(task_instance), state)
    _hand_over(reporter, dag_id, instead_of, run.state)
    if not any(state in ("success", "failed") for state in reporter.told.values()):
        reporter.tell(dag_id, "nothing ran", f"expected tasks of {dag_id} for {date}, found none that ran: see the log")
        return 1
    return 0 if run.state == "success" else 1


def _hand_over(reporter: Reporter, dag_id: str, instead_of: str, outcome: Any) -> None:
    """Let the run that this one is instead of succeed if this one did, and tell which other runs wait.

    A run that failed goes on waiting: Airflow does not start its id a second time.
    """
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        for run in session.scalars(select(DagRun).where(DagRun.state == "queued").order_by(DagRun.run_after)):
            if (run.dag_id, run.run_id) == (dag_id, instead_of):
                if outcome == "success":
                    run.state = outcome
            else:
                reporter.tell_waiting(run.dag_id, run.run_id, run.conf)


def _shown(task_instance: Any) -> str:
    """Return a task's id; of a mapped one with its place."""
    place: int = task_instance.map_index
    return str(task_instance.task_id) if place < 0 else f"{task_instance.task_id}[{place}]"


def _xcom(task_instance: Any, key: str) -> Any:
    return task_instance.xcom_pull(task_ids=task_instance.task_id, key=key)


def _name(state: Any) -> str:
    """Return a state as Airflow shows it: its enumeration has another text in each release."""
    return str(getattr(state, "value", state) or "")


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
