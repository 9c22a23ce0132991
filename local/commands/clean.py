"""`make clean`: removes the local lakes and the environments, unless something still runs on them."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from infra.checkout import ROOT
from local.lake.home import REAL, SIMULATED, base
from local.processes import file_locks

_PATIENCE_SECONDS = 20


def main() -> int:
    """Remove everything that the other commands made; what else lies in B3_LOCAL_HOME is left alone."""
    lakes = [base() / data for data in (REAL, SIMULATED)]
    for owner in (path for lake in lakes for path in lake.glob("*.owner")):
        with file_locks.exclusive(owner) as free:
            if not free:
                print(f"clean: a command still uses {owner.parent}: end it, then try again", file=sys.stderr)
                return 1
    for lake in lakes:
        for note in lake.glob("*/postmaster.pid"):
            stop_leftover(note)
        _wait_for_aws(lake / "aws" / "lock")
    bench = base() / "bench"
    caches = [ROOT / name for name in (".mypy_cache", ".pytest_cache", ".ruff_cache")]
    made = [*lakes, base() / "last", *bench.glob("COTAHIST_A*"), *bench.glob("b3-bench-*")]
    for path in (*made, *sorted(ROOT.glob(".venv*")), *caches):
        if path.is_dir():
            print(f"clean: {path}")
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for folder in (bench, base()):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    return 0


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


if __name__ == "__main__":
    raise SystemExit(main())
