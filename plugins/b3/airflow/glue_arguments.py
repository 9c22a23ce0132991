"""The Glue job's arguments as templates, and the macros of these templates and of the checks."""

from __future__ import annotations

import datetime as dt
from typing import Any

from b3 import settings
from b3.airflow import aws, run_dates

ONE_SESSION = {
    "--trade_date": "{{ trade_date(dag_run) }}",
    "--previous_session": "{{ previous_session(dag_run) }}",
    "--last_rebalance": "{{ last_rebalance(dag_run) }}",
    "--source": "{{ settings().lake.raw_quotes(trade_date(dag_run)) }}",
    "--target": "{{ settings().lake.refined_quotes(trade_date(dag_run)) }}",
    "--findings": "{{ settings().lake.findings(trade_date(dag_run)) }}",
    "--portfolio": "{{ settings().lake.raw_index_portfolio(trade_date(dag_run)) }}",
    "--index_target": "{{ settings().lake.refined_index_stocks(trade_date(dag_run)) }}",
    "--staging": "{{ settings().lake.refine_staging(trade_date(dag_run)) }}",
}
ONE_YEAR = {
    "--sessions": "{{ sessions_of(ti.xcom_pull(task_ids='upload')) }}",
    "--source": "{{ settings().lake.all_raw_quotes }}",
    "--target": "{{ settings().lake.all_refined_quotes }}",
    "--findings": "{{ settings().lake.all_findings }}",
    "--staging": "{{ settings().lake.refine_year_staging(period(dag_run, ti).first.year) }}",
}


def previous_session(dag_run: Any) -> dt.date:
    """Return the session before a run's trade date; before 2000, by B3's file of the year."""
    from b3.calendar import known_sessions

    return known_sessions.previous_session(aws.S3OnDemand(), settings.read().lake, run_dates.trade_date(dag_run))


def last_rebalance(dag_run: Any) -> dt.date:
    """Return the first session of the index portfolios in force on a run's trade date."""
    from b3.calendar import sessions

    return sessions.last_rebalance(run_dates.trade_date(dag_run))


def sessions_of(uploaded: dict[str, Any]) -> str:
    """Return the sessions that `upload` wrote, each with its previous session: DATE:PREVIOUS, separated by commas."""
    from b3.calendar import known_sessions

    dates = [dt.date.fromisoformat(partition["trade_date"]) for partition in uploaded["partitions"]]
    before = [known_sessions.previous_session(aws.S3OnDemand(), settings.read().lake, dates[0]), *dates[:-1]]
    return ",".join(f"{date}:{previous}" for date, previous in zip(dates, before, strict=True))


DAILY_MACROS = {
    "settings": settings.read,
    "trade_date": run_dates.trade_date,
    "period": run_dates.session_period,
    "previous_session": previous_session,
    "last_rebalance": last_rebalance,
}
HISTORY_MACROS = {
    "settings": settings.read,
    "period": run_dates.uploaded_year,
    "sessions_of": sessions_of,
}
