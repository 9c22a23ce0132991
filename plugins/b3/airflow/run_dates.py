"""The dates of a DAG run: the trade date of `b3_daily`, the years of `b3_history`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from b3.calendar.sessions import FIRST_YEAR, LAST_YEAR, day_of

# The dates of these runs come from the logical date alone: Airflow copies a backfill's conf to all its runs, and to
# manual runs that it takes over.
BY_LOGICAL_DATE = frozenset({"scheduled", "backfill"})
# Of a run. A check names each session that was written, and Athena takes 262,144 characters.
MOST_YEARS = 20


@dataclass(frozen=True)
class Period:
    """The trade dates from `first` to `last`, both included."""

    first: dt.date
    last: dt.date

    @property
    def sql(self) -> str:
        """SQL condition on the partition key that selects these days."""
        if self.first == self.last:
            return f"trade_date = date '{self.first}'"
        return f"trade_date BETWEEN date '{self.first}' AND date '{self.last}'"

    @property
    def years(self) -> range:
        """The years of these days."""
        return range(self.first.year, self.last.year + 1)

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first} to {self.last}"


def conf_of(dag_run: Any) -> Mapping[str, Any]:
    """Return the conf that a person gave a run; nothing for runs of BY_LOGICAL_DATE, whose conf counts for nothing."""
    return {} if dag_run.run_type in BY_LOGICAL_DATE else dag_run.conf or {}


def trade_date(dag_run: Any) -> dt.date:
    """Return the trade date of a run of b3_daily.

    A manual run takes `trade_date` from its conf, which the trigger form sets. Without it, and in scheduled and
    backfilled runs, the trade date is the day of the logical date, see `b3.calendar.sessions.day_of`.

    Raises:
        ValueError: the conf's date is not YYYY-MM-DD, or the run has neither date.
    """
    given = conf_of(dag_run).get("trade_date")
    if given:
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


def years(dag_run: Any) -> Period:
    """Return the years of a run of b3_history, from 1 January of the first to 31 December of the last.

    A manual run takes `year`, and `last_year` for several, from its conf. Without them, and in scheduled and backfilled
    runs, it is the year of the logical date.

    Raises:
        ValueError: a year of the conf is not one from 1986 to 2100, the last lies before the first, there are more than
            MOST_YEARS, or the run has neither year nor logical date.
    """
    conf = conf_of(dag_run)
    given = conf.get("year")
    if given is None and dag_run.logical_date is None:
        raise ValueError(f"expected a logical date, or year in its conf, found neither in run {dag_run.run_id}")
    first = day_of(dag_run.logical_date).year if given is None else _year("year", given, FIRST_YEAR)
    last = conf.get("last_year")
    last = first if last is None else _year("last_year", last, first)
    if last - first >= MOST_YEARS:
        raise ValueError(
            f"expected at most {MOST_YEARS} years in a run, found {first} to {last}: trigger a run for each part, as "
            "Athena takes no check of more sessions"
        )
    return Period(dt.date(first, 1, 1), dt.date(last, 12, 31))


def _year(name: str, given: Any, earliest: int) -> int:
    found = int(given) if str(given).isdecimal() else 0
    if not earliest <= found <= LAST_YEAR:
        raise ValueError(
            f"expected {name} in the run's conf, {earliest} or later and at most {LAST_YEAR}, found {given!r}: "
            "trigger it again"
        )
    return found


def uploaded_years(dag_run: Any, ti: Any) -> Period:
    """Return the years of a run of b3_history, up to the last session that its task `upload` wrote.

    Later sessions are not in the last year's file yet: b3_daily writes them.

    Args:
        dag_run: the run.
        ti: a task instance of the run that comes after `upload`.
    """
    uploaded = ti.xcom_pull(task_ids="upload")["partitions"]
    return Period(years(dag_run).first, max(dt.date.fromisoformat(partition["trade_date"]) for partition in uploaded))
