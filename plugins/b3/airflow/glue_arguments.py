"""The Glue job's arguments as templates, and the macros of these templates and of the checks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from b3 import settings
from b3.airflow import aws, run_dates, run_hours

ONE_SESSION = {
    "--sessions": "{{ trade_date(dag_run) }}",
    "--previous_session": "{{ previous_session(dag_run) }}",
    "--last_rebalance": "{{ last_rebalance(dag_run) }}",
    "--source": "{{ settings().lake.all_raw_quotes }}",
    "--target": "{{ settings().lake.all_refined_quotes }}",
    "--findings": "{{ settings().lake.all_findings }}",
    "--portfolio": "{{ settings().lake.raw_index_portfolio(trade_date(dag_run)) }}",
    "--index_target": "{{ settings().lake.refined_index_stocks(trade_date(dag_run)) }}",
}
YEARS = {
    "--sessions": "{{ sessions_of(ti.xcom_pull(task_ids='upload')) }}",
    "--previous_session": "{{ session_before(ti.xcom_pull(task_ids='upload')) }}",
    "--source": "{{ settings().lake.all_raw_quotes }}",
    "--target": "{{ settings().lake.all_refined_quotes }}",
    "--findings": "{{ settings().lake.all_findings }}",
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
    """Return the sessions that `upload` wrote, see `sessions_argument`."""
    return sessions_argument(dates_of(uploaded))


def session_before(uploaded: dict[str, Any]) -> dt.date:
    """Return the session before the first one that `upload` wrote."""
    from b3.calendar import known_sessions

    return known_sessions.previous_session(aws.S3OnDemand(), settings.read().lake, dates_of(uploaded)[0])


def last_session(uploaded: dict[str, Any] | None) -> str:
    """Return the last session that `upload` wrote, nothing if it wrote none."""
    return str(dates_of(uploaded)[-1]) if uploaded else ""


def dates_of(uploaded: dict[str, Any]) -> list[dt.date]:
    """Return the trade dates that `upload` wrote, in order."""
    return [dt.date.fromisoformat(partition["trade_date"]) for partition in uploaded["partitions"]]


def sessions_argument(sessions: Iterable[dt.date]) -> str:
    """Return sessions, in order, as the Glue job takes them: `2020-04-29,30,2020-05-04`.

    A day without a month is in the month of the date before it. Whole dates of forty years would be too long for one
    argument on Linux.
    """
    words, month = [], None
    for date in sessions:
        words.append(f"{date:%d}" if month == (date.year, date.month) else f"{date:%Y-%m-%d}")
        month = (date.year, date.month)
    return ",".join(words)


DAILY_MACROS = {
    "settings": settings.read,
    "trade_date": run_dates.trade_date,
    "period": run_dates.session_period,
    "previous_session": previous_session,
    "last_rebalance": last_rebalance,
}
HISTORY_MACROS = {
    "settings": settings.read,
    "period": run_dates.uploaded_years,
    "sessions_of": sessions_of,
    "session_before": session_before,
    "last_session": last_session,
}
MINUTES_MACROS = {
    "settings": settings.read,
    "period": run_hours.period,
    "uploaded_sql": run_hours.uploaded_sql,
}
