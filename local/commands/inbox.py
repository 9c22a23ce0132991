"""`make inbox`: a COTAHIST file into the local lake's inbox/, then b3_arrivals and the runs that it starts."""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3

from b3.airflow.run_starter import AT_ONCE
from b3.lake import layout
from b3.lake.commit import head
from b3.lake.layout import Lake
from local.aws.glue import kept_jvms
from local.lake import dag_runs, home, progress, query_client, servers, source
from local.lake.dag_runs import WaitingRun
from local.lake.home import Home
from local.processes import readers

DAG = "b3_arrivals"
SESSIONS = """
SELECT trade_date, count(*) AS quotes, sum(financial_volume) AS financial_volume
FROM quotes WHERE trade_date IN ({dates}) GROUP BY trade_date ORDER BY trade_date
"""


def main(arguments: list[str] | None = None) -> int:
    """Put the file, and run what it starts: 0 if all succeeded, 1 if not, 2 if there is no such file."""
    parser = argparse.ArgumentParser(prog="make inbox", description=__doc__)
    parser.add_argument("--file", default="", help="a COTAHIST file of a day, a month or a year, ZIP or text")
    parser.add_argument("--exchange", default="", help="simulated for the lake of simulated data")
    options = parser.parse_args(arguments)
    path = Path(options.file).expanduser()
    if not options.file or not path.is_file():
        print(f"inbox: expected FILE= as the path of a COTAHIST file, found {options.file!r}", file=sys.stderr)
        return 2
    if options.exchange not in ("", "live", "simulated"):
        print(f"inbox: expected EXCHANGE=simulated or none, found {options.exchange!r}", file=sys.stderr)
        return 2
    try:
        return run(source.choose(options.exchange or "live"), path)
    except RuntimeError as error:
        print(f"inbox: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("inbox: interrupted; run it again, it goes on with what is missing", file=sys.stderr)
        return 130


def run(chosen: source.Source, path: Path) -> int:
    """Put a file into the lake's inbox/, run b3_arrivals, then each run that waits; stop at the first that fails.

    Args:
        chosen: names the lake; B3 is not asked.
        path: the file.
    """
    where = home.find(chosen.data)
    home.remember(where)
    # A month has some twenty runs, and so many job runs.
    os.environ[kept_jvms.KEEP] = "1"
    with servers.lake(where) as lake, servers.airflow_on(lake, where.run_database, chosen) as environ:
        s3, bucket = boto3.client("s3", endpoint_url=lake.endpoint), Lake(where.bucket)
        key = f"{layout.INBOX_PREFIX}{path.name}"
        s3.upload_file(str(path), bucket.bucket, key)
        print(f"{bucket.uri(key)}: {path.stat().st_size:,} bytes", flush=True)
        rejected = layout.rejected_key(hashlib.sha256(path.read_bytes()).hexdigest(), path.name)
        reason = layout.rejection_reason_key(rejected)
        former = (head(s3, bucket, reason) or {}).get("VersionId")
        # Here no scheduler runs what is started; it is run below.
        arrivals = _run(where, environ, DAG, dt.datetime.now(dt.UTC).date(), {AT_ONCE: True})
        if not arrivals.succeeded:
            return 1
        # The local AWS has no Airflow that waits for these messages.
        queue = lake.outputs["ArrivalsQueueUrl"]
        boto3.client("sqs", endpoint_url=lake.endpoint).purge_queue(QueueUrl=queue)
        # A file that is rejected again gets its reason again.
        if (head(s3, bucket, reason) or {}).get("VersionId") != former:
            print(s3.get_object(Bucket=bucket.bucket, Key=reason)["Body"].read().decode().strip())
            print(f"rejected: {bucket.uri(rejected)}")
            return 1
        if not arrivals.waiting:
            print("nothing to run: these bytes have landed before, and their runs were started then")
            return 0
        # Here no scheduler starts mapped tasks in their order, so the database has the runs in any.
        for number, waiting in enumerate(sorted(arrivals.waiting, key=_first_day), 1):
            if not _start(where, environ, waiting, f"{number} of {len(arrivals.waiting)}"):
                return 1
        dates = [f"date '{each.conf['trade_date']}'" for each in arrivals.waiting if "trade_date" in each.conf]
        if dates:
            print(query_client.table(query_client.query(lake, SESSIONS.format(dates=", ".join(dates)))))
    print(f"the lake: s3://{where.bucket}/, kept in {dag_runs.short(where.folder)}")
    return 0


def _start(where: Home, environ: dict[str, str], waiting: WaitingRun, place: str) -> bool:
    """Run what waits; return whether it succeeded."""
    of = waiting.conf.get("trade_date") or waiting.conf["year"]
    shown = f"{waiting.dag} {of} ({place})"
    return _run(where, environ, shown, _first_day(waiting), waiting.conf, waiting).succeeded


def _first_day(waiting: WaitingRun) -> dt.date:
    """Return the trade date of a run, or the first day of its year."""
    return dt.date.fromisoformat(waiting.conf.get("trade_date") or f"{waiting.conf['year']}-01-01")


def _run(
    where: Home,
    environ: dict[str, str],
    shown: str,
    date: dt.date,
    conf: Mapping[str, Any],
    waiting: WaitingRun | None = None,
) -> dag_runs.DagRun:
    """Run b3_arrivals, or a waiting run; print its tasks, or those that failed, and its outcome."""
    with progress.Activity() as activity:
        run = dag_runs.DagRun(
            where,
            environ,
            waiting.dag if waiting else DAG,
            date,
            conf,
            began=lambda begun: activity.begin(f"{shown}: {begun.text}", brief=begun.is_task),
            instead_of=waiting.run_id if waiting else "",
        )
        with run:
            for end in run:
                if waiting is None or end.state not in ("success", "skipped"):
                    dag_runs.tell(end)
    outcome = "no task failed" if run.succeeded else f"FAILED; Airflow's log: {dag_runs.short(run.log)}"
    print(f"{shown}: {outcome}", flush=True)
    return run


if __name__ == "__main__":
    dag_runs.interrupt_on_signals()
    raise SystemExit(readers.run(main))
