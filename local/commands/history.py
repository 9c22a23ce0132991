"""`make history`: whole years of quotes from B3's annual files, on this machine."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections.abc import Mapping

from b3.calendar import sessions
from local.lake import dag_runs, home, progress, query_client, servers, source
from local.processes import readers

DAG = "b3_history"
TASKS = 7  # without the checks
CHECKS = "validate."
LAST_SMALL_YEAR = 2010
YEARS_AT_ONCE = 8

FINDINGS = """
SELECT year, rule, count(*) AS findings, count(DISTINCT trade_date) AS sessions, min(trade_date) AS first_date,
       max(CASE WHEN place = 1 THEN ticker END) AS ticker, max(CASE WHEN place = 1 THEN found END) AS found
FROM (
  SELECT findings.*, year(trade_date) AS year,
         row_number() OVER (PARTITION BY year(trade_date), rule ORDER BY trade_date, file_line) AS place
  FROM findings
  WHERE trade_date BETWEEN date '{first}-01-01' AND date '{last}-12-31'
) numbered
GROUP BY year, rule
ORDER BY year, rule
"""
YEARS = """
SELECT year(trade_date) AS year, count(DISTINCT trade_date) AS sessions, count(*) AS quotes,
       sum(financial_volume) AS financial_volume
FROM quotes
WHERE trade_date BETWEEN date '{first}-01-01' AND date '{last}-12-31'
GROUP BY year(trade_date)
ORDER BY year
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the years in turn: 0 if every task of all succeeded, 1 if one failed, 2 if there is no such year."""
    parser = argparse.ArgumentParser(prog="make history", description=__doc__)
    parser.add_argument("--from", dest="first", default="", help="the first year")
    parser.add_argument("--to", dest="last", default="", help="the last year, by default the first")
    parser.add_argument("--exchange", default="auto", help="auto, live, simulated, or a folder of B3's files")
    parser.add_argument("--accept", default="", help="flood, loss or both, with a comma between them")
    options = parser.parse_args(arguments)
    try:
        accepted = dag_runs.accepted(options.accept)
        first, last = years(options.first, options.last, dt.datetime.now(dt.UTC))
        chosen = source.choose(options.exchange)
        source.check_files(chosen)
    except ValueError as error:
        print(f"history: {error}", file=sys.stderr)
        return 2
    source.announce(chosen, f"{DAG} for {first}" + (f" to {last}" if last > first else ""))
    try:
        return run(chosen, first, last, accepted)
    except RuntimeError as error:
        print(f"history: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("history: interrupted; run it again, it goes on with what is missing", file=sys.stderr)
        return 130


def years(first: str, last: str, now: dt.datetime) -> tuple[int, int]:
    """Return the first and last year asked for.

    Raises:
        ValueError: they are no years that B3 has files of at the instant `now`, or in the wrong order.
    """
    this_year = now.astimezone(sessions.SAO_PAULO).year
    try:
        begin, end = int(first), int(last or first)
    except ValueError:
        raise ValueError(f"expected years as FROM=2020 TO=2024, found FROM={first} TO={last}") from None
    if not sessions.FIRST_YEAR <= begin <= end <= this_year:
        raise ValueError(
            f"expected years from {sessions.FIRST_YEAR} to {this_year}, the first not after the last; "
            f"found FROM={begin} TO={end}"
        )
    return begin, end


def years_of_each_run(first: int, last: int) -> list[tuple[int, int]]:
    """Return the first and the last year of each DAG run.

    Years before 2011 have some 4 million rows in all, so several go through one run. A later year has its own.
    """
    groups, year = [], first
    while year <= last:
        end = min(year + YEARS_AT_ONCE - 1, last, LAST_SMALL_YEAR) if year <= LAST_SMALL_YEAR else year
        groups.append((year, end))
        year = end + 1
    return groups


def run(chosen: source.Source, first: int, last: int, conf: Mapping[str, bool] | None = None) -> int:
    """Run the DAG for the years and print their report; return 0 if every task succeeded, else 1."""
    home_of_lake = home.find(chosen.data)
    home.remember(home_of_lake)
    with (
        servers.lake(home_of_lake) as lake,
        servers.airflow_on(lake, home_of_lake.run_database, chosen) as environ,
        progress.bar() as shown,
    ):
        groups = years_of_each_run(first, last)
        bar = shown.add_task("", total=len(groups) * TASKS)
        for number, (begin, end) in enumerate(groups):
            label = f"{begin}" if begin == end else f"{begin}-{end}"
            shown.update(bar, description=label, completed=number * TASKS)
            given = {**(conf or {}), "year": begin, "last_year": end}

            def say(begun: dag_runs.Began, label: str = label) -> None:
                shown.update(bar, description=f"{label} {begun.text}")

            checks = 0
            with dag_runs.DagRun(home_of_lake, environ, DAG, dt.date(begin, 1, 1), given, began=say) as dag_run:
                for task in dag_run:
                    is_check = task.task.startswith(CHECKS)
                    if not is_check:
                        shown.update(bar, advance=1)
                    checks += is_check and task.state == "success"
                    if not is_check or task.state != "success":
                        line = task.line(shown.console.width - 8 if shown.console.is_terminal else None)
                        shown.print(f"  {label} {line}", highlight=False, markup=False, soft_wrap=True)
                    if task.error:
                        shown.print(f"      {task.error}", highlight=False, markup=False, soft_wrap=True)
            shown.print(f"  {label} {checks} checks hold", highlight=False)
            if not dag_run.succeeded:
                shown.stop()
                print(f"{DAG} {label}: FAILED; Airflow's log: {dag_runs.short(dag_run.log)}")
                return 1
        shown.update(bar, description=f"{last} done", completed=len(groups) * TASKS)
        shown.stop()
        print(query_client.table(query_client.query(lake, YEARS.format(first=first, last=last))))
        findings = query_client.query(lake, FINDINGS.format(first=first, last=last))
        if findings.rows:
            print("\nfindings: what is odd in B3's files, published as it is; the first of each rule")
            print(query_client.table(findings))
    print(f"\nthe lake: s3://{home_of_lake.bucket}/, kept in {dag_runs.short(home_of_lake.folder)}")
    return 0


if __name__ == "__main__":
    dag_runs.interrupt_on_signals()
    raise SystemExit(readers.run(main))
