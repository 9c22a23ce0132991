"""Which days a DAG run is for: the trade date of `b3_daily`, the year of `b3_history`."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from b3.calendar.sessions import FIRST_YEAR, day_of

# Airflow copies the conf of a backfill to all its runs, and to manual runs that it takes over.
BY_LOGICAL_DATE = frozenset({"scheduled", "backfill"})


@dataclass(frozen=True)
class Period:
    """The trade dates from `first` to `last`, both included."""

    first: dt.date
    last: dt.date

    @property
    def sql(self) -> str:
        """SQL condition on the partition key that is true on these days only."""
        if self.first == self.last:
            return f"trade_date = date '{self.first}'"
        return f"trade_date BETWEEN date '{self.first}' AND date '{self.last}'"

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first} to {self.last}"


def trade_date(dag_run: Any) -> dt.date:
    """Return the trade date of a run of b3_daily.

    A manual run takes `trade_date` from its conf, which the trigger form sets. Without it, and in scheduled and
    backfilled runs, the trade date is the day of the logical date, see `b3.calendar.sessions.day_of`.

    Raises:
        ValueError: the conf's date is not YYYY-MM-DD, or the run has neither date.
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


def session_period(dag_run: Any, ti: Any = None) -> Period:
    """Return the period of a run of b3_daily: its trade date. `ti` is not used."""
    date = trade_date(dag_run)
    return Period(date, date)


def year(dag_run: Any) -> Period:
    """Return the year of a run of b3_history, from 1 January to 31 December.

    A manual run takes `year` from its conf. Without it, and in scheduled and backfilled runs, it is the year of the
    logical date.

    Raises:
        ValueError: the conf's year is no year since 1986, or the run has neither.
    """
    given = None if dag_run.run_type in BY_LOGICAL_DATE else (dag_run.conf or {}).get("year")
    if given is None and dag_run.logical_date is None:
        raise ValueError(f"expected a logical date, or year in its conf, found neither in run {dag_run.run_id}")
    if given is None:
        found = day_of(dag_run.logical_date).year
    elif str(given).isdecimal():
        found = int(given)
    else:
        found = 0
    if not FIRST_YEAR <= found <= dt.MAXYEAR:
        raise ValueError(f"expected year in the run's conf, {FIRST_YEAR} or later, found {given!r}: trigger it again")
    return Period(dt.date(found, 1, 1), dt.date(found, 12, 31))


def uploaded_year(dag_run: Any, ti: Any) -> Period:
    """Return the year of a run of b3_history up to the last session that its task `upload` wrote.

    Later sessions are not in the year's file yet, and belong to b3_daily.

    Args:
        dag_run: the run.
        ti: a task instance of the run after `upload`.
    """
    uploaded = ti.xcom_pull(task_ids="upload")["partitions"]
    return Period(year(dag_run).first, max(dt.date.fromisoformat(partition["trade_date"]) for partition in uploaded))
