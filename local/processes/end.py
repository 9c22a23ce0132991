"""End processes that this one started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import Any


def kill_group(group: int, number: signal.Signals) -> None:
    """Send a signal to a process group, if there is still one."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def end(process: subprocess.Popen[Any], seconds: float) -> None:
    """End a process, if it has not ended: by SIGTERM, and after `seconds` by SIGKILL. Returns once it is gone."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
