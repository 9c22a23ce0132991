"""One local lake for all end-to-end tests: the AWS server stays up, each run is the one `make run` does."""

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest

from b3.site import addresses
from local.commands import run
from local.exchange.answers import Answer
from local.exchange.files import cotahist_file
from local.exchange.simulation import Simulation
from local.lake import dag_runs, home, provision, query_client, servers
from local.lake.source import Source


@dataclass
class Outcome:
    """What a run returned and printed."""

    status: int
    printed: str

    def state(self, task: str) -> str | None:
        """State of a task, None if it did not run."""
        found = re.search(rf"^  (\w+) +{re.escape(task)} ", self.printed, re.MULTILINE)
        return found[1] if found else None


class Lab:
    """A lake of real data kind, fed from a folder that the test fills."""

    def __init__(self, lake: servers.Lake, exchange: Path, capture: pytest.CaptureFixture[str] | None = None) -> None:
        self.lake = lake
        self.exchange = exchange
        self.capture = capture
        self.s3 = boto3.client("s3", endpoint_url=lake.endpoint)

    def publish(self, date: dt.date, content: bytes | None = None) -> None:
        """Let the exchange have `content` as the daily file of `date`; by default the simulated session's."""
        (self.exchange / f"COTAHIST_D{date:%d%m%Y}.ZIP").write_bytes(
            cotahist_file.session_file(date) if content is None else content
        )

    def publish_indexes(self, date: dt.date, index: str = "IBOV") -> None:
        """Let the exchange have the simulated one's answers of `date` about an index, sectors and holidays."""
        simulation = Simulation(lambda: date)
        for method in addresses.INDEX_METHODS.values():
            parameters = addresses.index_path(method, index=index).rpartition("/")[2]
            self._keep(f"{method}.{index}.json", simulation.index_call(method, parameters))
        parameters = addresses.sector_workbook_path().rpartition("/")[2]
        self._keep("GetDownloadIndustryClassification.xlsx", simulation.sector_classification(parameters))
        self._keep("feriados.html", simulation.trading_holidays())
        simulation.close()

    def _keep(self, name: str, answer: Answer) -> None:
        assert isinstance(answer.body, bytes)
        (self.exchange / name).write_bytes(answer.body)

    def withdraw_indexes(self) -> None:
        """Let the exchange have no more than quotes."""
        for path in self.exchange.iterdir():
            if not path.name.startswith("COTAHIST"):
                path.unlink()

    def run(self, date: dt.date, *, script: Path = provision.REFINE_SCRIPT, accept: str = "") -> Outcome:
        """Run the daily DAG for `date`."""
        assert self.capture
        self.capture.readouterr()
        status = run.run(Source("replay", self.exchange), date, conf=dag_runs.accepted(accept), script=script)
        return Outcome(status, self.capture.readouterr().out)

    def query(self, sql: str) -> list[list[str | None]]:
        """Rows of a query on the lake."""
        return query_client.query(self.lake, sql).rows

    def objects(self, prefix: str = "") -> dict[str, str]:
        """ETags by key, of what B3's data became (not query results or code)."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.lake.home.bucket, Prefix=prefix)
        found = {entry["Key"]: entry["ETag"] for page in pages for entry in page.get("Contents", [])}
        return {key: etag for key, etag in found.items() if not key.startswith(("athena/", "code/"))}


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the calls of all runs on the lake are noted."""
    return tmp_path_factory.mktemp("calls") / "calls.jsonl"


@pytest.fixture(scope="session")
def running_lake(tmp_path_factory: pytest.TempPathFactory, recording: Path) -> Iterator[servers.Lake]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("B3_LOCAL_HOME", str(tmp_path_factory.mktemp("lakes")))
        environment.setenv("B3_AWS_CALLS", str(recording))
        with servers.lake(home.find(home.REAL)) as lake:
            yield lake


@pytest.fixture(scope="session")
def shared_exchange(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exchange")


@pytest.fixture
def lab(running_lake: servers.Lake, shared_exchange: Path, capsys: pytest.CaptureFixture[str]) -> Lab:
    return Lab(running_lake, shared_exchange, capsys)
