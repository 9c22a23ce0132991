"""Several commands on one lake: they share its AWS, and a killed one leaves it usable."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError

from infra.checkout import ROOT
from local.aws import credentials
from local.lake import remove, servers
from local.lake.home import Home
from local.lake.source import Source
from local.processes import file_locks

USER = """
    import sys, time
    from pathlib import Path
    from local.lake import servers
    from local.lake.home import Home

    with servers.aws(Home("real", Path(sys.argv[1]))) as url:
        print(url, flush=True)
        sys.stdin.readline()
    print("left", flush=True)
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home("real", tmp_path)


class User:
    """Another command that uses a home's AWS until it is told to leave."""

    def __init__(self, home: Home) -> None:
        command = [sys.executable, "-c", textwrap.dedent(USER), str(home.folder)]
        environ = {**os.environ, "PYTHONPATH": "plugins"}
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environ, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.url = self.process.stdout.readline().strip()

    def leave(self) -> None:
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def buckets(url: str) -> list[str]:
    return [found["Name"] for found in boto3.client("s3", endpoint_url=url).list_buckets()["Buckets"]]


def test_a_second_command_uses_the_aws_of_the_first(home):
    first = User(home)
    with servers.aws(home) as url:
        assert url == first.url
        boto3.client("s3", endpoint_url=url).create_bucket(Bucket="shared")
    assert buckets(first.url) == ["shared"]
    first.leave()
    assert first.process.wait(30) == 0


def test_a_command_ends_at_once_though_another_goes_on_with_its_aws_which_ends_with_the_last(home):
    first = User(home)
    with servers.aws(home) as url:
        first.leave()
        assert first.process.wait(10) == 0
        assert buckets(url) == []
        assert servers.is_held(home)
    assert not servers.is_held(home)
    assert not (home.folder / "aws.url").exists()
    with pytest.raises(EndpointConnectionError):
        buckets(url)


def test_the_aws_of_a_killed_command_goes_on_for_another(home):
    first = User(home)
    with servers.aws(home) as url:
        first.kill()
        time.sleep(1)
        assert buckets(url) == []
    assert not servers.is_held(home)


def test_an_aws_that_only_a_killed_command_used_ends_by_itself_and_what_removes_the_lake_waits_for_it(home, capsys):
    first = User(home)
    first.kill()
    assert remove.in_use([home.folder])

    remove.wait_for_aws([home.folder])

    assert f"waiting until the local AWS on {home.folder} has ended" in capsys.readouterr().err
    assert remove.in_use([home.folder]) is None
    with pytest.raises(EndpointConnectionError):
        buckets(first.url)


def test_nothing_is_waited_for_where_a_command_still_uses_the_aws(home):
    first = User(home)

    remove.wait_for_aws([home.folder])

    assert remove.in_use([home.folder]) == home.folder
    first.leave()
    assert first.process.wait(30) == 0


def test_the_address_of_an_aws_that_is_gone_is_not_taken(home):
    (home.folder / "aws.url").write_text("http://127.0.0.1:9")
    held = (home.folder / "aws.owner").open("a+")
    assert file_locks.take(held)
    threading.Timer(1, held.close).start()

    with servers.aws(home) as url:
        assert url != "http://127.0.0.1:9"
        assert buckets(url) == []


def test_after_a_kill_the_next_command_starts_at_once_and_finds_what_was_there(home):
    first = User(home)
    os.environ.update(credentials.environment(home.aws))
    boto3.setup_default_session()
    boto3.client("s3", endpoint_url=first.url).create_bucket(Bucket="kept")
    first.process.send_signal(signal.SIGKILL)
    first.process.wait()

    with servers.aws(home) as url:
        assert buckets(url) == ["kept"]


def test_a_database_outlives_a_killed_command_and_is_stopped_by_the_next(tmp_path):
    folder = tmp_path / "postgres"
    code = """
        import sys
        from pathlib import Path
        from local.lake import remove, servers

        with servers.database(Path(sys.argv[1])) as url:
            print(url, flush=True)
            sys.stdin.readline()
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(folder)]
    first = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "plugins"},
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert first.stdout.readline().startswith("postgresql")
    first.kill()
    first.wait()

    with servers.database(folder) as url:
        import sqlalchemy

        with sqlalchemy.create_engine(url).connect() as connection:
            assert connection.execute(sqlalchemy.text("SELECT 1")).scalar() == 1
    assert not (folder / "postmaster.pid").exists()


class TestTheConnectionToB3:
    def test_says_where_the_files_come_from(self):
        assert servers.b3_connection("", Source("live")) == {"conn_type": "http", "host": "", "extra": {"source": "b3"}}

    def test_is_patient_with_the_simulated_exchange_which_makes_a_year_while_one_waits(self):
        extra = servers.b3_connection("http://127.0.0.1:8000", Source("simulated"))["extra"]

        assert extra == {"source": "simulated", "timeout": 300}

    def test_takes_the_callers_certificates(self, monkeypatch):
        monkeypatch.setenv("B3_CA_BUNDLE", "/etc/b3.pem")

        assert servers.b3_connection("", Source("live"))["extra"]["ca_bundle"] == "/etc/b3.pem"
