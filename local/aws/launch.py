"""Start the local AWS server from another process. Standard library only."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from local import processes

REPOSITORY = Path(__file__).resolve().parents[2]


class Server:
    """A running server. Use it as a context manager, or call stop()."""

    def __init__(self, process: subprocess.Popen[str], endpoint: str, home: Path) -> None:
        self.process = process
        self.endpoint = endpoint
        self.home = home

    def __enter__(self) -> Self:
        """The server itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server."""
        self.stop()

    def stop(self, timeout_seconds: float = 30) -> None:
        """Stop cleanly, ending running Glue jobs; kills the server if it takes longer than the timeout."""
        processes.end(self.process, timeout_seconds)
        if self.process.stdout:
            self.process.stdout.close()

    def kill(self) -> None:
        """End the server as a power cut would (SIGKILL)."""
        self.process.kill()
        self.process.wait()

    def environment(self, region: str = "us-east-1") -> dict[str, str]:
        """The variables that make an AWS client in another process use this server."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": region,
            "AWS_REGION": region,
        }


def start(
    home: Path,
    port: int = 0,
    *,
    host: str = "127.0.0.1",
    python: Path = REPOSITORY / ".venv-aws/bin/python",
    spark_env: Path = REPOSITORY / ".venv-spark",
    stop_with: int | None = None,
    record_calls: Path | None = None,
    timeout_seconds: float = 60,
) -> Server:
    """Start a server on `home` and wait until it answers. `stop_with` names a process to stop with (default: this one).

    Calls are recorded in the file `record_calls`, or in the one that B3_AWS_CALLS names (see local.aws.calls).

    Raises RuntimeError with the server's own words if it does not come up.
    """
    if not python.exists():
        raise RuntimeError(f"expected the local AWS environment's Python at {python}, found nothing. Run `make setup`.")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "PYTHON"))}
    process = subprocess.Popen(
        [
            str(python), "-m", "local.aws", "--home", str(home), "--host", host, "--port", str(port),
            "--spark-env", str(spark_env), "--stop-with", str(os.getpid() if stop_with is None else stop_with),
            *(("--record-calls", str(record_calls.resolve())) if record_calls else ()),
        ],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=sys.stderr if _has_descriptor(sys.stderr) else None,
        text=True,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        readable, _, _ = select.select([process.stdout], [], [], 0.2)
        if readable:
            line = process.stdout.readline().strip()
            if line.startswith("ready "):
                return Server(process, line.removeprefix("ready "), home)
        if process.poll() is not None:
            raise RuntimeError(
                f"the local AWS server on {home} ended with exit code {process.returncode} before it was ready; "
                f"its reason is on standard error, and {home}/log/server.log may say more"
            )
    process.kill()
    process.wait()
    raise RuntimeError(f"the local AWS server on {home} was not ready after {timeout_seconds:.0f} seconds")


def _has_descriptor(stream: object) -> bool:
    try:
        stream.fileno()  # type: ignore[attr-defined]
    except (AttributeError, OSError, ValueError):
        return False
    return True
