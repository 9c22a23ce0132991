"""Secrets of the run's environment are planted in one run of the daily DAG: nothing that it leaves behind has them."""

import datetime as dt
import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
import sqlalchemy

from local.aws import credentials
from local.lake import servers, source
from tests.e2e.conftest import Outcome, Replay

DATE = dt.date(2023, 8, 16)
PLANTED = {
    "password in the host": "planted-in-the-host",
    "password of the connection": "planted-as-password",
    "password of the proxy": "planted-in-the-proxy",
    "token in a redirect": "planted-in-the-redirect",
    "AWS session token": "planted-as-session-token",
}


class Redirecting(BaseHTTPRequestHandler):
    """B3 in front of the replay: every request is redirected once, to an address that carries a token."""

    replay: str

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if f"token={PLANTED['token in a redirect']}" not in query:
            self.send_response(302)
            self.send_header("Location", f"{path}?token={PLANTED['token in a redirect']}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        address = urlsplit(self.replay)
        connection = http.client.HTTPConnection(address.hostname or "", address.port)
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        if "feriado" in path.lower():
            # A task that fails tells more than one that does not.
            body = b"<html><title>Access denied</title></html>"
        self.send_response(answer.status)
        for name in ("Content-Type", "Last-Modified"):
            if value := answer.getheader(name):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def ran(lab: Replay) -> Iterator[Outcome]:
    lab.publish(DATE)
    lab.publish_indexes(DATE)
    serve, b3_connection = source.serve, servers.b3_connection

    @contextmanager
    def redirecting(chosen: source.Source) -> Iterator[str]:
        with serve(chosen) as replay:
            handler = type("Handler", (Redirecting,), {"replay": replay})
            server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            try:
                yield f"http://ana:{PLANTED['password in the host']}@127.0.0.1:{server.server_port}"
            finally:
                server.shutdown()
                server.server_close()

    def with_password(*arguments: object) -> dict[str, object]:
        return {
            **b3_connection(*arguments), "login": "bea", "password": PLANTED["password of the connection"],
        }  # fmt: skip

    with pytest.MonkeyPatch.context() as environment:
        environment.setattr(source, "serve", redirecting)
        environment.setattr(servers, "b3_connection", with_password)
        proxy = f"http://cid:{PLANTED['password of the proxy']}@127.0.0.1:9"
        environment.setattr(
            servers, "airflow_environment", _with(servers.airflow_environment, AWS_SESSION_TOKEN="AWS session token")
        )
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
            environment.setenv(name, proxy)
        yield lab.run(DATE)
    lab.withdraw_indexes()


def _with(function, **planted: str):
    return lambda *arguments: function(*arguments) | {name: PLANTED[of] for name, of in planted.items()}


def test_the_run_went_through_the_redirects_and_one_task_failed(lab: Replay, ran: Outcome):
    assert ran.state("calendar_agrees") == "failed", ran.printed
    assert {task: ran.state(task) for task in ("scrape", "indexes.upload", "refine", "report")} == dict.fromkeys(
        ("scrape", "indexes.upload", "refine", "report"), "success"
    )
    landed = lab.s3.head_object(Bucket=lab.lake.home.bucket, Key=f"landing/quotes/COTAHIST_D{DATE:%d%m%Y}.ZIP")
    assert landed["Metadata"]["source-url"].startswith("http://127.0.0.1:")


@pytest.fixture(scope="module")
def secrets(lab: Replay, ran: Outcome) -> dict[str, bytes]:
    key = credentials.environment(lab.lake.home.aws)["AWS_SECRET_ACCESS_KEY"]
    return {name: text.encode() for name, text in {**PLANTED, "the lake's key": key}.items()}


def test_none_is_printed(ran: Outcome, secrets):
    assert [name for name, secret in secrets.items() if secret in ran.printed.encode()] == []


def test_none_is_in_a_file_of_the_lake_but_for_the_keys_own(lab: Replay, secrets):
    """The files hold all logs and all objects of S3, and their metadata."""
    files = [path for path in lab.lake.home.folder.rglob("*") if path.is_file() and not path.is_symlink()]
    logs = [path.read_text(errors="replace") for path in files if path.is_relative_to(lab.lake.home.logs)]
    assert any("calendar_agrees" in log and "Access denied" in log for log in logs)
    found = {
        (path.relative_to(lab.lake.home.folder).as_posix(), name)
        for path in files
        if path != credentials.file_of(lab.lake.home.aws)
        for name, secret in secrets.items()
        if secret in path.read_bytes()
    }
    assert found == set()


def test_none_is_in_an_object_or_its_metadata(lab: Replay, secrets):
    bucket = lab.lake.home.bucket
    for key in lab.objects():
        answer = lab.s3.get_object(Bucket=bucket, Key=key)
        everything = answer["Body"].read() + repr(answer["Metadata"]).encode()
        assert [name for name, secret in secrets.items() if secret in everything] == [], key


def test_none_is_in_airflows_database(lab: Replay, ran: Outcome, secrets):
    """Every row of every table as text: XComs, rendered templates, variables, connections and events."""
    rows = 0
    with servers.database(lab.lake.home.run_database) as url:
        engine = sqlalchemy.create_engine(url)
        with engine.connect() as connection:
            for table in sqlalchemy.inspect(engine).get_table_names():
                for (text,) in connection.execute(sqlalchemy.text(f'SELECT t::text FROM "{table}" t')):
                    rows += 1
                    assert [name for name, secret in secrets.items() if secret.decode() in text] == [], table
        engine.dispose()
    assert rows > 100


def test_the_key_is_found_where_it_belongs(lab: Replay, secrets):
    """So the searches above can find it."""
    assert secrets["the lake's key"] in credentials.file_of(lab.lake.home.aws).read_bytes()
