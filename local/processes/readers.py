"""Whoever reads a command's output may leave early, as `head` does."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable


def run(main: Callable[[], int]) -> int:
    """Run a command and return its status: 0 if the reader of its output left before the end.

    Args:
        main: the command.
    """
    try:
        status = main()
        sys.stdout.flush()
    except BrokenPipeError:
        # Python would fail again when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status
