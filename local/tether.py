"""Runs a command that ends when its parent does: `python -m local.tether COMMAND …`, in a session of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time


def main(command: list[str]) -> int:
    """Run `command`; once the parent is gone, end the whole process group."""
    parent = os.getppid()
    child = subprocess.Popen(command)
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    while child.poll() is None:
        if os.getppid() != parent:
            os.killpg(0, signal.SIGTERM)
            time.sleep(10)
            os.killpg(0, signal.SIGKILL)
        time.sleep(0.5)
    return child.returncode


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
