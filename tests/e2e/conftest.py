"""One local lake for the end-to-end tests that replay files; each run is the one `make run` or `make history` does.

A test file takes trade dates of its own, so that no file sees what another one left in the lake.
"""

import contextlib
import datetime as dt
import io
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest

from b3.site import addresses
from local.aws.glue import kept_jvms
from local.commands import history, run
from local.exchange.answers import Answer
from local.exchange.files import cotahist_file
from local.exchange.simulation import Simulation
from local.lake import dag_runs, home, provision, query_client, servers
from local.lake.source import Source


@dataclass
class Outcome:
    """What a command returned and printed."""

    status: int
    printed: str

    @classmethod
    def of(cls, command: Callable[[], int]) -> "Outcome":
        """Run a command and keep what it prints; a fixture of a whole file cannot ask capsys for it."""
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            status = command()
        return cls(status, printed.getvalue())

    def state(self, task: str) -> str | None:
        """Return the state of a task, None if it did not run."""
        found = re.search(rf"^  (\w+) +{re.escape(task)} ", self.printed, re.MULTILINE)
        return found[1] if found else None


class Lab:
    """A running lake, and what readers see of it."""

    def __init__(self, lake: servers.Lake) -> None:
        self.lake = lake
        self.s3 = boto3.client("s3", endpoint_url=lake.endpoint)

    def query(self, sql: str) -> list[list[str | None]]:
        """Return the rows of a query on the lake."""
        return query_client.query(self.lake, sql).rows

    def objects(self, prefix: str = "", *, of: str = "") -> dict[str, str]:
        """Return ETags by key, of what B3's data became (not query results or code).

        Args:
            prefix: where the keys begin.
            of: what the keys contain, as a trade date.
        """
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.lake.home.bucket, Prefix=prefix)
        found = {entry["Key"]: entry["ETag"] for page in pages for entry in page.get("Contents", [])}
        return {key: etag for key, etag in found.items() if of in key and not key.startswith(("athena/", "code/"))}

    def versions(self, of: str) -> set[tuple[str, str]]:
        """Return key and version of all that was ever put under the keys that contain `of`."""
        pages = self.s3.get_paginator("list_object_versions").paginate(Bucket=self.lake.home.bucket)
        return {
            (entry["Key"], entry["VersionId"])
            for page in pages
            for entry in page.get("Versions", []) + page.get("DeleteMarkers", [])
            if of in entry["Key"] and not entry["Key"].startswith("athena/")
        }


class Replay(Lab):
    """A lake of real data kind, fed from a folder that the test fills."""

    def __init__(self, lake: servers.Lake, exchange: Path) -> None:
        super().__init__(lake)
        self.exchange = exchange

    def publish(self, date: dt.date, content: bytes | None = None) -> None:
        """Let the exchange have `content` as the daily file of `date`; by default the simulated session's."""
        (self.exchange / f"COTAHIST_D{date:%d%m%Y}.ZIP").write_bytes(
            cotahist_file.session_file(date) if content is None else content
        )

    def publish_year(self, year: int, content: bytes) -> None:
        """Let the exchange have `content` as the file of the year."""
        (self.exchange / f"COTAHIST_A{year}.ZIP").write_bytes(content)

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
        conf = dag_runs.accepted(accept)
        return Outcome.of(lambda: run.run(Source("replay", self.exchange), date, conf=conf, script=script))

    def run_year(self, year: int) -> Outcome:
        """Run the DAG of whole years for one."""
        return Outcome.of(lambda: history.run(Source("replay", self.exchange), year, year))


@pytest.fixture(scope="session")
def lakes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of all lakes that commands in this process use, whose DAG runs share what they import."""
    with pytest.MonkeyPatch.context() as environment:
        folder = tmp_path_factory.mktemp("lakes")
        environment.setenv("B3_LOCAL_HOME", str(folder))
        environment.setenv("TEST_PROCESS", str(os.getpid()))
        environment.setenv(kept_jvms.KEEP, "1")
        environment.setattr(dag_runs, "RUNNER", "tests.e2e.warm_runner")
        yield folder


@pytest.fixture(scope="session")
def lab(lakes: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replay]:
    """The lake that replays files. Its AWS stays up between runs."""
    with servers.lake(home.find(home.REAL)) as lake:
        yield Replay(lake, tmp_path_factory.mktemp("exchange"))
