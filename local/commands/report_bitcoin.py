"""`make report-bitcoin`: the page on a day of Bitcoin as a file on this machine."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from b3.report import bitcoin_page
from infra import checkout
from local.commands import page_file
from local.lake import home, servers


def main(arguments: list[str] | None = None) -> int:
    """Write the page and say where: 0 if it is there, 1 if the lake has no such day, 2 if the date is none."""
    day = "the day in UTC, YYYY-MM-DD, by default the last one"
    return page_file.main("report-bitcoin", __doc__, day, write, arguments)


def write(lake: servers.Lake, date: dt.date | None) -> Path:
    """Write the page on a day to a file in the lake's folder, and return its path.

    Args:
        lake: the running lake.
        date: the day in UTC; None for the last one of `btc_minutes`.

    Raises:
        SourceError: the lake has no minutes of the day, or none at all.
    """
    ask = page_file.asking(lake)
    day = date or page_file.last_day(
        lake,
        ask,
        bitcoin_page.LAST_DAY,
        expected="minutes of Bitcoin, to report on",
        hint="`make bitcoin` brings them.",
    )
    queries = {path.stem: path.read_text() for path in (checkout.sql() / "report_bitcoin").glob("*.sql")}
    simulated = lake.home.bucket == home.find(home.SIMULATED).bucket
    page = bitcoin_page.make(ask, queries, day, simulated=simulated)
    return page_file.keep(page, lake, f"bitcoin-{day}.html")


if __name__ == "__main__":
    raise SystemExit(main())
