"""DAG runs in a process of their own, and what they say while they go on."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from b3.quotes.accepted import CONF
from infra.checkout import ROOT
from local import setup
from local.lake.home import Home
from local.processes import readers, tether

# The module of the process of a run.
RUNNER = "local.lake.dag_runner"
_STOP_SECONDS = 10


@dataclass(frozen=True)
class TaskEnd:
    """The end of a task.

    Attributes:
        task: its id.
        state: as Airflow names it.
        error: its error, or the reason why it was skipped.
        summary: what it did, in a line.
        seconds: how long it took.
    """

    task: str
    state: str
    error: str | None = None
    summary: str | None = None
    seconds: float = 0.0

    def line(self, columns: int | None = None) -> str:
        """Return the end in one line, with the first line of its summary.

        Args:
            columns: cut it to so many; Airflow's log has the whole line. None: do not.
        """
        told = (self.summary or "").partition("\n")[0]
        line = f"{self.state:<9} {self.task:<46}{self.seconds:5.1f} s  {told}".rstrip()
        return line if columns is None or len(line) <= columns else f"{line[: columns - 1]}…"


def tell(end: TaskEnd) -> None:
    """Print the end of a task, cut to a terminal, and its error or reason; go on if the reader has left."""
    columns = shutil.get_terminal_size().columns - 2 if sys.stdout.isatty() else None
    readers.tell(f"  {end.line(columns)}")
    if end.error:
        readers.tell(f"      {end.error}")


@dataclass(frozen=True)
class Began:
    """The begin of a task, or of a step before the first one.

    Attributes:
        text: the task's id, or the step in words.
        is_task: which of both.
    """

    text: str
    is_task: bool


@dataclass(frozen=True)
class WaitingRun:
    """A run that another run has started in the database, where nothing runs it by itself."""

    dag: str
    run_id: str
    conf: dict[str, Any]


class DagRun:
    """A DAG run, in a process that lives no longer than the context; iterate over its tasks as they end.

    Attributes:
        log: what Airflow prints.
        succeeded: whether every task did, or was skipped; known when there are no more tasks.
        waiting: the runs that wait in the database, in order; known when there are no more tasks.
    """

    def __init__(
        self,
        where: Home,
        environ: dict[str, str],
        dag: str,
        date: dt.date,
        conf: Mapping[str, Any] | None = None,
        *,
        began: Callable[[Began], None] = lambda begun: None,
        instead_of: str = "",
    ) -> None:
        """Prepare it.

        Args:
            where: the lake's folder.
            environ: the environment of Airflow's commands.
            dag: the DAG's id.
            date: the session.
            conf: the run's conf.
            began: is told of each step and task that begins.
            instead_of: id of a waiting run of the same DAG that gets this one's outcome.
        """
        self._began = began
        self.log = where.logs / f"{dag}-{date}.log"
        self.succeeded = False
        self.waiting: list[WaitingRun] = []
        # Somebody waits before it: a file that is not there yet is a failure, not a wait until noon.
        self._environ = {**environ, "B3_PUBLICATION_DEADLINE_HOURS": "0"}
        self._command = [str(setup.AIRFLOW.python), "-m", RUNNER, dag, date.isoformat(), str(self.log)]
        self._command += [json.dumps(dict(conf or {})), instead_of]

    def __enter__(self) -> Self:
        """Start it."""
        self.log.unlink(missing_ok=True)
        self._process = tether.start(self._command, self._environ, stdout=subprocess.PIPE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it, if it has not ended."""
        if self._process.poll() is None:
            tether.end([self._process], _STOP_SECONDS)
        if self._process.stdout:
            self._process.stdout.close()

    def __iter__(self) -> Iterator[TaskEnd]:
        """The tasks as they end."""
        assert self._process.stdout
        for line in self._process.stdout:
            event = json.loads(line)
            if "task" in event:
                yield TaskEnd(**event)
            elif "run_id" in event:
                self.waiting.append(WaitingRun(**event))
            else:
                self._began(Began(event.get("step") or event["began"], is_task="began" in event))
        self.succeeded = self._process.wait() == 0


def accepted(names: str) -> dict[str, bool]:
    """Return the conf of a run that accepts what `ACCEPT=` names: flood, loss, or both with a comma between them.

    Raises:
        ValueError: it names something else.
    """
    given = [name.strip() for name in names.split(",") if name.strip()]
    if set(given) - CONF.keys():
        raise ValueError(f"expected ACCEPT=flood, ACCEPT=loss or ACCEPT=flood,loss, found {names!r}")
    return {CONF[name]: True for name in given}


def interrupt_on_signals() -> None:
    """Treat SIGTERM as Ctrl-C: raise KeyboardInterrupt, once. A second signal is ignored.

    `timeout make run` sends two signals: one itself, and one through make.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # Not by print: the signal may have come in the middle of one.
    os.write(2, b"\nending what runs; a few seconds\n")
    raise KeyboardInterrupt


def short(path: Path) -> Path:
    """A path below the checkout, from there."""
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
