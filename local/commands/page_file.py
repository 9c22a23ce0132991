"""A page on a day of a lake, as a file on this machine: what `make report` and `make report-bitcoin` share."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import boto3

from b3.errors import SourceError
from b3.lake import athena
from local.commands import lake_and_day
from local.lake import servers
from local.lake.home import Home

Ask = Callable[[str], list[athena.Row]]
# Writes the page on a day, None for the last one, and returns its file.
Write = Callable[[servers.Lake, dt.date | None], Path]


def main(command: str, description: str | None, day: str, write: Write, arguments: list[str] | None) -> int:
    """Write the page and say where: 0 if it is there, 1 if the lake has no such day, 2 if the date is none.

    Args:
        command: what `make` calls it.
        description: its help.
        day: the help of its option --date.
        write: writes the page.
        arguments: the command line, by default this process's.
    """

    def report(lake_home: Home, date: dt.date | None) -> int:
        with servers.lake_as_it_is(lake_home) as lake:
            path = write(lake, date)
        print(f"{command}: open {path} in a browser", flush=True)
        return 0

    return lake_and_day.main(command, description, day, report, arguments)


def asking(lake: servers.Lake) -> Ask:
    """Return a function that returns the rows of a query on the lake, see `b3.lake.athena.ask`."""
    client = boto3.client("athena", endpoint_url=lake.endpoint)
    return lambda sql: athena.ask(client, sql, lake.outputs["GlueDatabase"], lake.outputs["AthenaWorkgroup"])


def last_day(lake: servers.Lake, ask: Ask, expression: str, *, expected: str, hint: str) -> dt.date:
    """Return the last day of a table.

    Args:
        lake: the running lake.
        ask: asks it.
        expression: SQL that gives the day; null where the table is empty.
        expected: what the error says was expected.
        hint: what the error says to do.

    Raises:
        SourceError: the table is empty.
    """
    day = ask(f"SELECT {expression} AS trade_date")[0]["trade_date"]
    if day is None:
        raise SourceError(source=f"the lake in {lake.home.folder}", expected=expected, found="none", hint=hint)
    assert isinstance(day, dt.date)
    return day


def keep(page: bytes, lake: servers.Lake, name: str) -> Path:
    """Write a page to the lake's folder, whole or not at all, and return its file."""
    path = lake.home.folder / "reports" / name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(page)
    part.rename(path)
    return path
