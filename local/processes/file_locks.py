"""Locks between commands, held on files that name the holder: the holder's end, even by a kill, frees them."""

from __future__ import annotations

import fcntl
import os
import sys
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
    with path.open("a+") as lock:
        yield take(lock, waiting_for=waiting_for)


def take(lock: IO[str], *, waiting_for: str | None = None) -> bool:
    """Lock a file that is open to read and write, as `exclusive` does, until it is closed."""
    if not take_at_once(lock, fcntl.LOCK_EX):
        if waiting_for is None:
            return False
        lock.seek(0)
        holder = lock.read().strip()
        if holder:
            waiting_for += f", process {holder}: it goes on by itself, or stop it with `kill {holder.split()[0]}`"
        print(f"waiting for {waiting_for}", file=sys.stderr, flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)
    lock.truncate(0)
    print(os.getpid(), f"({_name()})", file=lock, flush=True)
    return True


def take_at_once(lock: IO[str], kind: int) -> bool:
    """Lock an open file, if no other process is in the way; return whether it is locked.

    Args:
        lock: the file.
        kind: fcntl.LOCK_EX, or fcntl.LOCK_SH for a lock that others may share.
    """
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_shared(lock: IO[str]) -> bool:
    """Return whether other processes hold a shared lock on a file that this one does not lock."""
    shared = not take_at_once(lock, fcntl.LOCK_EX) and take_at_once(lock, fcntl.LOCK_SH)
    fcntl.flock(lock, fcntl.LOCK_UN)
    return shared


def _name() -> str:
    """Return this command's name, as `run` of `make run`."""
    return os.path.splitext(os.path.basename(sys.argv[0]))[0]  # noqa: PTH119, PTH122
