"""Start the local AWS from another process. Standard library only."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from infra.checkout import ROOT
from local.aws import credentials
from local.aws.context import DEFAULT_REGION
from local.processes import launch

ENVIRONMENT = ROOT / ".venv-aws"
SPARK_ENVIRONMENT = ROOT / ".venv-spark"
# Running Glue jobs are ended first.
_STOP_SECONDS = 30


class Server(launch.Server):
    """A running local AWS on the state folder `home`."""

    home: Path

    @property
    def secret(self) -> str:
        """The secret that its clients sign with."""
        return credentials.secret(self.home)

    def environment(self, region: str = DEFAULT_REGION) -> dict[str, str]:
        """Return the variables that make an AWS client in another process use this server."""
        return {**credentials.environment(self.home, region), "AWS_ENDPOINT_URL": self.endpoint}


def start(
    home: Path,
    port: int = 0,
    *,
    host: str = "127.0.0.1",
    allow_hosts: Sequence[str] = (),
    spark_env: Path = SPARK_ENVIRONMENT,
    record_calls: Path | None = None,
    users: Path | None = None,
    keep: Sequence[int] = (),
) -> Server:
    """Start a server on the state folder `home` and wait until it answers.

    Args:
        home: the folder of all its state.
        port: port to listen on; 0 for a free one.
        host: address to listen on.
        allow_hosts: names, besides the loopback's, under which clients may ask.
        spark_env: the environment that runs Glue scripts.
        record_calls: file that calls are recorded in, else the one that B3_AWS_CALLS names (see local.aws.calls).
        users: it lives as long as a process holds a lock on this file, see `tether.start`; its messages then go to
            log/server.stderr in `home`. None: it lives as long as this process.
        keep: file descriptors that it keeps open, likewise.

    Raises:
        RuntimeError: it does not come up.
    """
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        raise RuntimeError(f"expected the local AWS environment's Python at {python}, found nothing. Run `make setup`.")
    command = [str(python), "-m", "local.aws", "--home", str(home), "--host", host, "--port", str(port)]
    command += [word for name in allow_hosts for word in ("--allow-host", name)]
    command += ["--spark-env", str(spark_env)]
    command += ["--record-calls", str(record_calls.resolve())] if record_calls else []
    errors = home / "log" / "server.stderr" if users else None
    if errors:
        errors.parent.mkdir(parents=True, exist_ok=True)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    server = Server(
        f"the local AWS on {home}",
        command,
        environ,
        stop_seconds=_STOP_SECONDS,
        advice=f", and {home}/log/server.log may say more",
        users=users,
        keep=keep,
        errors=errors,
    )
    server.home = home
    return server
