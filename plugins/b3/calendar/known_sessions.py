"""B3's sessions: from 2000 on as in the calendar, before 2000 as in B3's annual files in landing/.

The calendar library is wrong about 1986 to 1999: it has 45 sessions too many, and lacks a Saturday of 1986. B3's annual
file has records of the true sessions. When it lands, its object's metadata lists them. This module reads that metadata:
one HEAD request per year, none from 2000 on. Without such metadata a year is unknown: its file is not in landing/, or a
person put it there. Then any Monday to Saturday may be a session, and only B3 knows.
"""

from __future__ import annotations

import calendar
import datetime as dt
import logging
import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, NamedTuple

from b3.calendar import sessions
from b3.calendar.sessions import CALENDAR_IS_SURE_FROM, FIRST_YEAR
from b3.errors import ClosedDay
from b3.lake.commit import head
from b3.lake.layout import Lake, annual_quotes_file, daily_quotes_file, landing_quotes_key

log = logging.getLogger(__name__)

# Metadata of a monthly or annual file: the days that have records. S3 takes 2 KB of metadata, so a day is one bit.
SESSION_DAYS = "session-days"
_BITMAP = re.compile(r"[0-9a-f]{1,92}")
_DAY = dt.timedelta(days=1)
# B3 was never closed for so long. So a file that ends within this time before the year's end has the last session.
_LONGEST_CLOSURE = dt.timedelta(days=10)


class _Year(NamedTuple):
    """The sessions of an annual file, in order, and the last day that the file covers."""

    days: list[dt.date]
    until: dt.date

    @classmethod
    def of(cls, days: list[dt.date]) -> _Year:
        """Return the year. A file that ends before the calendar's last session may lack later sessions."""
        end = dt.date(days[0].year, 12, 31)
        return cls(days, end if days[-1] >= sessions.previous_session(end + _DAY) else days[-1])


# Returns the known sessions of a year before 2000, None if they are unknown.
_Lookup = Callable[[int], _Year | None]


def encode(days: Iterable[dt.date]) -> str:
    """Return days of one year as a bitmap in hexadecimal digits; 1 January is the lowest bit."""
    return f"{sum(1 << (day.timetuple().tm_yday - 1) for day in set(days)):x}"


def decode(text: str, year: int) -> list[dt.date]:
    """Return the days in a bitmap of `encode`, in order.

    Raises:
        ValueError: `text` is no bitmap of that year.
    """
    length = 365 + calendar.isleap(year)
    if not _BITMAP.fullmatch(text) or int(text, 16) >> length:
        raise ValueError(f"expected a bitmap of {length} days in hexadecimal digits, found {text!r}")
    bits, first = int(text, 16), dt.date(year, 1, 1)
    return [first + number * _DAY for number in range(length) if bits >> number & 1]


def listed(metadata: dict[str, str], year: int) -> list[dt.date] | None:
    """Return the sessions that a file's metadata lists, in order; None without a readable list."""
    text = metadata.get(SESSION_DAYS)
    if text is None:
        return None
    try:
        return decode(text, year)
    except ValueError as error:
        log.warning("metadata %s of a file of %d is ignored: %s", SESSION_DAYS, year, error)
        return None


def sessions_of_year(s3: Any, lake: Lake, year: int) -> list[dt.date] | None:
    """Return the sessions in B3's annual file in landing/; None if unknown, and always None from 2000 on."""
    if not FIRST_YEAR <= year < CALENDAR_IS_SURE_FROM:
        return None
    annual_file = head(s3, lake, landing_quotes_key(annual_quotes_file(year)))
    return (listed(annual_file["Metadata"], year) or None) if annual_file else None


def is_session(s3: Any, lake: Lake, date: dt.date) -> bool:
    """Return whether `date` is a session; in an unknown year, whether it may be one.

    Raises:
        ValueError: `date` lies before 1986 or after 2100.
    """
    return _is_session(_lookup(s3, lake), date)


def previous_session(s3: Any, lake: Lake, date: dt.date) -> dt.date:
    """Return the last session before `date`; in an unknown year, the calendar's.

    Raises:
        ValueError: `date` lies before 1986. The session before the first of 1986 is one of 1985.
    """
    return _previous(_lookup(s3, lake), date)


def check_session(s3: Any, lake: Lake, trade_date: dt.date) -> None:
    """Raise ClosedDay, which names the sessions around it, if `trade_date` is known to be no session."""
    _check(_lookup(s3, lake), trade_date)


def check_possible(trade_date: dt.date) -> None:
    """Raise ClosedDay, as `check_session` does, if `trade_date` cannot be a session; do not ask the lake."""
    _check(lambda year: None, trade_date)


def closed_day(s3: Any, lake: Lake, trade_date: dt.date, days: Iterable[dt.date]) -> ClosedDay:
    """Return the error for a day before 2000 that B3's annual file lacks. `days` are the sessions of that file."""
    year, lookup = _Year.of(sorted(days)), _lookup(s3, lake)
    year = year._replace(until=max(year.until, trade_date))
    return _closed(lambda number: year if number == trade_date.year else lookup(number), trade_date)


def _lookup(s3: Any, lake: Lake) -> _Lookup:
    """Return a lookup that asks S3 once per year."""

    @cache
    def look(number: int) -> _Year | None:
        days = sessions_of_year(s3, lake, number)
        return _Year.of(days) if days else None

    return look


def _is_session(known: _Lookup, date: dt.date) -> bool:
    if not _is_unsure(date):
        return sessions.is_session(date)
    year = known(date.year)
    if year is None or date > year.until:
        return date.weekday() != calendar.SUNDAY
    return date in year.days


def _is_unsure(date: dt.date) -> bool:
    return FIRST_YEAR <= date.year < CALENDAR_IS_SURE_FROM


def _previous(known: _Lookup, date: dt.date) -> dt.date:
    if not _is_unsure(date):
        return sessions.previous_session(date)
    year = known(date.year)
    found = [day for day in year.days if day < date] if year else []
    if year is None or date - _DAY > year.until:
        # Only the calendar covers the last days before `date`.
        found.append(max([sessions.previous_session(date), *found]))
    if found and found[-1].year == date.year:
        return found[-1]
    return _last(known, date.year - 1)


def _last(known: _Lookup, number: int) -> dt.date:
    """Return the last session of a year."""
    end, year = dt.date(number, 12, 31), known(number)
    if year and end - year.days[-1] < _LONGEST_CLOSURE:
        return year.days[-1]
    return sessions.previous_session(end + _DAY)


def _following(known: _Lookup, date: dt.date) -> dt.date:
    year = known(date.year)
    if year is None or date > year.until:
        return sessions.next_session(date)
    found = next((day for day in year.days if day > date), None)
    if found:
        return found
    after = known(date.year + 1) if year.until == dt.date(date.year, 12, 31) else None
    return after.days[0] if after else sessions.next_session(year.until)


def _check(known: _Lookup, trade_date: dt.date) -> None:
    if not _is_session(known, trade_date):
        raise _closed(known, trade_date)


def _closed(known: _Lookup, trade_date: dt.date) -> ClosedDay:
    year, previous = known(trade_date.year), _previous(known, trade_date)
    return ClosedDay(
        source=daily_quotes_file(trade_date),
        trade_date=trade_date,
        previous=previous if previous.year >= FIRST_YEAR else None,
        following=_following(known, trade_date),
        without_record=annual_quotes_file(trade_date.year) if year and trade_date <= year.until else None,
    )
