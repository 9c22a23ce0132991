"""Remove the state of a local lake, unless something still runs on it."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from local.lake.home import OWNER, USERS
from local.processes import file_locks

_PATIENCE_SECONDS = 20
_ENDING_SECONDS = 40  # longer than a running Glue job may take to end


def wait_for_aws(lakes: Iterable[Path]) -> None:
    """Wait until the AWS of lakes that nobody uses any more has ended: after a kill or Ctrl-C that takes a while."""
    deadline = time.monotonic() + _ENDING_SECONDS
    for lake in lakes:
        told = False
        while time.monotonic() < deadline and _is_ending(lake):
            if not told:
                print(f"waiting until the local AWS on {lake} has ended", file=sys.stderr, flush=True)
                told = True
            time.sleep(0.1)


def _is_ending(lake: Path) -> bool:
    if not (lake / USERS).exists():
        return False
    with file_locks.exclusive(lake / OWNER) as ended:
        if ended:
            return False
    with (lake / USERS).open("a") as users:
        return not file_locks.is_shared(users)


def in_use(lakes: Iterable[Path]) -> Path | None:
    """Return the first folder of `lakes` that a command still uses, None if there is none."""
    for owner in (path for lake in lakes for path in lake.glob("*.owner")):
        with file_locks.exclusive(owner) as free:
            if not free:
                return owner.parent
    return None


def remove(lakes: Iterable[Path]) -> list[Path]:
    """Remove the folders of lakes, once what killed commands left running has ended; return those that were there."""
    removed = []
    for lake in lakes:
        for note in lake.glob("*/postmaster.pid"):
            stop_leftover(note)
        _wait_for_aws(lake / "aws" / "lock")
        if lake.is_dir():
            shutil.rmtree(lake)
            removed.append(lake)
    return removed


def stop_leftover(note: Path) -> None:
    """End the PostgreSQL that a killed command left behind, which is a daemon; returns once it is gone.

    Args:
        note: postmaster.pid in its data directory; PostgreSQL removes it at its end.
    """
    try:
        first = note.read_text().partition("\n")[0].strip()
    except FileNotFoundError:
        return
    if not first.isdigit():
        return
    for number in (signal.SIGINT, signal.SIGQUIT):
        if not _serves(int(first), note.parent):
            return
        with suppress(ProcessLookupError):
            os.kill(int(first), number)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while _serves(int(first), note.parent) and time.monotonic() < deadline:
            time.sleep(0.1)


def _serves(pid: int, data: Path) -> bool:
    # After a crash the number may be another process's. A zombie has no command line.
    try:
        return str(data).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False


def _wait_for_aws(lock: Path) -> None:
    # The server of a killed command ends by itself, but not at once.
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while lock.exists() and time.monotonic() < deadline:
        with file_locks.exclusive(lock) as free:
            if free:
                return
        time.sleep(0.1)
