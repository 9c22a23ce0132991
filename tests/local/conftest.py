"""A lake that commands find by B3_LOCAL_HOME, and commands in a process of their own, as a shell starts them."""

import datetime as dt
import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from b3.lake import layout
from local.lake import home, servers
from tests.places import ROOT

SESSION = dt.date(2024, 3, 14)
ROWS = [("ABCD3", "10.01", "900.50"), ("EFGH4", "20.02", "12345678901234.56"), ("IJKL11", "30.03", "1000.00")]

# Set by a running lake for its process.
_SIGNING = (
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE", "AWS_EC2_METADATA_DISABLED",
)  # fmt: skip


def command(name: str, *arguments: str) -> list[str]:
    """Return the words that run a module of local/commands/."""
    return [sys.executable, "-m", f"local.commands.{name}", *arguments]


def run_command(name: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run a module of local/commands/ to its end, without a terminal."""
    return subprocess.run(command(name, *arguments), cwd=ROOT, capture_output=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def held_lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Lake]:
    """An empty lake of real data, which was used last and stays up."""
    with pytest.MonkeyPatch.context() as environment:
        for name in _SIGNING:
            environment.setenv(name, os.environ.get(name, ""))
        environment.setenv("B3_LOCAL_HOME", str(tmp_path_factory.mktemp("lakes")))
        environment.setenv("PYTHONPATH", str(Path(ROOT, "plugins")))
        where = home.find(home.REAL)
        home.remember(where)
        with servers.lake(where) as lake:
            yield lake


@pytest.fixture(scope="module")
def held_session(held_lake: servers.Lake) -> servers.Lake:
    """The lake with one session of three quotes, in the catalog."""
    s3, glue = (boto3.client(name, endpoint_url=held_lake.endpoint) for name in ("s3", "glue"))
    table = glue.get_table(DatabaseName=held_lake.outputs["GlueDatabase"], Name="quotes")["Table"]
    types = {column["Name"]: column["Type"] for column in table["StorageDescriptor"]["Columns"]}
    rows = pa.table(
        {
            "ticker": pa.array([row[0] for row in ROWS]),
            "close": pa.array([Decimal(row[1]) for row in ROWS], _decimal(types["close"])),
            "financial_volume": pa.array([Decimal(row[2]) for row in ROWS], _decimal(types["financial_volume"])),
        }
    )
    body = io.BytesIO()
    pq.write_table(rows, body)
    key = layout.refined_quotes_key(SESSION)
    s3.put_object(Bucket=held_lake.outputs["LakeBucket"], Key=key, Body=body.getvalue())
    crawler = held_lake.outputs["RefinedCrawler"]
    glue.start_crawler(Name=crawler)
    while glue.get_crawler(Name=crawler)["Crawler"]["State"] != "READY":
        time.sleep(0.05)
    return held_lake


def _decimal(text: str) -> pa.DataType:
    found = re.fullmatch(r"decimal\((\d+),(\d+)\)", text)
    assert found
    return pa.decimal128(int(found[1]), int(found[2]))
