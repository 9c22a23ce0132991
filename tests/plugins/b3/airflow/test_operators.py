"""`scrape` in Airflow as `airflow dags test` runs it, with B3 and the clock replaced."""

import datetime as dt
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, TaskDeferred

from b3.airflow.operators import CaptureQuotesOperator
from b3.calendar import known_sessions, publication
from b3.errors import NotServed, Truncated
from b3.lake import landed
from b3.site.hook import Download
from local.aws import launch
from tests.places import ROOT
from tests.plugins.b3.quotes.cotahist.cotahist_lines import build_file, build_zip, record

SENT = build_zip(build_file([record()]))
NOT_FOUND = (404, b"")
EMPTY = (200, b"")
FAILED = (503, b"")
PAGE = (200, b"<html><head><title>B3</title></head></html>")
FILE = (200, SENT)
CUT_SHORT = (200, SENT[:-40])

EVENING = "2020-04-30T22:30-03:00"

DAG_FILE = """
import datetime as dt
from airflow.sdk import DAG, task
from b3.airflow.operators import CaptureQuotesOperator

with DAG("late", schedule=None, start_date=dt.datetime(1986, 1, 2, tzinfo=dt.UTC)):
    @task
    def upload(landed):
        return landed["uri"]

    upload(CaptureQuotesOperator(
        task_id="scrape", poll=dt.timedelta(seconds=1), deadline_hours="{{ 6 * 6 }}"
    ).output)
"""

# The clock moves on each time it is read: 22:30, 22:40, 22:50 of the session's day …
RUN = """
import datetime as dt, itertools, json, sys
from sqlalchemy import event
from airflow.dag_processing.dagbag import DagBag
from airflow.listeners import hookimpl
from airflow.models.taskinstance import TaskInstance
from airflow.sdk.listener import get_listener_manager
from b3.calendar import publication

clock, step = dt.datetime.fromisoformat(sys.argv[1]), dt.timedelta(minutes=int(sys.argv[2]))
def now():
    global clock
    clock, read = clock + step, clock
    return read
publication.now = now

states, errors = [], []
@event.listens_for(TaskInstance.state, "set")
def note(instance, value, before, initiator):
    if instance.task_id == "scrape":
        states.append(str(getattr(value, "value", value)))
class Listener:
    @hookimpl
    def on_task_instance_failed(self, previous_state, task_instance, error):
        errors.append("; ".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", [])]))
get_listener_manager().add_listener(Listener())

run = DagBag().get_dag("late").test(logical_date=dt.datetime(2020, 4, 30, tzinfo=dt.UTC))
scrape, upload = (run.get_task_instance(task) for task in ("scrape", "upload"))
print(json.dumps({
    "state": str(run.state), "states": [state for state, _ in itertools.groupby(states)], "errors": errors,
    "answers": scrape.xcom_pull(task_ids="scrape", key="answers"), "uploaded": upload.xcom_pull(task_ids="upload"),
}))
"""


@dataclass
class Outcome:
    """How a run ended, and the states that `scrape` went through."""

    state: str
    states: list[str]
    errors: list[str]
    answers: list[list[str]] | None
    uploaded: str | None


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of an Airflow with one DAG, whose database is up to date."""
    home = tmp_path_factory.mktemp("airflow")
    (home / "dags").mkdir()
    (home / "dags" / "late.py").write_text(DAG_FILE)
    environ = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }
    environ.pop("PYTHONPATH", None)
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], env=environ, capture_output=True, check=True)
    return environ


class LateExchange:
    """B3 on one evening: each request for the daily file takes the next answer; there is no other file."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, bytes]] = []
        self.asked = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        exchange = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = NOT_FOUND
                if self.path.endswith("/COTAHIST_D30042020.ZIP"):
                    status, body = exchange.answers[min(exchange.asked, len(exchange.answers) - 1)]
                    exchange.asked += 1
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@pytest.fixture
def exchange() -> Iterator[LateExchange]:
    server = LateExchange()
    yield server
    server.close()


@pytest.fixture
def settings_of_a_task(aws_server: launch.Server, lake, exchange: LateExchange) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": aws_server.endpoint,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": aws_server.secret,
        "B3_LAKE_BUCKET": lake.bucket,
        "AIRFLOW_CONN_AWS_DEFAULT": json.dumps({"conn_type": "aws", "extra": {"region_name": "sa-east-1"}}),
        "AIRFLOW_CONN_B3_DEFAULT": json.dumps({"conn_type": "http", "host": exchange.url, "extra": {"attempts": 1}}),
    }


@pytest.fixture
def run(airflow, settings_of_a_task, exchange: LateExchange) -> Callable[..., Outcome]:
    """Run the DAG for the session of 30 April 2020; the clock starts at `at` and moves `minutes` with each reading."""
    environ = {**airflow, **settings_of_a_task}

    def call(*answers: tuple[int, bytes], at: str = "2020-04-30T22:30-03:00", minutes: int = 10) -> Outcome:
        exchange.answers = list(answers)
        ran = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", RUN, at, str(minutes)],
            env=environ, cwd=airflow["AIRFLOW_HOME"], capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr[-3000:]
        return Outcome(**json.loads(ran.stdout.splitlines()[-1]))

    return call


class TestALateFile:
    def test_is_waited_for_without_a_slot_and_then_taken(self, run, exchange, lake):
        outcome = run(NOT_FOUND, EMPTY, FAILED, FILE)

        assert outcome.state == "success"
        assert outcome.states.count("deferred") == 3
        assert exchange.asked == 4
        assert outcome.uploaded == f"s3://{lake.bucket}/landing/quotes/COTAHIST_D30042020.ZIP"
        assert outcome.answers == [
            ["2020-04-30T22:30:00-03:00", "status 404 Not Found"],
            ["2020-04-30T22:40:00-03:00", "status 200 and not one byte"],
            ["2020-04-30T22:50:00-03:00", "status 503 Service Unavailable"],
        ]

    def test_fails_after_the_deadline_with_each_answer_and_its_time(self, run, exchange):
        outcome = run(NOT_FOUND, PAGE, EMPTY, minutes=405)

        assert outcome.state == "failed"
        assert outcome.states.count("deferred") == 2
        assert exchange.asked == 3
        [error] = outcome.errors
        assert error.startswith("AirflowFailException: DeadlineOver: ")
        assert "expected the file of 2020-04-30 by 2020-05-01 12:00, São Paulo; found status 404 Not Found at" in error
        assert re.search("404 Not Found at 2020-04-30 22:30; .*B3.* at 2020-05-01 05:15; .* at 2020-05-01 12:00", error)


class TaskInstance:
    """What the operator uses of Airflow's."""

    task_id = "scrape"

    def __init__(self) -> None:
        self.xcoms: dict[str, Any] = {}

    def xcom_pull(self, *, task_ids: str, key: str) -> Any:
        assert task_ids == self.task_id
        return self.xcoms.get(key)

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = value


@pytest.fixture
def ti() -> TaskInstance:
    return TaskInstance()


@pytest.fixture
def ask(monkeypatch, settings_of_a_task, exchange, ti):
    """Ask for a session at an instant, as the operator does when a trigger resumes it."""
    for name, value in settings_of_a_task.items():
        monkeypatch.setenv(name, value)

    def call(
        answer, at: str = EVENING, *, trade_date: str = "2020-04-30", run_type: str = "manual", **arguments: Any
    ) -> Any:
        exchange.answers, exchange.asked = [answer], 0
        monkeypatch.setattr(publication, "now", lambda: dt.datetime.fromisoformat(at))
        dag_run = SimpleNamespace(
            run_id="a",
            run_type=run_type,
            logical_date=dt.datetime.fromisoformat(trade_date).replace(tzinfo=dt.UTC),
            conf={"trade_date": trade_date},
        )
        return CaptureQuotesOperator(task_id="scrape", **arguments).ask_again({"dag_run": dag_run, "ti": ti})

    return call


class TestWhatIsNotWaitedFor:
    def test_a_file_that_is_broken(self, ask):
        with pytest.raises(TaskDeferred):
            ask(NOT_FOUND)
        with pytest.raises(Truncated) as raised:
            ask(CUT_SHORT, "2020-04-30T22:40-03:00")

        assert raised.value.__notes__[-1] == (
            "before that, B3 had no file to give: status 404 Not Found at 2020-04-30 22:30"
        )

    def test_a_session_whose_deadline_passes_is_not_tried_again_so_that_the_answers_stay(self, ask):
        """Airflow clears a task's XComs, and with them the answers, when it tries it again."""
        with pytest.raises(TaskDeferred):
            ask(NOT_FOUND)
        with pytest.raises(AirflowFailException, match=r"DeadlineOver: .* at 2020-04-30 22:30, 2020-05-01 12:00"):
            ask(NOT_FOUND, "2020-05-01T12:00-03:00")

    @pytest.mark.parametrize(
        "given", [{"at": "2024-01-02T12:00-03:00"}, {"deadline_hours": "0"}], ids=["old", "told not to"]
    )
    def test_a_session_whose_deadline_is_over(self, ask, exchange, given):
        with pytest.raises(NotServed):
            ask(NOT_FOUND, **given)

        assert exchange.asked == 1

    def test_a_closed_day(self, ask, exchange):
        with pytest.raises(AirflowFailException, match=r"^ClosedDay: .*2020-04-30, the session before it, or 2020-05"):
            ask(FILE, trade_date="2020-05-01")

        assert exchange.asked == 0


class TestADayThatTurnsOutClosed:
    """The calendar has a session on 1990-03-14, so a backfill makes a run for it; B3's file of the year has none."""

    @pytest.fixture(autouse=True)
    def landed(self, s3, lake):
        sent = build_zip(build_file([record(DATPRE=dt.date(1990, 3, day)) for day in (13, 19)]))
        days = known_sessions.encode([dt.date(1990, 3, 13), dt.date(1990, 3, 19)])
        at = dt.datetime(2020, 4, 30, tzinfo=dt.UTC)
        download = Download("https://b3.example/", hashlib.sha256(sent).hexdigest(), len(sent), at, "b3")
        key = "landing/quotes/COTAHIST_A1990.ZIP"
        landed.keep(s3, lake, key, io.BytesIO(sent), download, **{"session-days": days})

    @pytest.mark.parametrize("run_type", ["scheduled", "backfill"])
    def test_skips_a_run_that_nobody_asked_for_with_its_reason(self, ask, ti, run_type):
        with pytest.raises(AirflowSkipException, match=r"1990-03-14, on which B3 was closed .*1990-03-13.*1990-03-19"):
            ask(NOT_FOUND, trade_date="1990-03-14", run_type=run_type)

        assert "1990-03-14, on which B3 was closed" in ti.xcoms["skipped"]

    def test_fails_a_run_that_somebody_triggered(self, ask, ti):
        with pytest.raises(AirflowFailException, match=r"^ClosedDay: .*1990-03-14, on which B3 was closed"):
            ask(NOT_FOUND, trade_date="1990-03-14")

        assert ti.xcoms == {}


def test_b3_is_asked_again_every_ten_minutes():
    assert CaptureQuotesOperator(task_id="scrape").poll == dt.timedelta(minutes=10)
