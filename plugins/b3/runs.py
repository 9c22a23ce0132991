"""Which session a DAG run is for."""

from __future__ import annotations

import datetime as dt
from typing import Any

from b3.sessions import SAO_PAULO


def trade_date(dag_run: Any) -> dt.date:
    """The trade date of a DAG run.

    It is `trade_date` of the run's conf where that is given. Otherwise it is the day of the logical date: at
    midnight UTC that names a calendar day, as `airflow dags test b3_daily 2020-04-30` and date pickers give it;
    at any other time it is an instant, and the day is São Paulo's.

    Raises:
        ValueError: the conf's date is not YYYY-MM-DD, or the run has neither.
    """
    given = (dag_run.conf or {}).get("trade_date")
    if given:
        try:
            return dt.date.fromisoformat(given)
        except (TypeError, ValueError):
            raise ValueError(
                f"expected trade_date in the run's conf as YYYY-MM-DD, found {given!r}: trigger the run again"
            ) from None
    instant = dag_run.logical_date
    if instant is None:
        raise ValueError(
            f"run {dag_run.run_id} has no logical date: expected one, or trade_date in its conf, to know the session"
        )
    instant = instant.astimezone(dt.UTC)
    if instant.time() == dt.time():
        return instant.date()
    return instant.astimezone(SAO_PAULO).date()
