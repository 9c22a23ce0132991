"""`make run`: the daily DAG once, end to end, on this machine."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from b3.errors import ClosedDay
from b3.quotes.accepted import CONF
from b3.report.figures import for_session
from infra.checkout import ROOT
from local.lake import account, dag_runs, progress, provision, query_client, servers, session_given, source
from local.lake.home import Home
from local.lake.stack import Stack
from local.processes import readers

DAG = "b3_daily"

COUNTS = """
SELECT 'raw_quotes' AS table_name, count(*) AS records, sum(financial_volume) AS financial_volume
FROM raw_quotes WHERE trade_date = date '{date}'
UNION ALL
SELECT 'quotes', count(*), sum(financial_volume) FROM quotes WHERE trade_date = date '{date}'
UNION ALL
SELECT 'findings', count(*), NULL FROM findings WHERE trade_date = date '{date}'
UNION ALL
SELECT 'raw_index_portfolio', count(*), NULL FROM raw_index_portfolio WHERE trade_date = date '{date}'
UNION ALL
SELECT 'index_stocks', count(*), sum(total_financial_volume) FROM index_stocks WHERE trade_date = date '{date}'
ORDER BY table_name DESC
"""
# The first twenty; a session has none or a few.
FINDINGS = """
SELECT rule, ticker, market_type, forward_days, file_line, expected, found
FROM findings WHERE trade_date = date '{date}'
ORDER BY file_line NULLS FIRST, rule
LIMIT 20
"""
TOP_STOCKS = ROOT / "include" / "sql" / "analysis" / "top_stocks.sql"
HEAVIEST = """
SELECT index_code, weight_rank, ticker, company_name, sector, weight_pct, volume_rank, total_financial_volume,
       change_pct
FROM stock_ranking
WHERE trade_date = date '{date}' AND weight_rank <= 10
ORDER BY index_code, weight_rank
"""


def main(arguments: list[str] | None = None) -> int:
    """Run and report: 0 if no task failed, 1 if one did, 2 if there is nothing to run."""
    parser = argparse.ArgumentParser(prog="make run", description=__doc__)
    parser.add_argument("--date", default="", help="YYYY-MM-DD, by default the last session")
    parser.add_argument("--exchange", default="auto", help="auto, live, simulated, or a folder of B3's files")
    parser.add_argument("--accept", default="", help="flood, loss or both, with a comma between them")
    parser.add_argument("--lake", default="", help="local, or aws for that of --stack")
    parser.add_argument("--stack", default="", help="the lake's stack on the caller's AWS account")
    parser.add_argument("--no-report", action="store_true", help="leave out the queries that show what came of it")
    options = parser.parse_args(arguments)
    now = dt.datetime.now(dt.UTC)
    try:
        accepted = dag_runs.accepted(options.accept)
        stack = account.named(options.lake, options.stack, "run")
        chosen = source.choose_for_account(options.exchange) if stack else source.choose(options.exchange)
        source.check_files(chosen)
        date = session_given.parse(options.date) if options.date else source.last_session(chosen, now)
        session_given.check(date, now)
    except (ValueError, ClosedDay) as error:
        print(f"run: {error}", file=sys.stderr)
        return 2
    if chosen.kind == "simulated":
        chosen = replace(chosen, today=date)
    source.announce(chosen, f"{DAG} for {date}")
    try:
        return run(chosen, date, conf=accepted, report=not options.no_report, stack=stack)
    except RuntimeError as error:
        print(f"run: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("run: interrupted; run it again, every task can be repeated", file=sys.stderr)
        return 130


def run(
    chosen: source.Source,
    date: dt.date,
    *,
    conf: Mapping[str, bool] | None = None,
    script: Path = provision.REFINE_SCRIPT,
    report: bool = True,
    stack: str = "",
) -> int:
    """The DAG run and its report; 0 if every task succeeded or was skipped with a reason, else 1.

    Args:
        chosen: where B3's files come from.
        date: the session.
        conf: what the run accepts, see `runs.accepted`.
        script: the Glue script that the stack's job runs.
        report: whether to show what came of it.
        stack: the lake's stack on the caller's AWS account; empty for the lake of this machine.
    """
    watch = servers.Stopwatch()
    with (
        servers.lake_of(chosen, stack, script=script) as lake,
        servers.airflow_on(lake, lake.home.run_database, chosen) as environ,
    ):
        watch.lap("servers")
        succeeded = _run_dag(lake.home, environ, date, conf or {}, watch)
        if succeeded and report:
            _report(lake, date)
            watch.lap("these queries")
    spent = ", ".join(f"{name} {seconds:.1f}" for name, seconds in watch.laps.items())
    print(f"\nwhere the time went, in seconds: {spent}; {sum(watch.laps.values()):.1f} in all")
    if succeeded:
        _say_where(lake, date)
    return 0 if succeeded else 1


def _run_dag(
    where: Home, environ: dict[str, str], date: dt.date, conf: Mapping[str, bool], watch: servers.Stopwatch
) -> bool:
    with progress.Activity() as activity:

        def say(begun: dag_runs.Began) -> None:
            activity.begin(begun.text, brief=begun.is_task)
            if begun.is_task and "Airflow's start" not in watch.laps:
                watch.lap("Airflow's start")

        with dag_runs.DagRun(where, environ, DAG, date, conf, began=say) as run:
            for end in run:
                _tell(end, date)
    watch.lap("tasks")
    outcome = "no task failed" if run.succeeded else "FAILED"
    readers.tell(f"{DAG} {date}: {outcome}; Airflow's log: {dag_runs.short(run.log)}")
    return run.succeeded


def _tell(end: dag_runs.TaskEnd, date: dt.date) -> None:
    dag_runs.tell(end)
    for name, key in CONF.items():
        if key in (end.error or ""):
            readers.tell(f"      here that is: make run DATE={date} ACCEPT={name}")


def _say_where(lake: Stack, date: dt.date) -> None:
    bucket = lake.outputs["LakeBucket"]
    if lake.endpoint is None:
        print(f"\nthe lake: s3://{bucket}/, {lake}")
        print(f"see it: aws s3 cp s3://{bucket}/reports/trade_date={date}/index.html .")
        print(f"ask it: Athena, workgroup {lake.outputs['AthenaWorkgroup']}, database {lake.outputs['GlueDatabase']}")
        return
    print(f"\nthe lake: s3://{bucket}/, kept in {dag_runs.short(lake.home.folder)}")
    print(f"see it: make report DATE={date}")
    print('ask it: make query SQL="SELECT count(*) FROM quotes"')


def _report(lake: Stack, date: dt.date) -> None:
    print()
    print(query_client.table(query_client.query(lake, COUNTS.format(date=date))))
    findings = query_client.query(lake, FINDINGS.format(date=date))
    if findings.rows:
        print(f"\nfindings of {date}: what is odd in B3's file, published as it is")
        print(query_client.table(findings))
    print(f"\ntop stocks of {date} by financial volume")
    print(query_client.table(query_client.query(lake, for_session(TOP_STOCKS.read_text(), date))))
    heaviest = query_client.query(lake, HEAVIEST.format(date=date))
    if heaviest.rows:
        print(f"\ntop constituents of {date} by weight")
        print(query_client.table(heaviest))


if __name__ == "__main__":
    dag_runs.interrupt_on_signals()
    raise SystemExit(readers.run(main))
