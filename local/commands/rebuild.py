"""`make rebuild`: raw and refined tables anew from landing/, on this machine; B3 is not asked."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import re
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

import boto3

from b3 import settings
from b3.airflow.run_source import LANDING
from b3.calendar import known_sessions, sessions
from b3.lake import layout
from b3.lake.landed import metadata_of
from b3.lake.layout import Lake
from b3.quotes import choose
from b3.verify import catalog, inventory
from b3.verify.inventory import Days, Inventory
from local.lake import dag_runs, home, progress, servers, source
from local.lake.home import Home
from local.lake.source import Source
from local.processes import readers

DAILY, HISTORY = "b3_daily", "b3_history"


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
        period = days(options.first, options.last)
        accepted = dag_runs.accepted(options.accept)
        lake_home = source.asked_lake(options.exchange)
    except ValueError as error:
        print(f"rebuild: {error}", file=sys.stderr)
        return 2
    except source.NoLake as error:
        print(f"rebuild: {error}", file=sys.stderr)
        return 1
    try:
        return run(lake_home, period, accepted)
    except RuntimeError as error:
        print(f"rebuild: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("rebuild: interrupted; run it again, every task can be repeated", file=sys.stderr)
        return 130


def days(first: str, last: str) -> Days:
    """Return the days asked for; a year stands for all its days.

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
    return Days(begin, end)


def _day(text: str, of_year: tuple[int, int]) -> dt.date:
    return dt.date(int(text), *of_year) if re.fullmatch(r"\d{4}", text) else dt.date.fromisoformat(text)


def runs(s3: Any, lake: Lake, found: Inventory, period: Days) -> list[Rebuild]:
    """Return the DAG runs that write every session of landing/ in a period again, in order.

    A year whose file landed, and whose sessions are all asked for, is one run. Sessions that have a file of their own,
    portfolios or sectors have a run each, after it.

    Args:
        s3: a boto3 S3 client.
        lake: the lake.
        found: the lake's inventory of the period.
        period: the sessions asked for.
    """
    years, wanted = [], {*found.portfolios, *found.workbooks}
    for key, covered in found.quotes_files.items():
        dates = _sessions_of(s3, lake, key, covered)
        is_year = key.endswith(layout.annual_quotes_file(covered.first.year))
        if is_year and all(map(period.has, dates)):
            years.append(covered.first)
        else:
            wanted |= set(filter(period.has, dates))
    made = [Rebuild(HISTORY, first, {"year": first.year, "source": LANDING}) for first in years]
    made += [Rebuild(DAILY, date, {"trade_date": str(date), "source": LANDING}) for date in wanted]
    return sorted(made, key=lambda each: (each.date, each.dag == DAILY))


def _sessions_of(s3: Any, lake: Lake, key: str, covered: Days) -> list[dt.date]:
    """Return the sessions of a landed file: of several, those that its metadata lists, else the calendar's."""
    if covered.first == covered.last:
        return [covered.first]
    metadata = metadata_of(s3, lake, key) or {}
    listed = known_sessions.listed(metadata, covered.first.year)
    if listed is not None:
        return listed
    return [date for date in sessions.sessions(*covered) if choose.reaches(metadata, date)]


def run(lake_home: Home, period: Days, accepted: Mapping[str, bool]) -> int:
    """Run the DAGs in turn; stop at the first run that fails.

    Returns:
        0 if all succeeded, 1 if one failed, 2 if landing/ holds nothing of these days.
    """
    days = f"{period.first} to {period.last}"
    home.remember(lake_home)
    with servers.lake(lake_home) as lake:
        s3, glue = (boto3.client(service, endpoint_url=lake.endpoint) for service in ("s3", "glue"))
        bucket = Lake(lake_home.bucket)
        found = inventory.take(s3, bucket, period)
        todo = runs(s3, bucket, found, period)
        if not todo:
            print(f"rebuild: expected files of {days} in landing/, found none", file=sys.stderr)
            return 2
        indexes = sorted({each.index for portfolios in found.portfolios.values() for each in portfolios})
        os.environ.setdefault("B3_INDEXES", ",".join(indexes) or settings.NO_INDEX)
        # B3 is not asked, so any source will do.
        with servers.airflow_on(lake, lake_home.run_database, Source("live")) as environ, progress.bar() as shown:
            bar = shown.add_task("", total=len(todo))
            for each in todo:

                def say(begun: dag_runs.Began, each: Rebuild = each) -> None:
                    shown.update(bar, description=f"{each} {begun.text}")

                given = {**accepted, **each.conf}
                with dag_runs.DagRun(lake_home, environ, each.dag, each.date, given, began=say) as dag_run:
                    for task in dag_run:
                        if task.error and task.state != "skipped":
                            shown.print(f"  {each} {task.state:<16} {task.task}", highlight=False)
                            shown.print(f"      {task.error}", highlight=False, markup=False)
                if not dag_run.succeeded:
                    shown.stop()
                    print(f"{each.dag} {each}: FAILED; Airflow's log: {dag_runs.short(dag_run.log)}")
                    return 1
                shown.update(bar, advance=1)
        made = inventory.take(s3, bucket, period)
        registered = catalog.register(glue, lake.outputs["GlueDatabase"], bucket, made)
        if registered:
            print(f"registered {registered} partitions that the catalog lacked")
    print(f"rebuilt from landing/: {days}, {len(todo)} runs; make verify compares all of it")
    return 0


if __name__ == "__main__":
    dag_runs.interrupt_on_signals()
    sys.exit(readers.run(main))
