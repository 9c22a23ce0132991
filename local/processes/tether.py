"""Run a command that ends when its parent does, or the last user of a file: `python -m local.processes.tether …`.

Its arguments are PARENT SECONDS USERS COMMAND …; see `main`. The command runs in a session of its own. Ctrl-C reaches
its parent alone.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from infra.checkout import ROOT
from local.processes import file_locks

STOP_SECONDS = 10
_LOOK_SECONDS = 0.25


def start(
    command: Sequence[str],
    environ: Mapping[str, str],
    *,
    stdout: int | IO[Any],
    stderr: int | IO[Any] | None = None,
    stop_seconds: float = STOP_SECONDS,
    users: Path | None = None,
    keep: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start `command` in the checkout, in a process group that ends when this process does, were it by SIGKILL.

    With `users` it ends instead as soon as no process holds a shared lock on that file.

    Args:
        command: its words.
        environ: its environment variables.
        stdout: where its output goes, as of Popen.
        stderr: likewise; None: where this process's goes.
        stop_seconds: how long it may take to end, once this process is gone, before it is killed.
        users: the file whose locks count; this process holds one already.
        keep: file descriptors that stay open as long as the leader lives, with their locks.

    Returns:
        The leader of the group, whose status is the command's; `end` ends them all.
    """
    tethered = [sys.executable, "-m", "local.processes.tether", str(os.getpid()), str(stop_seconds), str(users or "")]
    return subprocess.Popen(
        [*tethered, *command],
        pass_fds=keep,
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


def main(parent: int, stop_seconds: float, users: str, command: list[str]) -> int:
    """Run `command`, and end the whole process group once `parent`, or the last of `users`, is gone.

    Args:
        parent: process id of the parent; if it is gone already, nothing is run.
        stop_seconds: how long the group may take to end.
        users: path of the file whose shared locks count in place of the parent; empty if the parent does.
        command: its words.

    Returns:
        The command's status.
    """
    if os.getppid() != parent:
        return 1
    # The command gets it too, and ends; `exec` gives the command its own answer to it.
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    child = subprocess.Popen(command)
    # Locked to the end once nobody uses it: whoever comes next waits until the command is gone.
    with Path(users or os.devnull).open() as used:
        while True:
            with suppress(subprocess.TimeoutExpired):
                return child.wait(_LOOK_SECONDS)
            if file_locks.take_at_once(used, fcntl.LOCK_EX) if users else os.getppid() != parent:
                os.killpg(0, signal.SIGTERM)
                with suppress(subprocess.TimeoutExpired):
                    child.wait(stop_seconds)
                os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3], sys.argv[4:]))
