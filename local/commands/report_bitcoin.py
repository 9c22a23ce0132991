"""`make report-bitcoin`: the page on a day of Bitcoin as a file on this machine."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import boto3

from b3.errors import SourceError
from b3.lake import athena
from b3.report import bitcoin_page
from infra import checkout
from local.commands import lake_and_day
from local.lake import home, servers
from local.lake.home import Home


def main(arguments: list[str] | None = None) -> int:
    """Write the page and say where: 0 if it is there, 1 if the lake has no such day, 2 if the date is none."""
    return lake_and_day.main(
        "report-bitcoin", __doc__, "the day in UTC, YYYY-MM-DD, by default the last one", _report, arguments
    )


def _report(lake_home: Home, date: dt.date | None) -> int:
    with servers.lake_as_it_is(lake_home) as lake:
        path = write(lake, date)
    print(f"report-bitcoin: open {path} in a browser", flush=True)
    return 0


def write(lake: servers.Lake, date: dt.date | None) -> Path:
    """Write the page on a day to a file in the lake's folder, and return its path.

    Args:
        lake: the running lake.
        date: the day in UTC; None for the last one of `btc_minutes`.

    Raises:
        SourceError: the lake has no minutes of the day, or none at all.
    """
    client = boto3.client("athena", endpoint_url=lake.endpoint)

    def ask(sql: str) -> list[athena.Row]:
        return athena.ask(client, sql, lake.outputs["GlueDatabase"], lake.outputs["AthenaWorkgroup"])

    day = date or ask(f"SELECT {bitcoin_page.LAST_DAY} AS trade_date")[0]["trade_date"]
    if day is None:
        raise SourceError(
            source=f"the lake in {lake.home.folder}",
            expected="minutes of Bitcoin, to report on",
            found="none",
            hint="`make bitcoin` brings them.",
        )
    queries = {path.stem: path.read_text() for path in (checkout.sql() / "report_bitcoin").glob("*.sql")}
    simulated = lake.home.bucket == home.find(home.SIMULATED).bucket
    page = bitcoin_page.make(ask, queries, day, simulated=simulated)
    path = lake.home.folder / "reports" / f"bitcoin-{day}.html"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_bytes(page)
    return path


if __name__ == "__main__":
    raise SystemExit(main())
