"""What the tests of the Glue script share: a lake in the local S3, its raw files, and runs of the script."""

from __future__ import annotations

import datetime as dt
import io
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
from botocore.config import Config

from infra.checkout import refine_script
from infra.deploy import bundle
from local.aws import launch
from local.aws.glue import spark
from tests.include.glue.gate import Gate
from tests.places import ROOT

SCRIPT = refine_script()
GLUE = SCRIPT.parent
SPARK = launch.SPARK_ENVIRONMENT

BUCKET = "lake"
DAY = dt.date(2024, 2, 28)
DAY_BEFORE = dt.date(2024, 2, 27)
METADATA = {"source": "simulated", "source-sha256": "0f" * 32, "source-url": "http://exchange.test/COTAHIST"}

PRICE = pa.decimal128(13, 2)
PRICES = ("open", "high", "low", "average", "close", "best_bid", "best_ask")
RAW_SCHEMA = pa.schema(
    [
        ("source_date", pa.date32()),
        ("bdi_code", pa.string()),
        ("ticker", pa.string()),
        ("market_type", pa.string()),
        ("short_name", pa.string()),
        ("specification", pa.string()),
        ("forward_days", pa.int16()),
        ("currency", pa.string()),
        *((name, PRICE) for name in PRICES),
        ("trade_count", pa.int32()),
        ("quantity", pa.int64()),
        ("financial_volume", pa.decimal128(18, 2)),
        ("strike_price", PRICE),
        ("strike_correction", pa.string()),
        ("expiry_date", pa.date32()),
        ("quote_factor", pa.int32()),
        ("strike_points", pa.decimal128(13, 6)),
        ("isin", pa.string()),
        ("distribution_number", pa.int16()),
        ("unreadable", pa.string()),
    ]
)
# `unreadable` is told in the findings.
QUOTE_SCHEMA = pa.schema([field for field in RAW_SCHEMA if field.name != "unreadable"])


def quote(ticker: str, price: str = "10.00", **columns: Any) -> dict[str, Any]:
    """A plausible raw row, and what the test is about; low, high and volume follow from the rest."""
    prices = dict.fromkeys(PRICES, Decimal(price))
    row = {
        "source_date": DAY,
        "bdi_code": "02",
        "ticker": ticker,
        "market_type": "010",
        "short_name": "ABCD",
        "specification": "ON      NM",
        "forward_days": None,
        "currency": "R$",
        **prices,
        "trade_count": 1,
        "quantity": 100,
        "strike_price": Decimal("0.00"),
        "strike_correction": "0",
        "expiry_date": None,
        "quote_factor": 1,
        "strike_points": Decimal("0.000000"),
        "isin": f"BR{ticker[:4]}ACNOR1",
        "distribution_number": 100,
        "unreadable": None,
        **columns,
    }
    low, high = sorted((row["open"], row["close"]))
    volume = (row["quantity"] * row["close"] / (row["quote_factor"] or 1)).quantize(Decimal("0.01"))
    row |= {"low": low, "high": high, "average": row["close"], "financial_volume": volume} | columns
    return {name: row[name] for name in RAW_SCHEMA.names}


def raw_file(rows: list[dict[str, Any]]) -> bytes:
    return parquet_bytes(pa.Table.from_pylist(rows, RAW_SCHEMA))


def parquet_bytes(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


@dataclass(frozen=True)
class Lake:
    """The bucket, and the environment of a process that works on it."""

    s3: Any
    environ: dict[str, str]
    endpoint: str

    def raw(self, name: str, date: dt.date = DAY) -> str:
        return f"raw/{name}/trade_date={date}/quotes.parquet"

    def refined(self, name: str, date: dt.date = DAY) -> str:
        return f"refined/{name}/trade_date={date}/quotes.parquet"

    def findings(self, name: str, date: dt.date = DAY) -> str:
        return f"refined/{name}-findings/trade_date={date}/findings.parquet"

    def put(self, key: str, body: bytes, metadata: dict[str, str] | None = None) -> str:
        return self.s3.put_object(Bucket=BUCKET, Key=key, Body=body, Metadata=metadata or {})["ETag"]

    def etag(self, key: str) -> str:
        return self.s3.head_object(Bucket=BUCKET, Key=key)["ETag"]

    def versions(self, key: str) -> int:
        return len(self.s3.list_object_versions(Bucket=BUCKET, Prefix=key).get("Versions", []))

    def read(self, key: str) -> pq.ParquetFile:
        return pq.ParquetFile(io.BytesIO(self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()))

    def arguments(self, name: str, source: str | None = None, **changes: str) -> list[str]:
        given = {
            "sessions": str(DAY),
            "previous_session": str(DAY_BEFORE),
            "source": f"s3://{BUCKET}/raw/{source or name}/",
            "target": f"s3://{BUCKET}/refined/{name}/",
            "findings": f"s3://{BUCKET}/refined/{name}-findings/",
            **changes,
        }
        return [part for key, value in given.items() for part in (f"--{key}", value)]

    def through(self, gate: Gate) -> Lake:
        """The same lake for processes whose requests shall pass the gate."""
        return replace(self, environ={**self.environ, "AWS_ENDPOINT_URL": gate.endpoint})

    def start(self, *command: Any, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(SPARK / "bin/python"), *map(str, command)],
            env=self.environ,
            text=True,
            start_new_session=True,
            **options,
        )


def run_many(
    environ: dict[str, str], script: Any, runs: list[list[str]], timeout: float = 300
) -> tuple[list[str | None], str]:
    """Run a Glue script with each of `runs`, its arguments, in one JVM; see many_runs.py.

    Returns:
        The error of each run, None of one that succeeded, and what all of them printed.
    """
    done = subprocess.run(
        [str(SPARK / "bin/python"), str(ROOT / "tests/include/glue/many_runs.py"), str(script)],
        input=json.dumps(runs),
        env=environ,
        text=True,
        capture_output=True,
        start_new_session=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


@contextmanager
def local_lake(folder: Path) -> Iterator[Lake]:
    """An empty lake below `folder`, on a local AWS of its own."""
    assert (SPARK / spark.FOLDER / spark.STAMP).exists(), f"Spark is not set up in {SPARK}: run `make setup`"
    with launch.start(folder / "aws") as server:
        client_environ = server.environment()
        s3 = boto3.client(
            "s3",
            endpoint_url=server.endpoint,
            region_name=client_environ["AWS_REGION"],
            aws_access_key_id=client_environ["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=client_environ["AWS_SECRET_ACCESS_KEY"],
            config=Config(s3={"addressing_style": "path"}),
        )
        s3.create_bucket(Bucket=BUCKET)
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        of_spark = spark.environment(SPARK, folder / "spark", server.endpoint)
        package = folder / "refine.zip"
        package.write_bytes(bundle.glue_code(ROOT).package)
        environ = {**os.environ, **client_environ, **of_spark, "PYTHONPATH": str(package)}
        yield Lake(s3, environ, server.endpoint)
