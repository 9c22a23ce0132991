"""Run one DAG run in this process, as `airflow dags test` does.

Usage: `python -m local.lake.dag_runner DAG_ID DATE LOG CONF`.

Standard output is one JSON line per finished task; all that Airflow prints goes to LOG. Status 0 only if the run
succeeded.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
from pathlib import Path
from typing import Any


class Reporter:
    """Writes a line for each finished task; Airflow calls it as a listener."""

    def __init__(self, descriptor: int) -> None:
        self._out = os.fdopen(descriptor, "w", buffering=1)
        self.told: dict[str, str] = {}

    def tell(self, task: str, state: str, error: object = None) -> None:
        """Write the line of one task."""
        self.told[task] = state
        words = None
        if error is not None:
            kind = f"{type(error).__name__}: " if isinstance(error, BaseException) else ""
            words = "; ".join([f"{kind}{error}", *getattr(error, "__notes__", [])])
        self._out.write(json.dumps({"task": task, "state": state, "error": words}) + "\n")


def main(dag_id: str, date: str, log: str, conf: str) -> int:
    """Run `dag_id` for the session `date`; see the module."""
    reporter = Reporter(os.dup(1))
    with Path(log).open("ab") as sink:
        os.dup2(sink.fileno(), 1)
        os.dup2(sink.fileno(), 2)
    # Airflow reads its configuration, and starts to log, when it is imported.
    from airflow.dag_processing.dagbag import DagBag
    from airflow.listeners import hookimpl
    from airflow.sdk.listener import get_listener_manager

    class Listener:
        @hookimpl
        def on_task_instance_success(self, previous_state: Any, task_instance: Any) -> None:
            reporter.tell(task_instance.task_id, "success")

        @hookimpl
        def on_task_instance_failed(self, previous_state: Any, task_instance: Any, error: Any) -> None:
            reporter.tell(task_instance.task_id, _name(task_instance.state) or "failed", error)

        @hookimpl
        def on_task_instance_skipped(self, previous_state: Any, task_instance: Any) -> None:
            reason = task_instance.xcom_pull(task_ids=task_instance.task_id, key="skipped")
            reporter.tell(task_instance.task_id, "skipped", reason)

    get_listener_manager().add_listener(Listener())
    bag = DagBag()
    dag = bag.get_dag(dag_id)
    if dag is None:
        reporter.tell(dag_id, "not loaded", "; ".join(bag.import_errors.values()) or "no such DAG in dags/")
        return 2
    instant = dt.datetime.combine(dt.date.fromisoformat(date), dt.time(), dt.UTC)
    run = dag.test(logical_date=instant, run_conf=json.loads(conf))
    for task_instance in run.get_task_instances():
        state = _name(task_instance.state)
        if reporter.told.get(task_instance.task_id) != state:
            reporter.tell(task_instance.task_id, state)
    if not any(state in ("success", "failed") for state in reporter.told.values()):
        reporter.tell(dag_id, "nothing ran", f"expected tasks of {dag_id} for {date}, found none that ran: see the log")
        return 1
    return 0 if run.state == "success" else 1


def _name(state: Any) -> str:
    """Return a state as Airflow shows it: its enumeration has another text in each release."""
    return str(getattr(state, "value", state) or "")


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
