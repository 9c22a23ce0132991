"""The hours of a run of btc_minutes."""

from __future__ import annotations

import datetime as dt
from typing import Any

from b3.airflow.run_dates import BY_LOGICAL_DATE, Period
from b3.bitcoin import hours
from b3.bitcoin.hours import ASKED_AGAIN, MOST_HOURS


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
    return Period(hours.trade_date(run[0] - ASKED_AGAIN), hours.trade_date(run[-1]))
