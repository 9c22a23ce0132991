"""`make rebuild`: raw and refined tables anew from landing/, on this machine; B3 is not asked."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import boto3

from b3 import settings
from b3.airflow.run_source import LANDING
from b3.calendar import known_sessions, sessions
from b3.lake import layout
from b3.lake.commit import keys_below
from b3.lake.landed import metadata_of
from b3.lake.layout import Lake
from b3.quotes import choose
from b3.verify import catalog, inventory
from local.aws.glue import spark
from local.lake import dag_runs, home, progress, servers, source
from local.lake.home import Home
from local.lake.source import Source

DAILY, HISTORY = "b3_daily", "b3_history"
_DAILY_FILE = re.compile(r"landing/quotes/COTAHIST_D(\d{2})(\d{2})(\d{4})\.ZIP")
_LONGER_FILE = re.compile(r"landing/quotes/COTAHIST_([AM])(\d{2})??(\d{4})\.ZIP")
_DATED_FILE = re.compile(r"landing/(?:index/[^/]+/[^/]+|sectors)/(\d{4}-\d{2}-\d{2})\.(?:json|xlsx)")


class Rebuild(NamedTuple):
    """A DAG run of a rebuild: b3_history for a year, or b3_daily for a session."""

    dag: str
    date: dt.date
    conf: dict[str, Any]

    def __str__(self) -> str:
        return str(self.date.year if self.dag == HISTORY else self.date)


def main(arguments: list[str] | None = None) -> int:
    """Rebuild and report: 0 if every task of all runs succeeded, 1 if one failed, 2 if there is nothing to rebuild."""
    parser = argparse.ArgumentParser(prog="make rebuild", description=__doc__)
    parser.add_argument("--from", dest="first", default="", help="the first session, YYYY-MM-DD, or a year")
    parser.add_argument("--to", dest="last", default="", help="the last one, by default the first")
    parser.add_argument("--exchange", default="", help="whose lake: simulated, or anything else for the real one")
    parser.add_argument("--accept", default="", help="flood, loss or both, with a comma between them")
    options = parser.parse_args(arguments)
    try:
        first, last = days(options.first, options.last)
        accepted = dag_runs.accepted(options.accept)
        lake_home = source.asked_lake(options.exchange)
    except ValueError as error:
        print(f"rebuild: {error}", file=sys.stderr)
        return 2
    if lake_home is None:
        print("rebuild: there is no lake yet: `make run` makes one", file=sys.stderr)
        return 1
    try:
        return run(lake_home, first, last, accepted)
    except RuntimeError as error:
        print(f"rebuild: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("rebuild: interrupted; run it again, every task can be repeated", file=sys.stderr)
        return 130


def days(first: str, last: str) -> tuple[dt.date, dt.date]:
    """Return the first and the last day asked for; a year stands for all its days.

    Raises:
        ValueError: they are no days or years, or in the wrong order.
    """
    try:
        begin, end = _day(first, (1, 1)), _day(last or first, (12, 31))
    except ValueError:
        raise ValueError(
            f"expected days or years, as FROM=2020-04-30 TO=2020-05-05 or FROM=2020, found FROM={first} TO={last}"
        ) from None
    if begin > end:
        raise ValueError(f"expected FROM not after TO, found FROM={first} TO={last}")
    return begin, end


def _day(text: str, of_year: tuple[int, int]) -> dt.date:
    return dt.date(int(text), *of_year) if re.fullmatch(r"\d{4}", text) else dt.date.fromisoformat(text)


def runs(s3: Any, lake: Lake, first: dt.date, last: dt.date) -> list[Rebuild]:
    """Return the DAG runs that write every session of landing/ between two days again, in order.

    A year whose file landed, and whose sessions are all asked for, is one run. Sessions that have a file of their own,
    portfolios or sectors have a run each, after it.
    """
    keys = keys_below(s3, lake, "landing/")
    years = [year for year in range(first.year, last.year + 1) if _is_whole(s3, lake, keys, year, first, last)]
    wanted = {date for date in _dates(s3, lake, keys, years) if first <= date <= last}
    found = [Rebuild(HISTORY, dt.date(year, 1, 1), {"year": year, "source": LANDING}) for year in years]
    found += [Rebuild(DAILY, date, {"trade_date": str(date), "source": LANDING}) for date in wanted]
    return sorted(found, key=lambda each: (each.date, each.dag == DAILY))


def _is_whole(s3: Any, lake: Lake, keys: Iterable[str], year: int, first: dt.date, last: dt.date) -> bool:
    """Return whether the file of a year landed, and all its sessions are asked for."""
    key = layout.landing_quotes_key(choose.year_file(year).name)
    if key not in keys:
        return False
    found = _sessions_of(metadata_of(s3, lake, key) or {}, dt.date(year, 1, 1), dt.date(year, 12, 31))
    return not found or (first <= found[0] and found[-1] <= last)


def _dates(s3: Any, lake: Lake, keys: Iterable[str], years: Iterable[int]) -> set[dt.date]:
    """Return the sessions that need a run of their own: all of landing/ but those of the years' files alone."""
    found = set()
    for key in keys:
        if daily := _DAILY_FILE.fullmatch(key):
            found.add(dt.date(int(daily[3]), int(daily[2]), int(daily[1])))
        elif dated := _DATED_FILE.fullmatch(key):
            found.add(dt.date.fromisoformat(dated[1]))
        elif longer := _LONGER_FILE.fullmatch(key):
            kind, month, year = longer[1], longer[2], int(longer[3])
            if kind == "A" and year in years:
                continue
            wanted = choose.year_file(year) if kind == "A" else choose.month_file(dt.date(year, int(month), 1))
            found.update(_sessions_of(metadata_of(s3, lake, key) or {}, wanted.first, wanted.last))
    return found


def _sessions_of(metadata: dict[str, str], first: dt.date, last: dt.date) -> list[dt.date]:
    """Return the sessions of a landed file of several: those that its metadata lists, else the calendar's."""
    listed = known_sessions.listed(metadata, first.year)
    return (
        sorted(listed)
        if listed is not None
        else [date for date in sessions.sessions(first, last) if choose.reaches(metadata, date)]
    )


def _indexes(s3: Any, lake: Lake) -> list[str]:
    """Return the indexes that have portfolios in landing/."""
    return sorted({key.split("/")[2] for key in keys_below(s3, lake, "landing/index/")})


def run(lake_home: Home, first: dt.date, last: dt.date, accepted: Mapping[str, bool]) -> int:
    """Run the DAGs in turn; stop at the first run that fails.

    Returns:
        0 if all succeeded, 1 if one failed, 2 if landing/ holds nothing of these days.
    """
    home.remember(lake_home)
    os.environ[spark.LONG_JOBS] = "1"
    with servers.lake(lake_home) as lake:
        s3 = boto3.client("s3", endpoint_url=lake.endpoint)
        todo = runs(s3, Lake(lake_home.bucket), first, last)
        if not todo:
            print(f"rebuild: expected files of {first} to {last} in landing/, found none", file=sys.stderr)
            return 2
        os.environ.setdefault("B3_INDEXES", ",".join(_indexes(s3, Lake(lake_home.bucket))) or settings.NO_INDEX)
        # B3 is not asked, so any source will do.
        with servers.airflow_on(lake, lake_home.run_database, Source("live")) as environ, progress.bar() as shown:
            bar = shown.add_task("", total=len(todo))
            for each in todo:
                shown.update(bar, description=str(each))
                with dag_runs.DagRun(lake_home, environ, each.dag, each.date, {**accepted, **each.conf}) as dag_run:
                    for task in dag_run:
                        if task.error and task.state != "skipped":
                            shown.print(f"  {each} {task.state:<16} {task.task}", highlight=False)
                            shown.print(f"      {task.error}", highlight=False, markup=False)
                if not dag_run.succeeded:
                    shown.stop()
                    print(f"{each.dag} {each}: FAILED; Airflow's log: {dag_runs.short(dag_run.log)}")
                    return 1
                shown.update(bar, advance=1)
        bucket = Lake(lake_home.bucket)
        found = inventory.take(s3, bucket, inventory.Days(first, last))
        registered = catalog.register(
            boto3.client("glue", endpoint_url=lake.endpoint), lake.outputs["GlueDatabase"], bucket, found
        )
        if registered:
            print(f"registered {registered} partitions that the catalog lacked")
    print(f"rebuilt from landing/: {first} to {last}, {len(todo)} runs; make verify compares all of it")
    return 0


if __name__ == "__main__":
    dag_runs.interrupt_on_signals()
    sys.exit(main())
