"""`make bitcoin`: the minutes of some hours of Bitcoin, end to end, on this machine."""

from __future__ import annotations

import argparse
import datetime as dt
import sys

from b3.bitcoin import hours
from b3.bitcoin.hours import MOST_HOURS
from local.lake import dag_runs, home, progress, query_client, servers, session_given, source
from local.processes import readers

DAG = "btc_minutes"
SHOWN = """
SELECT trade_date, symbol, count(*) AS minutes, min(minute) AS first_minute, max(minute) AS last_minute,
       min(low) AS low, max(high) AS high, sum(volume) AS volume
FROM btc_minutes
WHERE trade_date BETWEEN date '{first}' AND date '{last}'
GROUP BY trade_date, symbol
ORDER BY trade_date, symbol
"""


def main(arguments: list[str] | None = None) -> int:
    """Run and report: 0 if no task failed, 1 if one did, 2 if there is nothing to run."""
    parser = argparse.ArgumentParser(prog="make bitcoin", description=__doc__)
    parser.add_argument("--date", default="", help="the day in UTC, YYYY-MM-DD, by default that of the last hour")
    parser.add_argument("--hours", default="", help="hours of the day, by default all that are over")
    parser.add_argument("--exchange", default="auto", help="auto, live, simulated, or a folder of answers")
    options = parser.parse_args(arguments)
    try:
        chosen = source.choose(options.exchange)
        begins = chosen_hours(options.date, options.hours, dt.datetime.now(dt.UTC))
    except ValueError as error:
        print(f"bitcoin: {error}", file=sys.stderr)
        return 2
    what = f"{DAG} for {len(begins)} hours from {hours.written(begins[0])} on, UTC"
    source.announce(chosen, what)
    try:
        return run(chosen, begins)
    except RuntimeError as error:
        print(f"bitcoin: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bitcoin: interrupted; run it again, every task can be repeated", file=sys.stderr)
        return 130


def chosen_hours(date: str, count: str, now: dt.datetime) -> list[dt.datetime]:
    """Return the hours that DATE and HOURS name and that are over: of that day, the first ones.

    Args:
        date: the day in UTC; empty for that of the last hour that is over.
        count: how many hours; empty for all.
        now: the instant.

    Raises:
        ValueError: `date` is no date, `count` no number of hours, or none of these hours is over.
    """
    last = hours.begin_of(now) - hours.HOUR
    day = session_given.parse(date) if date else hours.trade_date(last)
    if count and not (count.isdecimal() and 1 <= int(count) <= MOST_HOURS):
        raise ValueError(f"expected HOURS as a number from 1 to {MOST_HOURS}, found {count!r}")
    first = hours.of_day(day)[0]
    found = [first + number * hours.HOUR for number in range(int(count or 24))]
    over = [begin for begin in found if begin <= last]
    if not over:
        raise ValueError(
            f"expected a day in UTC with an hour that is over, found {day}, and now is {now:%Y-%m-%d %H:%M}"
        )
    return over


def run(chosen: source.Source, begins: list[dt.datetime]) -> int:
    """Run the DAG and show its table; 0 if every task succeeded, else 1.

    Args:
        chosen: where candles come from.
        begins: the hours.
    """
    lake_home = home.find(chosen.data)
    home.remember(lake_home)
    first, last = hours.trade_date(begins[0]), hours.trade_date(begins[-1])
    conf = {"hour": hours.written(begins[0]), "hours": len(begins)}
    with (
        servers.lake(lake_home) as lake,
        servers.airflow_on(lake, lake_home.run_database, chosen) as environ,
        progress.Activity() as shown,
    ):

        def say(begun: dag_runs.Began) -> None:
            shown.begin(begun.text, brief=begun.is_task)

        with dag_runs.DagRun(lake_home, environ, DAG, first, conf, began=say) as dag_run:
            for end in dag_run:
                dag_runs.tell(end)
        outcome = "no task failed" if dag_run.succeeded else "FAILED"
        readers.tell(f"{DAG} {first}: {outcome}; Airflow's log: {dag_runs.short(dag_run.log)}")
        if dag_run.succeeded:
            print()
            print(query_client.table(query_client.query(lake, SHOWN.format(first=first, last=last))))
    if dag_run.succeeded:
        print('\nask it: make query SQL="SELECT * FROM btc_minutes LIMIT 5"')
        print("see it: make report-bitcoin")
    return 0 if dag_run.succeeded else 1


if __name__ == "__main__":
    dag_runs.interrupt_on_signals()
    raise SystemExit(readers.run(main))
