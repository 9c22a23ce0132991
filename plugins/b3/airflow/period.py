"""The days that a DAG run is for, as its SQL names them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from b3.airflow import run_dates
from b3.calendar.sessions import FIRST_YEAR


@dataclass(frozen=True)
class Period:
    """The trade dates from `first` to `last`, both included."""

    first: dt.date
    last: dt.date

    @property
    def sql(self) -> str:
        """The condition on the partition key that holds for these days alone."""
        if self.first == self.last:
            return f"trade_date = date '{self.first}'"
        return f"trade_date BETWEEN date '{self.first}' AND date '{self.last}'"

    def __str__(self) -> str:
        """In words."""
        return str(self.first) if self.first == self.last else f"{self.first} to {self.last}"


def of_session(dag_run: Any, ti: Any = None) -> Period:
    """The session of a run of b3_daily; `ti` is not used."""
    date = run_dates.trade_date(dag_run)
    return Period(date, date)


def of_year(dag_run: Any) -> Period:
    """The year of a run of b3_history.

    It is `year` of the run's conf where that is given. Otherwise, and in scheduled and backfilled runs always, it is
    that of the logical date.

    Raises:
        ValueError: the conf's year is no year since 1986, or the run has neither.
    """
    given = None if dag_run.run_type in run_dates.BY_LOGICAL_DATE else (dag_run.conf or {}).get("year")
    if given is None and dag_run.logical_date is None:
        raise ValueError(f"expected a logical date, or year in its conf, found neither in run {dag_run.run_id}")
    if given is None:
        found = run_dates.day_of(dag_run.logical_date).year
    elif str(given).isdecimal():
        found = int(given)
    else:
        found = 0
    if not FIRST_YEAR <= found <= dt.MAXYEAR:
        raise ValueError(f"expected year in the run's conf, {FIRST_YEAR} or later, found {given!r}: trigger it again")
    return Period(dt.date(found, 1, 1), dt.date(found, 12, 31))


def of_uploaded_year(dag_run: Any, ti: Any) -> Period:
    """The year of a run of b3_history, up to the last session that its task `upload` wrote.

    What comes after that is not in the year's file yet, and is b3_daily's.

    Args:
        dag_run: the run.
        ti: a task instance of the run after `upload`.
    """
    year, uploaded = of_year(dag_run), ti.xcom_pull(task_ids="upload")["partitions"]
    return Period(year.first, max(dt.date.fromisoformat(partition["trade_date"]) for partition in uploaded))
