"""Locks between commands, held on files: the holder's end, even by a kill, frees them."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def exclusive(path: Path, *, waiting_for: str | None = None) -> Iterator[bool]:
    """Hold the lock `path` for the time of the context, and say whether that succeeded.

    Args:
        path: its file, made where it is missing.
        waiting_for: who may hold it; with this it is waited for, and said so. Without, held elsewhere is False.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as lock:
        yield take(lock, waiting_for=waiting_for)


def take(lock: IO[str], *, waiting_for: str | None = None) -> bool:
    """Lock an open file, as `exclusive` does, until it is closed."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if waiting_for is None:
            return False
        print(f"waiting for {waiting_for}", flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)
    return True
