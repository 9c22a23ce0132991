"""A lake of three sessions, made by the pipeline's own steps: captured, uploaded, refined by Spark, crawled."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from airflow.sdk import Connection

from b3.airflow.glue_arguments import sessions_argument
from b3.calendar.sessions import last_rebalance
from b3.indexes import land as indexes_land
from b3.indexes import raw as indexes_raw
from b3.lake import layout
from b3.lake.layout import Lake
from b3.quotes import land, raw
from b3.sectors import land as sectors_land
from b3.sectors import raw as sectors_raw
from b3.site.hook import B3Hook
from b3.verify.differences import Report
from b3.verify.inventory import Days
from b3.verify.lake import verify
from local.aws import launch
from local.exchange import launch as exchange
from local.lake import provision
from tests.plugins.b3.simulated import TODAY

BUCKET = "lake"
SESSIONS = [dt.date(2026, 1, 6), dt.date(2026, 1, 7), TODAY]
BEFORE = dt.date(2026, 1, 5)


@dataclass(frozen=True)
class Stored:
    """An object as it was, to be put back."""

    body: bytes
    metadata: dict[str, str]


@dataclass(frozen=True)
class Lab:
    """The lake, and what breaks it."""

    s3: Any
    glue: Any
    database: str
    lake: Lake = Lake(BUCKET)  # noqa: RUF009

    def verify(self, *period: dt.date) -> Report:
        """Verify the lake, or the sessions of a period."""
        return verify(self.s3, self.glue, self.lake, self.database, Days(*period))

    def differences(self, *period: dt.date) -> list[tuple[str, str]]:
        """Return kind and key of all that differs."""
        return sorted((each.kind, self.lake.key(each.uri)) for each in self.verify(*period).differences)

    def get(self, key: str) -> Stored:
        """Return an object."""
        answer = self.s3.get_object(Bucket=BUCKET, Key=key)
        return Stored(answer["Body"].read(), answer["Metadata"])

    def put(self, key: str, body: bytes, metadata: dict[str, str]) -> None:
        """Put an object behind the pipeline's back."""
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body, Metadata=metadata)

    def erase(self, key: str) -> None:
        """Delete all versions of an object."""
        answer = self.s3.list_object_versions(Bucket=BUCKET, Prefix=key)
        for entry in answer.get("Versions", []) + answer.get("DeleteMarkers", []):
            self.s3.delete_object(Bucket=BUCKET, Key=entry["Key"], VersionId=entry["VersionId"])

    @contextmanager
    def breaking(self, key: str) -> Iterator[Stored]:
        """Yield an object that the `with` block breaks, and put it back afterwards."""
        stored = self.get(key)
        try:
            yield stored
        finally:
            self.put(key, stored.body, stored.metadata)

    def partition(self, table: str, *values: str) -> dict[str, Any]:
        """Return a partition as it can be created again."""
        found = self.glue.get_partition(DatabaseName=self.database, TableName=table, PartitionValues=list(values))
        return {name: found["Partition"][name] for name in ("Values", "StorageDescriptor")}

    def register(self, table: str, partition: dict[str, Any]) -> None:
        """Create a partition."""
        self.glue.create_partition(DatabaseName=self.database, TableName=table, PartitionInput=partition)

    def unregister(self, table: str, *values: str) -> None:
        """Delete a partition."""
        self.glue.delete_partition(DatabaseName=self.database, TableName=table, PartitionValues=list(values))


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The lake. A test puts back what it breaks."""
    with (
        launch.start(tmp_path_factory.mktemp("aws")) as server,
        exchange.start(today=TODAY) as b3,
        pytest.MonkeyPatch.context() as environment,
    ):
        for name, value in server.environment().items():
            environment.setenv(name, value)
        outputs = provision.provision(server.endpoint, BUCKET)
        lab = Lab(boto3.client("s3"), boto3.client("glue"), outputs["GlueDatabase"])
        extra = json.dumps({"source": "simulated", "timeout": 300})
        hook = B3Hook(connection=Connection(conn_id="b3_default", conn_type="http", host=b3.endpoint, extra=extra))
        _capture_and_upload(lab, hook)
        _refine(lab, outputs)
        for crawler in ("RawCrawler", "RefinedCrawler"):
            lab.glue.start_crawler(Name=outputs[crawler])
            _wait(lambda name=outputs[crawler]: lab.glue.get_crawler(Name=name)["Crawler"]["State"] == "READY")
        yield lab


def _capture_and_upload(lab: Lab, hook: B3Hook) -> None:
    for date in SESSIONS:
        land.capture_quotes(hook, lab.s3, lab.lake, date)
        raw.write_quotes(lab.s3, lab.lake, date)
    # Fetched after the daily files, so the sessions that it has are now to come from it.
    land.capture_year(hook, lab.s3, lab.lake, TODAY.year)
    captured = indexes_land.capture_portfolios(hook, lab.s3, lab.lake, TODAY, ["IBOV"])
    captured.check()
    indexes_raw.write_portfolios(lab.s3, lab.lake, captured.landed, TODAY)
    workbook = sectors_land.capture_sectors(hook, lab.s3, lab.lake, TODAY, "IBOV")
    assert workbook
    sectors_raw.write_sectors(lab.s3, lab.lake, workbook, TODAY)
    # The rest of the year's file, as b3_history would.
    raw.write_year(lab.s3, lab.lake, TODAY.year)


def _refine(lab: Lab, outputs: dict[str, str]) -> None:
    written = sorted({layout.date_of(key) for key in _keys(lab, "raw/quotes/")})
    places = {
        "--source": lab.lake.all_raw_quotes,
        "--target": lab.lake.all_refined_quotes,
        "--findings": lab.lake.all_findings,
    }
    with_portfolio = {
        "--portfolio": lab.lake.raw_index_portfolio(TODAY),
        "--index_target": lab.lake.refined_index_stocks(TODAY),
        "--last_rebalance": last_rebalance(TODAY).isoformat(),
    }
    others = [date for date in written if date != TODAY]
    for sessions, before, more in ((others, dt.date(2025, 12, 30), {}), ([TODAY], SESSIONS[1], with_portfolio)):
        arguments = {"--sessions": sessions_argument(sessions), "--previous_session": before.isoformat()}
        run = lab.glue.start_job_run(JobName=outputs["GlueJob"], Arguments=arguments | places | more)["JobRunId"]

        def state(run: str = run) -> str:
            return str(lab.glue.get_job_run(JobName=outputs["GlueJob"], RunId=run)["JobRun"]["JobRunState"])

        _wait(lambda: state() not in ("STARTING", "RUNNING"))
        assert state() == "SUCCEEDED"


def _keys(lab: Lab, prefix: str) -> list[str]:
    return [entry["Key"] for entry in lab.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])]


def _wait(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
