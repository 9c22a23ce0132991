"""What the visual job refuses: each time with its sentence, and without an object in the lake."""

import datetime as dt
import io
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.deploy.visual_job import VisualJob
from local.aws import launch
from local.aws.glue import spark
from local.lake import provision
from tests.include.glue.gate import Gate
from tests.include.glue.lake import GLUE, SPARK, run_many
from tests.include.glue.test_visual import BUCKET, LAYOUT, Visual
from tests.include.sql import lab as sql_lab
from tests.include.sql.lab import TABLES

Row = dict[str, Any]
GOOD = dt.date(2024, 3, 1)
# A session for each refusal.
FREE = iter(dt.date(2024, 3, day) for day in range(4, 30))
# Tickers that make no folder.
TICKERS = {"no ticker": None, "two folders": "A/B", "no name": ""}
CONSTITUENTS = sql_lab.portfolio("IBOV", GOOD)[:3]
QUOTES = sql_lab.quotes(GOOD, {row["ticker"][:4] for row in CONSTITUENTS}, options=False)


def raw_key(table: str, day: dt.date) -> str:
    return f"{TABLES[table]}trade_date={day}/part.parquet"


class Lake(Visual):
    """A lake whose raw partitions are written and registered one by one."""

    def put_raw(
        self, day: dt.date, portfolio: list[Row] = CONSTITUENTS, quotes: list[Row] = QUOTES, **sources: str
    ) -> None:
        """Write a session's raw partitions; `sources` names the exchange of a table, by default the simulated one."""
        for table, rows in (("raw_index_portfolio", portfolio), ("raw_quotes", quotes)):
            self.put(table, rows, str(day))
            place = {"Bucket": BUCKET, "Key": raw_key(table, day)}
            metadata = {"source": sources.get(table, "simulated")}
            self.s3.copy_object(**place, CopySource=place, Metadata=metadata, MetadataDirective="REPLACE")
            storage = self.glue.get_table(DatabaseName="b3", Name=table)["Table"]["StorageDescriptor"]
            location = {**storage, "Location": f"{storage['Location']}trade_date={day}/"}
            self.glue.create_partition(
                DatabaseName="b3", TableName=table,
                PartitionInput={"Values": [str(day)], "StorageDescriptor": location},
            )  # fmt: skip


class Held(NamedTuple):
    """The job's script in a process whose requests pass a gate."""

    gate: Gate
    script: Path
    environ: dict[str, str]

    def start(self, day: dt.date) -> subprocess.Popen[str]:
        """Start the script for a session."""
        command = [str(SPARK / "bin/python"), str(self.script), "--sessions", str(day)]
        return subprocess.Popen(
            command, env=self.environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )


@pytest.fixture(scope="module")
def lake(tmp_path_factory) -> Iterator[Lake]:
    with launch.start(tmp_path_factory.mktemp("aws")) as server, pytest.MonkeyPatch.context() as environment:
        for name, value in server.environment().items():
            environment.setenv(name, value)
        lake = Lake(server.endpoint, provision.provision(server.endpoint, BUCKET))
        lake.put_raw(GOOD)
        yield lake


def script_below(folder: Path) -> Path:
    script = folder / "script.py"
    script.write_bytes(VisualJob(BUCKET, "b3", "").script)
    return script


def environment_of_script(folder: Path, endpoint: str) -> dict[str, str]:
    of_spark = spark.environment(SPARK, folder / "spark", endpoint)
    return {**os.environ, **of_spark, "AWS_ENDPOINT_URL": endpoint, "PYTHONPATH": str(GLUE)}


@pytest.fixture
def held(lake, tmp_path) -> Iterator[Held]:
    endpoint = lake.s3.meta.endpoint_url
    with Gate(endpoint).serving() as gate:
        environ = {**environment_of_script(tmp_path, endpoint), "AWS_ENDPOINT_URL": gate.endpoint}
        yield Held(gate, script_below(tmp_path), environ)


class Refused(NamedTuple):
    """A session that the job was to make, and the error that its run ended with."""

    day: dt.date
    error: str


@pytest.fixture(scope="module")
def refused(lake, tmp_path_factory) -> dict[str, Refused]:
    """A run for each refusal, one after the other in one JVM."""
    days = {name: next(FREE) for name in (*TICKERS, "exchanges", "columns", "no constituents")}
    for name, ticker in TICKERS.items():
        lake.put_raw(days[name], [*CONSTITUENTS, {**CONSTITUENTS[0], "ticker": ticker}])
    lake.put_raw(days["exchanges"], raw_quotes="b3")
    lake.put_raw(days["columns"])
    key = raw_key("raw_quotes", days["columns"])
    table = pq.read_table(io.BytesIO(lake.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()))
    body = pa.BufferOutputStream()
    pq.write_table(table.drop_columns(["quantity"]), body)
    lake.s3.put_object(Bucket=BUCKET, Key=key, Body=body.getvalue().to_pybytes())
    lake.put_raw(days["no constituents"], [{**row, "endpoint": "theoretical"} for row in CONSTITUENTS])

    folder = tmp_path_factory.mktemp("refused")
    runs = [["--sessions", f"{GOOD},{day}" if name in TICKERS else str(day)] for name, day in days.items()]
    environ = environment_of_script(folder, lake.s3.meta.endpoint_url)
    errors, printed = run_many(environ, script_below(folder), runs)
    assert None not in errors, printed
    return {name: Refused(day, str(error)) for (name, day), error in zip(days.items(), errors, strict=True)}


@pytest.mark.parametrize("name", TICKERS)
def test_a_ticker_that_makes_no_folder_and_then_writes_no_other_session_either(lake, refused, name):
    day, error = refused[name]
    assert error.startswith("BadPartition: expected ticker of letters, digits, _, . and - in every row for s3://")
    assert f"found 1 of 7 without, as trade_date {day}, ticker {TICKERS[name]}, index_code IBOV" in error
    assert lake.versions(GOOD) == lake.versions(day) == {}


def test_a_portfolio_and_quotes_of_different_exchanges(lake, refused):
    day, error = refused["exchanges"]
    assert error.startswith(
        f"MixedSources: expected the raw objects of {day} from one exchange, found ['b3', 'simulated']: real and"
    )
    assert lake.versions(day) == {}


def test_a_raw_object_of_other_columns(lake, refused):
    day, error = refused["columns"]
    key = raw_key("raw_quotes", day)
    assert error.startswith(f"SchemaMismatch: expected quantity bigint, found no such column; in s3://{BUCKET}/{key}")
    assert lake.versions(day) == {}


def test_a_session_whose_portfolio_has_no_constituents(lake, refused):
    day, error = refused["no constituents"]
    assert error.startswith(
        f"EmptySource: expected rows of {day} for s3://{BUCKET}/{LAYOUT}/, found none: run b3_daily"
    )
    assert lake.versions(day) == {}


def test_a_raw_object_that_changes_while_the_job_reads(lake, held):
    day = next(FREE)
    lake.put_raw(day)
    # The job lists its target after it has looked at the raw objects.
    listed = held.gate.hold(lambda method, path: method == "GET" and "list-type=2" in path and "refined_visual" in path)
    job = held.start(day)
    assert listed.arrived.wait(60)
    lake.put("raw_index_portfolio", CONSTITUENTS[:2], str(day))
    listed.release()
    _, error = job.communicate(timeout=120)

    assert job.returncode
    assert "ChangedSource: expected one version, found a new one of" in error
    assert lake.versions(day) == {}


def test_an_object_that_another_run_puts_meanwhile(lake, held):
    day = next(FREE)
    lake.put_raw(day)
    ticker = CONSTITUENTS[0]["ticker"]
    key = f"{LAYOUT}/trade_date={day}/ticker={ticker}/index_stocks.parquet"
    put = held.gate.hold(lambda method, path: method == "PUT" and f"ticker%3D{ticker}/" in path.replace("=", "%3D"))
    job = held.start(day)
    assert put.arrived.wait(60)
    lake.s3.put_object(Bucket=BUCKET, Key=key, Body=b"of another run")
    put.release()
    _, error = job.communicate(timeout=120)

    assert job.returncode
    assert f"Overtaken: expected s3://{BUCKET}/{key} as this run found it (no object)" in error
    assert lake.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"of another run"
