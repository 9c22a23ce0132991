"""The sessions of the simulated market: each year has as many as B3 had.

From 2000 on they are the sessions of the calendar library. In 1986–1999 the library has 45 sessions more than B3's
annual files, and lacks a Saturday. The closed days are known only for March 1990; hashes choose the others.
"""

from __future__ import annotations

import datetime as dt
from bisect import insort
from functools import cache

from b3.calendar import sessions as calendar
from local.exchange.market import chance

# Number of sessions in B3's annual files, with the Saturday of 1986.
SESSIONS_A_YEAR = {
    1986: 248,
    1987: 240,
    1988: 246,
    1989: 242,
    1990: 241,
    1991: 247,
    1992: 247,
    1993: 246,
    1994: 245,
    1995: 245,
    1996: 248,
    1997: 249,
    1998: 246,
    1999: 246,
}
# B3's file of 1986 has a Saturday with three rows. Its real date is not known; this date is invented.
SATURDAY = dt.date(1986, 11, 22)
SATURDAY_ROWS = 3
# The market was closed before the currency reform of 16 March 1990.
_KNOWN_CLOSURES = frozenset(dt.date(1990, 3, day) for day in (14, 15, 16))
# Days of a month that may be closures. Rebalances of indexes and the ends of a year are on other days.
_CLOSURES_FROM, _CLOSURES_TO = 11, 28


@cache
def _closures(year: int) -> frozenset[dt.date]:
    """Return the sessions of the calendar in `year` on which the simulated market is closed."""
    if year not in SESSIONS_A_YEAR:
        return frozenset()
    days = calendar.sessions(dt.date(year, 1, 1), dt.date(year, 12, 31))
    known = [day for day in days if day in _KNOWN_CLOSURES]
    possible = [day for day in days if _CLOSURES_FROM <= day.day <= _CLOSURES_TO and day not in known]
    possible.sort(key=lambda day: int(chance.bits(111, day.toordinal())[0]))
    too_many = len(days) - len(known) - (SESSIONS_A_YEAR[year] - (year == SATURDAY.year))
    return frozenset(known + possible[:too_many])


def sessions(first: dt.date, last: dt.date) -> list[dt.date]:
    """Return every session of the simulated market from `first` to `last`, both included, in order.

    Raises:
        ValueError: `first` lies before 1986, or `last` after 2100.
    """
    found = [day for day in calendar.sessions(first, last) if day not in _closures(day.year)]
    if first <= SATURDAY <= last:
        insort(found, SATURDAY)
    return found


def is_session(date: dt.date) -> bool:
    """Return whether the simulated market trades on `date`.

    Raises:
        ValueError: `date` lies before 1986 or after 2100.
    """
    return bool(sessions(date, date))


def previous_session(date: dt.date) -> dt.date:
    """Return the last session before `date`. `date` need not be a session.

    Raises:
        ValueError: `date` lies before 1986. The session before the first of 1986 is one of 1985.
    """
    day = calendar.previous_session(date)
    while day in _closures(day.year):
        day = calendar.previous_session(day)
    return SATURDAY if day < SATURDAY < date else day


def next_session(date: dt.date) -> dt.date:
    """Return the first session after `date`. `date` need not be a session.

    Raises:
        ValueError: `date` lies before the end of 1985, or so late that the next session is after 2100.
    """
    day = calendar.next_session(date)
    while day in _closures(day.year):
        day = calendar.next_session(day)
    return SATURDAY if date < SATURDAY < day else day
