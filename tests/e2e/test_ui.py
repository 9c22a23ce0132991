"""`make ui`: Airflow's real scheduler over the local lake, driven as a person would, and gone when told to stop."""

import contextlib
import datetime as dt
import json
import os
import re
import select
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import boto3
import psutil
import pytest

from infra.checkout import ROOT
from local import setup
from local.aws import credentials
from local.aws.context import DEFAULT_REGION
from local.commands import airflow
from local.exchange.files import cotahist_file
from local.lake.source import Source
from tests.processes import working_on

# A Thursday, and a Friday with the weekend after it.
TRIGGERED = dt.date(2024, 3, 21)
BACKFILLED, SUNDAY = dt.date(2024, 3, 22), dt.date(2024, 3, 24)
DATES = (TRIGGERED, BACKFILLED)
START_SECONDS = 240
RUN_SECONDS = 600
STOP_SECONDS = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Ui:
    """`make ui` on lakes and an exchange of its own, and its REST API."""

    def __init__(self, lakes: Path, exchange: Path) -> None:
        self.lakes = lakes
        self.exchange = exchange
        self.port = free_port()

    def start(self) -> None:
        """Start it, and wait until it says that it is ready."""
        environ = {**os.environ, "PYTHONPATH": "plugins", "B3_LOCAL_HOME": str(self.lakes)}
        command = [str(setup.AIRFLOW.python), "-m", "local.commands.ui", "--exchange", str(self.exchange)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environ | {"B3_UI_PORT": str(self.port)},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        said = read_until(self.process, "is ready")
        assert "is ready" in said, said
        self._token = self._call("/auth/token")["access_token"]

    def kill(self) -> None:
        """End it as a power cut would; its components follow when they see that it is gone."""
        components = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        self.process.wait()
        _, left = psutil.wait_procs(components, timeout=STOP_SECONDS)
        assert not left

    def _call(self, path: str, body: dict | None = None) -> dict:
        headers = {"Content-Type": "application/json"}
        if hasattr(self, "_token"):
            headers["Authorization"] = f"Bearer {self._token}"
        data = json.dumps(body).encode() if body else None
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def trigger(self, date: dt.date) -> None:
        self._call("/api/v2/dags/b3_daily/dagRuns", {"logical_date": f"{date}T00:00:00Z"})

    def runs(self) -> dict[str, str]:
        """State by day of the logical date."""
        found = self._call("/api/v2/dags/b3_daily/dagRuns")["dag_runs"]
        return {run["logical_date"][:10]: run["state"] for run in found}

    def tasks_under_way(self) -> set[str]:
        """Names of the tasks that a worker has just now."""
        return {
            task["task_id"]
            for task in self._call("/api/v2/dags/b3_daily/dagRuns/~/taskInstances?state=running&limit=100")[
                "task_instances"
            ]
        }

    def wait_for_runs(self, count: int) -> dict[str, str]:
        deadline = time.monotonic() + RUN_SECONDS
        while time.monotonic() < deadline:
            runs = self.runs()
            if len(runs) >= count and not {"queued", "running"} & set(runs.values()):
                break
            time.sleep(1)
        return runs


@pytest.fixture(scope="module")
def lakes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ui-lakes")


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ui-exchange")
    for date in DATES:
        (folder / f"COTAHIST_D{date:%d%m%Y}.ZIP").write_bytes(cotahist_file.session_file(date))
    return folder


@pytest.fixture(scope="module")
def ui(lakes: Path, exchange: Path) -> Iterator[Ui]:
    running = Ui(lakes, exchange)
    try:
        running.start()
        yield running
    finally:
        running.process.send_signal(signal.SIGINT)
        running.process.wait(60)


def read_until(process: subprocess.Popen[str], words: str) -> str:
    assert process.stdout
    said, deadline = "", time.monotonic() + START_SECONDS
    while words not in said and time.monotonic() < deadline and process.poll() is None:
        if select.select([process.stdout], [], [], 1)[0]:
            said += process.stdout.readline()
    return said


def rows_of(lakes: Path, date: dt.date) -> str | None:
    note = lakes / "real" / "aws.url"
    s3 = boto3.client("s3", endpoint_url=note.read_text(), **keys(lakes))
    head = s3.head_object(Bucket="b3-lake-real", Key=f"refined/quotes/trade_date={date}/quotes.parquet")
    return head["Metadata"]["rows"]


def keys(lakes: Path, data: str = "real") -> dict[str, str]:
    return {
        "region_name": DEFAULT_REGION,
        "aws_access_key_id": credentials.ACCESS_KEY_ID,
        "aws_secret_access_key": credentials.secret(lakes / data / "aws"),
    }


def test_a_run_of_the_rest_api_and_airflows_own_backfill_killed_in_the_middle_go_on(ui, lakes, exchange, monkeypatch):
    """A backfill makes a run for each session, and none for the days between them."""
    monkeypatch.setenv("B3_LOCAL_HOME", str(lakes))
    # In São Paulo's time, as the schedule is: its 22:30 is the next day in UTC.
    period = f"--from-date {BACKFILLED}T00:00:00-03:00 --to-date {SUNDAY}T23:00:00-03:00"
    backfill = f"backfill create --dag-id b3_daily {period} --max-active-runs 2"

    ui.trigger(TRIGGERED)
    status = airflow.run(Source("replay", exchange), backfill.split())
    assert status == 0
    deadline = time.monotonic() + RUN_SECONDS
    while not {"refine", "validate.key_is_unique"} & ui.tasks_under_way() and time.monotonic() < deadline:
        time.sleep(0.5)
    under_way = ui.runs()
    assert under_way.keys() == {str(date) for date in DATES}
    assert "running" in under_way.values()
    ui.kill()
    ui.start()

    assert ui.wait_for_runs(len(DATES)) == {str(date): "success" for date in DATES}
    for date in DATES:
        expected = len(cotahist_file.session_records(date).splitlines()) - 2
        assert rows_of(lakes, date) == str(expected)


def test_it_listens_on_loopback_alone(ui, lakes):
    started = psutil.Process(ui.process.pid)
    processes = [started, *started.children(recursive=True), *working_on(lakes)]
    listening = set()
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):  # a task's, which has ended meanwhile
            connections = process.net_connections("inet")
            listening |= {connection.laddr for connection in connections if connection.status == psutil.CONN_LISTEN}
    assert ("127.0.0.1", ui.port) in listening
    # Java writes 127.0.0.1 as an address of IPv6.
    assert {address.ip.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}


@pytest.mark.parametrize("host", ["b3.example", "b3.example:{port}", "127.0.0.1.b3.example", ""])
def test_it_gives_no_token_to_a_page_of_another_name(ui, host):
    with socket.create_connection(("127.0.0.1", ui.port), 10) as connection:
        asked = f"GET /auth/token HTTP/1.1\r\nHost: {host.format(port=ui.port)}\r\nConnection: close\r\n\r\n"
        connection.sendall(asked.encode())
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 400 "), answer
    assert b"access_token" not in answer


def test_told_to_stop_it_leaves_nothing_running(ui, lakes):
    ui.process.send_signal(signal.SIGINT)
    status = ui.process.wait(60)

    assert status == 0
    assert re.search(r"ui: stopped", ui.process.stdout.read())
    assert working_on(lakes) == []
