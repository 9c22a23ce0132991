"""`docker compose up`, for real: an engine, the images, a run over Airflow's REST API, and nothing left behind.

Where no base image can be pulled, stand-ins are made: see standins.py. TEST_COMPOSE_CACHE names a folder that keeps the
images of an engine of our own from one call to the next.
"""

import datetime as dt
import json
import os
import re
import socket
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from infra.checkout import ROOT
from local.aws import credentials
from local.exchange.files import cotahist_file
from local.lake import home, provision, query_client, servers
from tests.compose import engine as engines
from tests.compose import standins

pytestmark = pytest.mark.skipif(
    not os.environ.get("TEST_COMPOSE"), reason="builds images and starts containers: `make test-compose` does"
)
FILE = ROOT / "docker-compose.yaml"
PROJECT = "b3-lake-test"
DATE = dt.date(2024, 3, 14)
UP_SECONDS = 900
RUN_SECONDS = 900
SYSTEM_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


class Project:
    """The services of docker-compose.yaml under a name, ports and base images of their own."""

    def __init__(self, engine: engines.Engine, bases: dict[str, str], ca_bundle: str | None) -> None:
        self.engine = engine
        self.ui_port, self.aws_port = free_port(), free_port()
        self.environ = {
            **bases,
            "COMPOSE_PROJECT_NAME": PROJECT,
            "B3_UI_PORT": str(self.ui_port),
            "B3_AWS_PORT": str(self.aws_port),
            "DOCKER_BUILDKIT": "1",
        }
        if ca_bundle:
            self.environ["B3_CA_BUNDLE"] = ca_bundle

    def compose(self, *command: str, check: bool = True) -> str:
        """What `docker compose …` prints."""
        return self.engine.docker("compose", "--file", FILE, *command, check=check, **self.environ)

    def services(self) -> dict[str, str]:
        """State, or health where there is a check, of each service that has a container."""
        listed = self.compose("ps", "--all", "--format", "json").splitlines()
        containers = [json.loads(line) for line in listed]
        return {container["Service"]: container["Health"] or container["State"] for container in containers}

    def inside(self, service: str, *command: str) -> str:
        """What a command prints in the container of a service."""
        return self.compose("exec", "--no-TTY", service, *command).strip()

    def left(self) -> dict[str, list[str]]:
        """What the engine still has of the project."""
        label = f"label=com.docker.compose.project={PROJECT}"
        kinds = {"container": ["ls", "--all"], "volume": ["ls"], "network": ["ls"]}
        return {
            kind: self.engine.docker(kind, *command, "--quiet", "--filter", label).split()
            for kind, command in kinds.items()
        }

    def api(self, path: str, body: dict | None = None, token: str | None = None) -> dict:
        """The answer of Airflow's API."""
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        data = json.dumps(body).encode() if body else None
        request = urllib.request.Request(f"http://127.0.0.1:{self.ui_port}{path}", data, headers)
        # Patient: with all components on two cores, an answer may take its time.
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Says how long something took."""
    began = time.monotonic()
    yield
    print(f"compose: {what}: {time.monotonic() - began:.0f} s", flush=True)


@pytest.fixture(scope="module")
def engine() -> Iterator[engines.Engine]:
    kept = os.environ.get("TEST_COMPOSE_CACHE")
    with ExitStack() as open_things:
        if kept:
            Path(kept).mkdir(parents=True, exist_ok=True)
        folder = kept or open_things.enter_context(tempfile.TemporaryDirectory(prefix="engine-"))
        try:
            yield open_things.enter_context(engines.running(Path(folder)))
        except engines.NoEngine as reason:
            pytest.skip(str(reason))


@pytest.fixture(scope="module")
def project(engine: engines.Engine) -> Iterator[Project]:
    ca_bundle = str(SYSTEM_BUNDLE) if SYSTEM_BUNDLE.exists() else None
    defaults = dict(re.findall(r"\$\{(\w+_IMAGE):-([^}]+)\}", FILE.read_text()))
    try:
        with timed("base images"):
            bases = standins.images(engine, defaults, ca_bundle)
    except engines.NoEngine as reason:
        pytest.skip(str(reason))
    print(f"compose: on {', '.join(bases.values())}", flush=True)
    project = Project(engine, bases, ca_bundle)
    project.compose("down", "--volumes")
    try:
        with timed("build"):
            project.compose("build")
        yield project
    finally:
        project.compose("down", "--volumes", "--remove-orphans", check=False)


@pytest.fixture(scope="module")
def up(project: Project) -> Project:
    with timed("up, until every service is healthy"):
        project.compose("up", "--detach", "--wait", "--wait-timeout", str(UP_SECONDS), check=False)
    states = project.services()
    unwell = [name for name, state in states.items() if state != "healthy" and name != "migrate"]
    logs = project.compose("logs", "--tail", "40", *unwell) if unwell else ""
    assert not unwell, f"{states}\n{logs}"
    return project


def test_it_comes_up_with_every_service_healthy(up: Project):
    states = up.services()

    assert states.pop("migrate") == "exited"
    assert states == dict.fromkeys(
        ("postgres", "aws", "exchange", "api-server", "scheduler", "triggerer", "dag-processor"), "healthy"
    )


def test_the_ui_answers_on_this_machine_and_on_no_other_address(up: Project):
    with urllib.request.urlopen(f"http://127.0.0.1:{up.ui_port}/", timeout=30) as page:
        assert b"Airflow" in page.read()
    published = up.compose("ps", "--format", "{{.Ports}}")

    assert set(re.findall(r"(\S+):\d+->", published)) == {"127.0.0.1"}


def test_no_container_runs_as_root(up: Project):
    users = {name: up.inside(name, "id", "-u") for name in up.services() if name != "migrate"}

    assert "0" not in users.values(), users


def test_airflow_has_the_pinned_version_and_our_files_where_mwaa_has_them(up: Project):
    pinned = re.search(r"^apache-airflow==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE)

    assert up.api("/api/v2/version")["version"] == pinned[1]
    for path in ("dags/b3_daily.py", "dags/include/sql/validate/quotes/key_is_unique.sql", "plugins/b3/lake/layout.py"):
        up.inside("scheduler", "test", "-f", f"/usr/local/airflow/{path}")


def test_airflow_cannot_write_to_the_checkout(up: Project):
    with pytest.raises(AssertionError, match="Read-only file system"):
        up.inside("scheduler", "touch", "/usr/local/airflow/dags/stray.py")


def test_a_run_triggered_over_rest_goes_green_and_its_rows_are_in_the_lake(up: Project):
    token = up.api("/auth/token")["access_token"]
    with timed(f"b3_daily of {DATE}"):
        # Not unpaused first: it must be ready as it is.
        run = up.api("/api/v2/dags/b3_daily/dagRuns", {"logical_date": f"{DATE}T00:00:00Z"}, token)
        path = f"/api/v2/dags/b3_daily/dagRuns/{run['dag_run_id']}"
        deadline = time.monotonic() + RUN_SECONDS
        while (state := up.api(path, token=token)["state"]) in ("queued", "running") and time.monotonic() < deadline:
            time.sleep(2)

    tasks = up.api(f"{path}/taskInstances?limit=200", token=token)["task_instances"]
    assert state == "success", {task["task_id"]: task["state"] for task in tasks}
    expected = len(cotahist_file.session_records(DATE).splitlines()) - 2
    assert rows_of(up, DATE) == [["quotes", str(expected)], ["raw_quotes", str(expected)]]


def rows_of(project: Project, date: dt.date) -> list[list[str | None]]:
    """Rows of a session in the tables of quotes, as Athena counts them."""
    endpoint = f"http://127.0.0.1:{project.aws_port}"
    with pytest.MonkeyPatch.context() as environment, tempfile.TemporaryDirectory() as folder:
        # The container's own file: the host cannot read the volume.
        credentials.file_of(Path(folder)).write_text(project.inside("aws", "cat", "/var/lib/b3/credentials"))
        for name, value in credentials.environment(Path(folder)).items():
            environment.setenv(name, value)
        outputs = provision.outputs(endpoint)
        assert outputs
        lake = servers.Lake(home.Home(home.SIMULATED, Path()), endpoint, outputs)
        counts = " UNION ALL ".join(
            f"SELECT '{table}' AS name, count(*) AS n FROM {table} WHERE trade_date = DATE '{date}'"
            for table in ("raw_quotes", "quotes")
        )
        return query_client.query(lake, f"{counts} ORDER BY name").rows


def test_what_was_written_survives_a_restart_of_the_aws_service(up: Project):
    before = rows_of(up, DATE)
    up.compose("restart", "aws")
    up.compose("up", "--detach", "--wait", "aws")

    assert rows_of(up, DATE) == before
    assert before[0][1] != "0"


def test_down_leaves_nothing(up: Project):
    assert all(up.left().values())

    with timed("down"):
        up.compose("down", "--volumes")

    assert up.left() == {"container": [], "volume": [], "network": []}
    with pytest.raises(urllib.error.URLError):
        up.api("/api/v2/version")
