"""DAG runs in a process of their own, and what they say while they go on."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from local import setup
from local.home import ROOT, Home


@dataclass(frozen=True)
class TaskEnd:
    """The end of a task: its state, its error or reason in words, and the seconds since the run began."""

    task: str
    state: str
    error: str | None
    seconds: float


class DagRun:
    """A DAG run that goes on while it is iterated over; `succeeded` is known afterwards.

    Attributes:
        log: what Airflow prints.
        succeeded: whether every task did, or was skipped.
    """

    def __init__(self, where: Home, environ: dict[str, str], dag: str, date: dt.date) -> None:
        self.log = where.logs / f"{dag}-{date}.log"
        self.succeeded = False
        # Somebody waits before it: a file that is not there yet is a failure, not a wait until noon.
        self._environ = {**environ, "B3_PUBLICATION_DEADLINE_HOURS": "0"}
        self._command = [str(setup.AIRFLOW.python), "-m", "local.dag_runner", dag, date.isoformat(), str(self.log)]

    def __iter__(self) -> Iterator[TaskEnd]:
        """The tasks as they end."""
        self.log.unlink(missing_ok=True)
        with subprocess.Popen(self._command, cwd=ROOT, env=self._environ, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            started = time.monotonic()
            for line in process.stdout:
                event = json.loads(line)
                yield TaskEnd(event["task"], event["state"], event["error"], time.monotonic() - started)
        self.succeeded = process.returncode == 0


def short(path: Path) -> Path:
    """A path below the checkout, from there."""
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
