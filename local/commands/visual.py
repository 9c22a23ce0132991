"""`make visual`: the visual Glue job for a session of the local lake, and the check of its sums."""

from __future__ import annotations

import datetime as dt

from local.commands import lake_and_day
from local.lake import dag_runs, home, progress, query_client, servers
from local.lake.home import Home
from local.lake.source import Source
from local.processes import readers

DAG = "b3_visual"
LAST_SESSION = 'SELECT max(trade_date) FROM "index_stocks$partitions"'
SHOWN = """
SELECT index_code, ticker, company_name, total_quantity, total_financial_volume, market_count, days_since_period_start
FROM visual_index_stocks
WHERE trade_date = date '{date}'
ORDER BY total_financial_volume DESC NULLS LAST, index_code
LIMIT 10
"""


def main(arguments: list[str] | None = None) -> int:
    """Run and report: 0 if the job and the check succeeded, 1 if not, 2 if the date is none."""
    day = "the session, YYYY-MM-DD, by default the last with constituents"
    return lake_and_day.main("visual", __doc__, day, run, arguments)


def run(lake_home: Home, date: dt.date | None) -> int:
    """Run the DAG and show its table; 0 if it succeeded, else 1.

    Args:
        lake_home: the lake.
        date: the session; None for the last one that has constituents.

    Raises:
        RuntimeError: the lake has no constituents.
    """
    home.remember(lake_home)
    with servers.lake(lake_home) as lake:
        session = date or _last_session(lake)
        print(f"{DAG} for {session}; Spark starts once, which takes half a minute or less", flush=True)
        # B3 is not asked, so any source will do.
        with servers.airflow_on(lake, lake_home.run_database, Source("live")) as environ, progress.Activity() as shown:

            def say(begun: dag_runs.Began) -> None:
                shown.begin(begun.text, brief=begun.is_task)

            conf = {"trade_date": str(session)}
            with dag_runs.DagRun(lake_home, environ, DAG, session, conf, began=say) as dag_run:
                for end in dag_run:
                    dag_runs.tell(end)
        outcome = "no task failed" if dag_run.succeeded else "FAILED"
        print(f"{DAG} {session}: {outcome}; Airflow's log: {dag_runs.short(dag_run.log)}")
        if dag_run.succeeded:
            print(f"\ntop constituents of {session} by volume, from visual_index_stocks")
            print(query_client.table(query_client.query(lake, SHOWN.format(date=session))))
    return 0 if dag_run.succeeded else 1


def _last_session(lake: servers.Lake) -> dt.date:
    ((found,),) = query_client.query(lake, LAST_SESSION).rows
    if found is None:
        raise RuntimeError(
            f"expected constituents of an index in the lake in {lake.home.folder}, found none: `make run` brings those "
            "of the last session"
        )
    return dt.date.fromisoformat(str(found))


if __name__ == "__main__":
    dag_runs.interrupt_on_signals()
    raise SystemExit(readers.run(main))
