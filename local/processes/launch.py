"""Servers as processes: start one, wait for its line `ready <URL>`, and end it with the process that started it."""

from __future__ import annotations

import re
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import TracebackType
from typing import Self

from local.processes import tether

READY_SECONDS = 60
_READY = re.compile(rb"^ready (\S+)\n", re.MULTILINE)


class Server:
    """A running server. Use it as a context manager, or call `stop`.

    Attributes:
        process: its tether, whose status is the server's.
        endpoint: its URL, without a slash at the end.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environ: Mapping[str, str],
        *,
        stop_seconds: float,
        ready_seconds: float = READY_SECONDS,
        advice: str = "",
        users: Path | None = None,
        keep: Sequence[int] = (),
        errors: Path | None = None,
    ) -> None:
        """Start `command` in the checkout and wait until it is ready.

        Args:
            name: what messages call it.
            command: its words; it prints `ready <URL>` on a line once it answers.
            environ: its environment variables.
            stop_seconds: how long it may take to stop before it is killed.
            ready_seconds: how long it may take to start.
            advice: where to look if it does not start.
            users: it lives as long as a process holds a lock on this file, see `tether.start`.
            keep: file descriptors that it keeps open, likewise.
            errors: file that its standard error is appended to; None: where this process's goes.

        Raises:
            RuntimeError: it ended or was not ready in time.
        """
        self._stop_seconds = stop_seconds
        with errors.open("ab") if errors else nullcontext(sys.stderr if _has_descriptor(sys.stderr) else None) as to:
            self.process = tether.start(
                command, environ, stdout=subprocess.PIPE, stderr=to, stop_seconds=stop_seconds, users=users, keep=keep
            )
        endpoint = self._wait_until_ready(ready_seconds)
        if endpoint is None:
            ended = self.process.poll() is not None
            self.stop()
            found = f"that it ended with status {self.process.returncode}" if ended else "no word of it"
            raise RuntimeError(
                f"expected {name} to be ready within {ready_seconds:g} s, found {found}: {_reason(errors)}{advice}"
            )
        self.endpoint = endpoint

    def __enter__(self) -> Self:
        """Return the server."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server."""
        self.stop()

    def leave(self) -> None:
        """Let it go on without this process, for its other users; call `stop` no more."""
        assert self.process.stdout
        self.process.stdout.close()
        self.process.poll()

    def stop(self) -> None:
        """Stop the server cleanly, or kill it if that takes too long; stopping twice is fine."""
        assert self.process.stdout
        if not self.process.stdout.closed:
            tether.end([self.process], self._stop_seconds)
            self.process.stdout.close()

    def _wait_until_ready(self, seconds: float) -> str | None:
        assert self.process.stdout
        output, said = self.process.stdout.fileno(), b""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if select.select([output], [], [], 0.2)[0]:
                chunk = self.process.stdout.read1()  # type: ignore[attr-defined]
                if not chunk:
                    self.process.wait(1)
                    return None
                said += chunk
                if found := _READY.search(said):
                    return found[1].decode()
        return None


def _reason(errors: Path | None) -> str:
    if errors is None:
        return "standard error has its reason"
    lines = errors.read_text(errors="replace").splitlines()
    return f"{lines[-1] if lines else 'no reason'} ({errors})"


def _has_descriptor(stream: object) -> bool:
    try:
        stream.fileno()  # type: ignore[attr-defined]
    except (AttributeError, OSError, ValueError):
        return False
    return True
