"""B3's trading sessions, by trade date (America/Sao_Paulo).

The dates are those of exchange_calendars' BVMF calendar; its opening hours are not used, the public
libraries disagree on them. From 2000 on the dates agree with B3's files. For 1986 to 1999 the calendar has 45 sessions
too many, and lacks a Saturday of 1986: `b3.calendar.known_sessions` takes these years from B3's files.
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    import pandas as pd

SAO_PAULO = ZoneInfo("America/Sao_Paulo")
FIRST_YEAR = 1986
# Beyond it nobody knows B3's holidays, and pandas soon has no dates.
LAST_YEAR = 2100
# From this year on the calendar has B3's sessions, no more and no less.
CALENDAR_IS_SURE_FROM = 2000
REBALANCE_MONTHS = (1, 5, 9)
_BLOCK = 5


@lru_cache(maxsize=16)
def _block(first_year: int) -> pd.DatetimeIndex:
    # Imported here: it costs most of a second, which DAG parsing must not pay.
    from exchange_calendars.exchange_calendar_bvmf import BVMFExchangeCalendar

    calendar = BVMFExchangeCalendar(start=f"{first_year}-01-01", end=f"{first_year + _BLOCK - 1}-12-31")
    return calendar.sessions


def sessions(first: dt.date, last: dt.date) -> list[dt.date]:
    """Return every trade date from `first` to `last`, both included, in order; before 2000 some were none.

    Raises:
        ValueError: `first` lies before 1986, where B3's historical quotes begin, or `last` after 2100.
    """
    if first.year < FIRST_YEAR:
        raise ValueError(f"B3's historical quotes begin in {FIRST_YEAR}; asked for sessions from {first}")
    return _between(first, last)


def _between(first: dt.date, last: dt.date) -> list[dt.date]:
    if last.year > LAST_YEAR:
        raise ValueError(f"the calendar of B3's sessions ends in {LAST_YEAR}; asked for sessions up to {last}")
    found: list[dt.date] = []
    for year in range(first.year - first.year % _BLOCK, last.year + 1, _BLOCK):
        days = _block(year)
        start, stop = days.searchsorted([str(first), str(last)])
        stop += stop < len(days) and days[stop].date() == last
        found.extend(day.date() for day in days[start:stop])
    return found


def is_session(date: dt.date) -> bool:
    """Return whether B3 held a trading session on `date`; before 2000, whether the calendar has one."""
    return bool(sessions(date, date))


def previous_session(date: dt.date) -> dt.date:
    """Return the calendar's last session before `date`, whether or not `date` is one itself.

    Raises:
        ValueError: `date` lies before 1986. The session before the first of 1986 is one of 1985.
    """
    if date.year < FIRST_YEAR:
        raise ValueError(f"B3's historical quotes begin in {FIRST_YEAR}; asked for the session before {date}")
    return _between(date - dt.timedelta(days=14), date - dt.timedelta(days=1))[-1]


def next_session(date: dt.date) -> dt.date:
    """Return the calendar's first session after `date`, whether or not `date` is one itself."""
    return sessions(date + dt.timedelta(days=1), date + dt.timedelta(days=14))[0]


def last_rebalance(date: dt.date) -> dt.date:
    """Return the first session of the index portfolios in force on `date`.

    B3's indexes change portfolios on the first Monday of January, May and September, or on the session after it
    where that is closed. On a `date` without a session it is as on the session before.

    Raises:
        ValueError: `date` lies before 1986.
    """
    if date.year < FIRST_YEAR:
        raise ValueError(f"B3's historical quotes begin in {FIRST_YEAR}; asked for the rebalance before {date}")
    rebalances = (_rebalance(year, month) for year in (date.year - 1, date.year) for month in REBALANCE_MONTHS)
    return max(day for day in rebalances if day <= date)


def _rebalance(year: int, month: int) -> dt.date:
    first = dt.date(year, month, 1)
    monday = first + dt.timedelta(days=-first.weekday() % 7)
    return _between(monday, monday + dt.timedelta(days=14))[0]


def day_of(instant: dt.datetime) -> dt.date:
    """Return the day that a logical date names.

    Midnight UTC names its calendar day: `airflow dags test b3_daily 2020-04-30`, `airflow backfill` and date pickers
    give it so. Any other instant is read in São Paulo.
    """
    instant = instant.astimezone(dt.UTC)
    if instant.time() == dt.time():
        return instant.date()
    return instant.astimezone(SAO_PAULO).date()
