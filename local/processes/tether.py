"""Run a command that ends when its parent does: `python -m local.processes.tether PARENT COMMAND …`.

The command runs in a session of its own. Ctrl-C reaches its parent alone.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO, Any

from infra.checkout import ROOT

# Of an orphan. The AWS server ends its Glue jobs first.
_STOP_SECONDS = 30


def start(
    command: Sequence[str], environ: Mapping[str, str], *, stdout: int | IO[Any], stderr: int | IO[Any] | None = None
) -> subprocess.Popen[bytes]:
    """Start `command` in the checkout, in a process group that ends when this process does, were it by SIGKILL.

    Args:
        command: its words.
        environ: its environment variables.
        stdout: where its output goes, as of Popen.
        stderr: likewise; None: where this process's goes.

    Returns:
        The leader of the group, whose status is the command's; `end` ends them all.
    """
    tethered = [sys.executable, "-m", "local.processes.tether", str(os.getpid()), *command]
    return subprocess.Popen(
        tethered,
        cwd=ROOT,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
    )


def end(processes: Sequence[subprocess.Popen[bytes]], seconds: float) -> None:
    """End the groups that `start` made: by SIGTERM, and after `seconds` by SIGKILL. Returns once they are gone."""
    for process in processes:
        _signal(process, signal.SIGTERM)
    deadline = time.monotonic() + seconds
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.1, deadline - time.monotonic()))
        # The group may outlive its leader.
        _signal(process, signal.SIGKILL)
        process.wait()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def main(parent: int, command: list[str]) -> int:
    """Run `command` unless `parent` is gone; once it is, end the whole process group. Returns the command's status."""
    if os.getppid() != parent:
        return 1
    child = subprocess.Popen(command)
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    while True:
        with suppress(subprocess.TimeoutExpired):
            return child.wait(0.5)
        if os.getppid() != parent:
            os.killpg(0, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                child.wait(_STOP_SECONDS)
            os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1]), sys.argv[2:]))
