"""Which session a DAG run is for."""

from __future__ import annotations

import datetime as dt
from typing import Any

from b3.calendar.sessions import SAO_PAULO

# Their conf is not their own: a backfill has one for all its runs, and takes over runs that were triggered by hand.
BY_LOGICAL_DATE = frozenset({"scheduled", "backfill"})


def trade_date(dag_run: Any) -> dt.date:
    """The trade date of a DAG run.

    It is `trade_date` of the run's conf where that is given, which the trigger form fills. Otherwise, and in
    scheduled and backfilled runs always, it is the day of the logical date, see `day_of`.

    Raises:
        ValueError: the conf's date is not YYYY-MM-DD, or the run has neither.
    """
    given = (dag_run.conf or {}).get("trade_date")
    if given and dag_run.run_type not in BY_LOGICAL_DATE:
        try:
            return dt.date.fromisoformat(given)
        except (TypeError, ValueError):
            raise ValueError(
                f"expected trade_date in the run's conf as YYYY-MM-DD, found {given!r}: trigger the run again"
            ) from None
    if dag_run.logical_date is None:
        raise ValueError(
            f"run {dag_run.run_id} has no logical date: expected one, or trade_date in its conf, to know the session"
        )
    return day_of(dag_run.logical_date)


def day_of(instant: dt.datetime) -> dt.date:
    """The day that an aware instant names.

    At midnight UTC that is the calendar day, as `airflow dags test b3_daily 2020-04-30`, `airflow backfill` and date
    pickers give it; at any other time it is São Paulo's.
    """
    instant = instant.astimezone(dt.UTC)
    if instant.time() == dt.time():
        return instant.date()
    return instant.astimezone(SAO_PAULO).date()
