"""Whoever reads a command's output may leave early, as `head` does."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

# As a shell has it for a command that SIGPIPE ended.
LEFT = 141


def run(main: Callable[[], int], *, left: int = LEFT) -> int:
    """Run a command and return its status.

    Args:
        main: the command.
        left: its status if the reader of its output left before the end, so that it had to end as well.
    """
    try:
        status = main()
        sys.stdout.flush()
    except BrokenPipeError:
        _write_to_nobody()
        return left
    return status


def tell(line: str) -> None:
    """Print a line, and go on without a reader if that has left."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        _write_to_nobody()


def _write_to_nobody() -> None:
    # Python would fail again when it closes the stream.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
