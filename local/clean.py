"""`make clean`: removes the local lakes and the environments, unless something still runs on them."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

from local import locks
from local.home import ROOT, base


def main() -> int:
    """Remove everything that the other commands made."""
    lakes = base()
    for owner in lakes.glob("*/*.owner"):
        with locks.exclusive(owner) as free:
            if not free:
                print(f"clean: a command still uses {owner.parent}: end it, then try again", file=sys.stderr)
                return 1
    for note in lakes.glob("*/*/postmaster.pid"):
        _stop_leftover(int(note.read_text().split()[0]))
    caches = [ROOT / name for name in (".mypy_cache", ".pytest_cache", ".ruff_cache")]
    for folder in (lakes, *sorted(ROOT.glob(".venv*")), *caches):
        if folder.is_dir():
            print(f"clean: {folder}")
            shutil.rmtree(folder)
        else:
            folder.unlink(missing_ok=True)
    return 0


def _stop_leftover(pid: int) -> None:
    # A killed command leaves its PostgreSQL behind, which is a daemon.
    command = Path(f"/proc/{pid}/cmdline")
    if command.exists() and b"postgres" in command.read_bytes():
        os.kill(pid, signal.SIGINT)


if __name__ == "__main__":
    raise SystemExit(main())
