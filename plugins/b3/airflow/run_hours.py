"""The hours of a run of btc_minutes."""

from __future__ import annotations

import datetime as dt
from typing import Any

from b3.airflow.run_dates import BY_LOGICAL_DATE, Period
from b3.bitcoin import hours
from b3.bitcoin.hours import HOURS_ASKED_AGAIN, MOST_HOURS


def hours_of(dag_run: Any) -> list[dt.datetime]:
    """Return the beginnings of the hours of a run, in order.

    A scheduled or backfilled run has the one hour of its data interval. A manual run takes `hour`, and `hours` for
    several, from its conf. Without `hour`, it has the last hour that was over when it was triggered.

    Raises:
        ValueError: `hour` of the conf is written otherwise than 2026-10-31T13, or `hours` is no number from 1 to 168.
    """
    if dag_run.run_type in BY_LOGICAL_DATE:
        return [hours.begin_of(dag_run.data_interval_start)]
    conf = dag_run.conf or {}
    count = conf.get("hours", 1)
    if type(count) is not int or not 1 <= count <= MOST_HOURS:
        raise ValueError(f"expected hours in the run's conf as 1 to {MOST_HOURS}, found {count!r}: trigger it again")
    given = conf.get("hour")
    if not given:
        last = hours.begin_of(dag_run.run_after) - hours.HOUR
        return [last - number * hours.HOUR for number in reversed(range(count))]
    try:
        first = hours.parse(given)
    except (TypeError, ValueError):
        raise ValueError(
            f"expected hour in the run's conf as 2026-10-31T13, found {given!r}: trigger it again"
        ) from None
    return [first + number * hours.HOUR for number in range(count)]


def period(dag_run: Any, ti: Any = None) -> Period:
    """Return the trade dates that a run may have written: those of its hours, and of gaps before. `ti` is unused."""
    run = hours_of(dag_run)
    return Period(hours.trade_date(run[0] - HOURS_ASKED_AGAIN), hours.trade_date(run[-1]))


def uploaded_sql(uploaded: list[str] | None, hour: str) -> str:
    """Return the SQL condition that an hour is one which the run has uploaded.

    Another run may have uploaded an hour of the same day that it has yet to refine: of that nothing is to be said.

    Args:
        uploaded: what the task `upload` returned, see `b3.bitcoin.land.Hour`.
        hour: SQL of the market, a blank, and the beginning of the hour, as `BTCBRL 2026-10-31T13`.
    """
    listed = ", ".join(f"'{each}'" for each in uploaded or [])
    return f"{hour} IN ({listed})" if listed else "false"
