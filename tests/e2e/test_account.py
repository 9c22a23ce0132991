"""Airflow here, the lake on AWS: one run against a second local AWS that stands for the account.

It has a port, a home and a key of its own. The key reaches the run as a profile in a file outside of every home.
"""

import datetime as dt
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
import sqlalchemy

from infra.deploy.account import Account
from infra.deploy.arguments import Options
from infra.deploy.deploying import Deployment
from local.aws import launch
from local.commands import run
from local.lake import home, servers
from local.lake.account import STAND_IN
from tests.e2e.conftest import Outcome

DATE = dt.date(2024, 3, 14)
STACK, BUCKET = "class-lake", "b3-simulated-of-the-class"
TASKS = ("scrape", "upload", "crawl_raw", "refine", "crawl_refined", "report")


@dataclass
class Ran:
    """A run on the account, and what there was of this machine's lakes before and after it."""

    outcome: Outcome
    server: launch.Server
    secret: bytes
    base: Path
    before: dict[str, str]
    after: dict[str, str]

    @property
    def s3(self):
        return boto3.client("s3")


def files(base: Path) -> dict[str, str]:
    """The digest of each file of this machine's lakes, by path."""
    return {
        path.relative_to(base).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(base.rglob("*"))
        if path.is_file() and not path.is_relative_to(base / "on-aws")
    }


@pytest.fixture(scope="module")
def ran(lakes: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    base, caller = tmp_path_factory.mktemp("lakes"), tmp_path_factory.mktemp("caller")
    with pytest.MonkeyPatch.context() as environment, launch.start(tmp_path_factory.mktemp("account")) as server:
        (caller / "credentials").write_text(
            f"[student]\naws_access_key_id = AKIASTUDENT\naws_secret_access_key = {server.secret}\n"
        )
        (caller / "config").write_text("[profile student]\nregion = us-east-1\n")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION"):
            environment.delenv(name, raising=False)
        # A run sets it for its own queries.
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        environment.setenv("AWS_PROFILE", "student")
        environment.setenv("AWS_SHARED_CREDENTIALS_FILE", str(caller / "credentials"))
        environment.setenv("AWS_CONFIG_FILE", str(caller / "config"))
        environment.setenv("AWS_ENDPOINT_URL", server.endpoint)
        environment.setenv(STAND_IN, "1")
        environment.setenv("B3_LOCAL_HOME", str(base))
        boto3.setup_default_session()
        deployment = Deployment(Account(), Options(STACK, BUCKET, mwaa=False), lambda line: None)
        deployment.apply(deployment.plan())
        local = home.find(home.SIMULATED)
        home.remember(home.find(home.REAL))
        local.aws.mkdir()
        (local.aws / "catalog").write_text("of the lake of this machine")
        before = files(base)
        arguments = ["--lake", "aws", "--stack", STACK, "--date", str(DATE), "--exchange", "simulated"]
        outcome = Outcome.of(lambda: run.main(arguments))
        yield Ran(outcome, server, server.secret.encode(), base, before, files(base))
    boto3.setup_default_session()


def test_the_run_is_green_and_says_what_is_in_the_lake(ran: Ran):
    assert ran.outcome.status == 0, ran.outcome.printed
    assert {task: ran.outcome.state(task) for task in TASKS} == dict.fromkeys(TASKS, "success")
    assert f"the lake: s3://{BUCKET}/, stack {STACK} in account " in ran.outcome.printed
    assert "top stocks of 2024-03-14" in ran.outcome.printed


def test_what_it_wrote_is_on_the_account(ran: Ran):
    keys = {item["Key"] for item in ran.s3.list_objects_v2(Bucket=BUCKET)["Contents"]}
    written = {key.partition("/")[0] for key in keys if f"trade_date={DATE}/" in key}

    assert written == {"metrics", "raw", "refined", "reports"}
    assert [bucket["Name"] for bucket in ran.s3.list_buckets()["Buckets"]] == [BUCKET, f"{BUCKET}-code"]


def test_nothing_of_the_lakes_of_this_machine_was_touched(ran: Ran):
    assert "simulated/aws/catalog" in ran.before and "last" in ran.before
    assert ran.after == ran.before
    (folder,) = (ran.base / "on-aws").iterdir()
    assert folder.name.endswith(f"-us-east-1-{STACK}")
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == ["airflow", "logs", "postgres-run"]


def test_no_key_is_on_disk(ran: Ran):
    found = [path for path in ran.base.rglob("*") if path.is_file() and not path.is_symlink()]
    logs = [path for path in found if "logs" in path.parts]

    assert any("refine" in path.read_text(errors="replace") for path in logs)
    assert [path for path in found if ran.secret in path.read_bytes()] == []
    assert ran.secret.decode() not in ran.outcome.printed


def test_no_key_is_in_airflows_database(ran: Ran):
    rows = 0
    (folder,) = (ran.base / "on-aws").iterdir()
    with servers.database(folder / "postgres-run") as url:
        engine = sqlalchemy.create_engine(url)
        with engine.connect() as connection:
            for table in sqlalchemy.inspect(engine).get_table_names():
                for (text,) in connection.execute(sqlalchemy.text(f'SELECT t::text FROM "{table}" t')):
                    rows += 1
                    assert ran.secret.decode() not in text, table
        engine.dispose()
    assert rows > 100


@pytest.mark.parametrize(
    ("exchange", "said"), [("", "expected B3 to answer"), ("FOLDER", "expected a bucket for real")]
)
def test_no_other_data_meets_that_of_the_lake(ran: Ran, tmp_path, monkeypatch, capsys, exchange, said):
    monkeypatch.setattr("local.lake.source.why_out_of_reach", lambda: "a proxy")
    (tmp_path / "COTAHIST_D14032024.ZIP").touch()
    given = str(tmp_path) if exchange else ""

    assert run.main(["--lake", "aws", "--stack", STACK, "--date", str(DATE), "--exchange", given]) in (1, 2)
    assert said in capsys.readouterr().err
