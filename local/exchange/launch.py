"""Start the exchange as a process of its own. Standard library only."""

from __future__ import annotations

import datetime as dt
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local import processes

REPOSITORY = Path(__file__).parents[2]
_READY_SECONDS = 60
_STOP_SECONDS = 10


class ExchangeServer:
    """A running exchange. `endpoint` is its URL, without a slash at the end."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.endpoint = self._wait_until_ready()

    def _wait_until_ready(self) -> str:
        assert self.process.stdout
        readable, _, _ = select.select([self.process.stdout], [], [], _READY_SECONDS)
        line = self.process.stdout.readline() if readable else ""
        if not line.startswith("ready "):
            self.stop()
            raise RuntimeError(
                f"the exchange did not start within {_READY_SECONDS} s (exit status {self.process.returncode}); "
                f"its own words are on stderr. Command: {' '.join(map(str, self.process.args))}"  # type: ignore[arg-type]
            )
        return line.split()[1]

    def stop(self) -> None:
        """End the process; stopping twice is fine."""
        processes.end(self.process, _STOP_SECONDS)
        if self.process.stdout:
            self.process.stdout.close()


@contextmanager
def start(
    *,
    folder: Path | None = None,
    port: int = 0,
    python: Path | None = None,
    today: dt.date | None = None,
) -> Iterator[ExchangeServer]:
    """The exchange for the length of a `with` block; it also ends if this process does.

    Args:
        folder: replay this folder; without it, simulate a market.
        port: port on 127.0.0.1; 0 for a free one.
        python: the interpreter, if not this one. Simulating needs numpy and exchange_calendars in it.
        today: the date the simulated exchange takes for today, if not today's.
    """
    command = [str(python or sys.executable), "-m", "local.exchange", "--port", str(port)]
    command += ["--folder", str(folder.absolute())] if folder else ["--simulate"]
    command += ["--today", today.isoformat()] if today else []
    command += ["--stop-with", str(os.getpid())]
    paths = [str(REPOSITORY / "plugins"), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    process = subprocess.Popen(
        command, cwd=REPOSITORY, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    server = ExchangeServer(process)
    try:
        yield server
    finally:
        server.stop()
