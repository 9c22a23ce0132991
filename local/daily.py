"""`make run`: the daily DAG once, end to end, on this machine."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import subprocess
import sys
import time
from pathlib import Path

from b3 import landing
from b3.errors import ClosedDay
from local import athena, home, provision, setup, source, stack
from local.home import ROOT, Home

DAG = "b3_daily"

COUNTS = """
SELECT 'raw_quotes' AS table_name, count(*) AS records, sum(financial_volume) AS financial_volume
FROM raw_quotes WHERE trade_date = date '{date}'
UNION ALL
SELECT 'quotes', count(*), sum(financial_volume) FROM quotes WHERE trade_date = date '{date}'
ORDER BY table_name DESC
"""
TOP_STOCKS = """
SELECT ticker, short_name, asset_class, CAST(unit_close AS decimal(13,2)) AS close, change_pct, quantity,
       financial_volume
FROM quotes
WHERE trade_date = date '{date}' AND market_type = '010' AND asset_class IN ('stock', 'unit')
ORDER BY financial_volume DESC
LIMIT 10
"""


def main(arguments: list[str] | None = None) -> int:
    """Run and report: 0 if every task succeeded, 1 if one failed, 2 if there is nothing to run."""
    parser = argparse.ArgumentParser(prog="make run", description=__doc__)
    parser.add_argument("--date", default="", help="YYYY-MM-DD, by default the last session")
    parser.add_argument("--exchange", default="auto", help="auto, live, simulated, or a folder of B3's files")
    options = parser.parse_args(arguments)
    try:
        chosen = source.choose(options.exchange)
        if options.date:
            date = dt.date.fromisoformat(options.date)
        else:
            date = source.last_session(chosen, dt.datetime.now(dt.UTC))
        landing.check_session(date)
    except (ValueError, ClosedDay) as error:
        print(f"run: {error}", file=sys.stderr)
        return 2
    _announce(chosen, date)
    try:
        return run(chosen, date)
    except RuntimeError as error:
        print(f"run: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("run: interrupted; run it again, every task can be repeated", file=sys.stderr)
        return 130


def _announce(chosen: source.Source, date: dt.date) -> None:
    if chosen.b3_out_of_reach:
        print(f"!! B3 does not answer from here ({chosen.b3_out_of_reach}).")
        print("!! Running on the SIMULATED exchange: invented companies and prices.")
    print(f"{DAG} for {date}, source: {chosen}", flush=True)


def run(chosen: source.Source, date: dt.date, *, script: Path = provision.REFINE_SCRIPT) -> int:
    """The DAG run and its report; 0 if every task succeeded, else 1.

    Args:
        chosen: where B3's files come from.
        date: the session.
        script: the Glue script that the stack's job runs.
    """
    where = home.find(chosen.data)
    home.remember(where)
    watch = stack.Stopwatch()
    with (
        stack.lake(where, script=script) as lake,
        stack.airflow_on(lake, where.run_database, chosen) as environ,
    ):
        watch.lap("servers and stack")
        succeeded = _run_dag(where, environ, date, watch)
        if succeeded:
            _report(lake, date)
            watch.lap("report")
    print("\nwhere the time went (seconds)")
    for name, seconds in watch.laps.items():
        print(f"  {name:<42}{seconds:6.1f}")
    print(f"  {'total':<42}{sum(watch.laps.values()):6.1f}")
    if succeeded:
        print(f"\nthe lake: s3://{where.bucket}/, kept in {_short(where.folder)}")
        print('ask it: make query SQL="SELECT count(*) FROM quotes"')
    return 0 if succeeded else 1


def _run_dag(where: Home, environ: dict[str, str], date: dt.date, watch: stack.Stopwatch) -> bool:
    log = where.logs / f"{DAG}-{date}.log"
    log.unlink(missing_ok=True)
    command = [str(setup.AIRFLOW.python), "-m", "local.dag_runner", DAG, date.isoformat(), str(log)]
    with subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        started = time.monotonic()
        for line in process.stdout:
            event = json.loads(line)
            watch.lap(event["task"])
            print(f"  {event['state']:<16} {event['task']:<42}{time.monotonic() - started:6.1f} s", flush=True)
            if event["error"]:
                print(f"      {event['error']}", flush=True)
    watch.lap("end of the run")
    succeeded = process.returncode == 0
    print(f"{DAG} {date}: {'every task succeeded' if succeeded else 'FAILED'}; Airflow's log: {_short(log)}")
    return succeeded


def _short(path: Path) -> Path:
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def _report(lake: stack.Lake, date: dt.date) -> None:
    print()
    print(athena.table(athena.query(lake, COUNTS.format(date=date))))
    print(f"\ntop stocks of {date} by financial volume")
    print(athena.table(athena.query(lake, TOP_STOCKS.format(date=date))))


if __name__ == "__main__":
    raise SystemExit(main())
