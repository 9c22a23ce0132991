"""docs/connect.md: its snippets run as they are, against a local lake that holds one session."""

import os
import re
import subprocess
import sys
from decimal import Decimal

import pytest

from local.aws import launch
from local.commands import connect
from local.lake import query_client, query_formats, servers
from tests.local.conftest import ROWS
from tests.places import ROOT

DOCUMENT = (ROOT / "docs" / "connect.md").read_text()


def snippet(heading: str, language: str) -> str:
    """Return the last snippet of a section that is not said to be untried."""
    section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert section, heading
    return re.findall(rf"```{language}\n(.*?)```", section[1], re.DOTALL)[-1]


pytestmark = pytest.mark.usefixtures("held_session")


def printed(lake: servers.Lake, heading: str) -> str:
    """Run a Python snippet in a shell that took the lines of `make connect`, and return what it prints."""
    done = subprocess.run(
        ["bash", "-euc", 'eval "$LINES_OF_CONNECT"; exec "$0" -c "$SNIPPET"', sys.executable],
        env={
            "PATH": os.environ["PATH"],
            "LINES_OF_CONNECT": "\n".join(connect.lines(lake)),
            "SNIPPET": snippet(heading, "python"),
        },
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_pandas_over_pyathena(held_lake):
    lines = printed(held_lake, "pandas").splitlines()

    assert [line.split() for line in lines] == [
        ["ticker", "close", "financial_volume"],
        ["EFGH4", "20.02", "12345678901234.56"],
        ["IJKL11", "30.03", "1000.00"],
        ["ABCD3", "10.01", "900.50"],
    ]


def test_parquet_with_pyarrow(held_lake):
    assert printed(held_lake, "Parquet with pyarrow").strip() == str(
        [{"ticker": ticker, "close": Decimal(close)} for ticker, close, _ in ROWS]
    )


def test_duckdb_over_the_file_of_a_query(held_lake, tmp_path):
    with (tmp_path / "quotes.parquet").open("wb") as file:
        query_formats.write_parquet(query_client.ask(held_lake, "SELECT ticker, close FROM quotes"), file)
    done = subprocess.run(
        [launch.ENVIRONMENT / "bin" / "python", "-c", "import duckdb, sys; print(duckdb.sql(sys.argv[1]).fetchall())",
         snippet("DuckDB", "sql")],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.stdout.strip() == str([(ticker, Decimal(close)) for ticker, close, _ in ROWS]), done.stderr
