"""What a command does now: a line that moves on a terminal, and a line for each step elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


def bar() -> Progress:
    """Return a bar with the steps done, the time gone and an estimate of the time left."""
    return Progress(
        TextColumn("{task.description:<36}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
        console=Console(),
    )


@contextmanager
def step(text: str) -> Iterator[None]:
    """Say on standard error what is waited for, for the time of the context.

    Args:
        text: the step, as "starting the local AWS".
    """
    with Activity() as activity:
        activity.begin(text)
        yield


class Activity:
    """The step that goes on: on a terminal, its name and seconds until the next one; elsewhere, its name.

    All of it goes to standard error, so that the output of a command stays its answer.
    """

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._shown: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        """Begin to show."""
        if self._console.is_terminal:
            columns = SpinnerColumn("line"), TextColumn("{task.description}", markup=False), TimeElapsedColumn()
            # Else what is printed into a file would come to the terminal.
            answers = sys.stdout.isatty()
            self._shown = Progress(*columns, console=self._console, transient=True, redirect_stdout=answers)
            self._shown.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the line."""
        if self._shown:
            self._shown.stop()

    def begin(self, text: str, *, brief: bool = False) -> None:
        """Say that a step begins, and that the one before has ended.

        Args:
            text: the step.
            brief: leave it out where there is no terminal: its end will be told.
        """
        if self._shown is None:
            if not brief:
                self._console.print(f"{text} …", markup=False, soft_wrap=True)
            return
        if self._task is not None:
            self._shown.remove_task(self._task)
        self._task = self._shown.add_task(text, total=None)
