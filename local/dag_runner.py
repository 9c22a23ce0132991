"""Runs one DAG run in this process, as `airflow dags test` does: `python -m local.dag_runner DAG_ID DATE LOG`.

Standard output is one JSON line per finished task; all that Airflow prints goes to LOG. Status 0 only if the run
succeeded.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
from typing import Any


class Reporter:
    """An Airflow listener that writes a line for each finished task."""

    def __init__(self, descriptor: int) -> None:
        self._out = os.fdopen(descriptor, "w", buffering=1)

    def tell(self, task_instance: Any, state: str, error: object = None) -> None:
        """Write one line."""
        message = str(error) if error is not None else None
        notes = getattr(error, "__notes__", [])
        line = {
            "task": task_instance.task_id,
            "state": state,
            "error": "; ".join([f"{type(error).__name__}: {message}", *notes]) if message is not None else None,
        }
        self._out.write(json.dumps(line) + "\n")


def main(dag_id: str, date: str, log: str) -> int:
    """Run `dag_id` for the session `date`; see the module."""
    report = os.dup(1)
    with open(log, "ab") as sink:  # noqa: PTH123
        os.dup2(sink.fileno(), 1)
        os.dup2(sink.fileno(), 2)
    from airflow.dag_processing.dagbag import DagBag
    from airflow.listeners import hookimpl
    from airflow.sdk.listener import get_listener_manager

    reporter = Reporter(report)

    class Listener:
        @hookimpl
        def on_task_instance_success(self, previous_state: Any, task_instance: Any) -> None:
            reporter.tell(task_instance, "success")

        @hookimpl
        def on_task_instance_failed(self, previous_state: Any, task_instance: Any, error: Any) -> None:
            reporter.tell(task_instance, "failed", error)

    get_listener_manager().add_listener(Listener())
    bag = DagBag()
    dag = bag.get_dag(dag_id)
    if dag is None:
        print(bag.import_errors, file=sys.stderr)
        return 2
    instant = dt.datetime.combine(dt.date.fromisoformat(date), dt.time(), dt.UTC)
    run = dag.test(logical_date=instant)
    return 0 if run.state == "success" else 1


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
