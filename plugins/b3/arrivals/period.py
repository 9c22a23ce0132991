"""The days that a file in inbox/ covers: those of its name if that is B3's, else the one day of its records."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection

from b3.calendar.sessions import FIRST_YEAR, LAST_YEAR
from b3.errors import WrongDate
from b3.lake import layout
from b3.quotes.choose import LongerFile, month_file, year_file

_NAME = re.compile(r"COTAHIST_(?:D(\d\d)(\d\d)|M(\d\d)|A)(\d{4})\.(?:ZIP|TXT)", re.IGNORECASE)


def of_name(name: str) -> LongerFile | None:
    """Return the period in a file's name; None if the name is not one that B3 gives."""
    found = _NAME.fullmatch(name)
    if not found:
        return None
    day, month_of_day, month, year = found.groups()
    if not FIRST_YEAR <= int(year) <= LAST_YEAR:
        return None
    try:
        if day:
            return _day_file(dt.date(int(year), int(month_of_day), int(day)))
        return month_file(dt.date(int(year), int(month), 1)) if month else year_file(int(year))
    except ValueError:  # no such day
        return None


def of_days(days: Collection[dt.date], source: str) -> LongerFile:
    """Return the day of a file whose name says none.

    Several days may be an extract, which must not replace a whole month or year in landing/.

    Args:
        days: the trade dates, at least one.
        source: the file's URL, for the message.

    Raises:
        WrongDate: there are several days, or one of a year of which B3 has no file.
    """
    first, last = min(days), max(days)
    if first != last or not FIRST_YEAR <= first.year <= LAST_YEAR:
        raise WrongDate(
            source=source,
            expected=f"one session from {FIRST_YEAR} to {LAST_YEAR}, or B3's name of a whole month or year",
            found=f"{first} to {last}",
            hint=f"If it is B3's whole file, name it as B3 does, such as {month_file(first).name}, and put it into "
            "inbox/ again. Split an extract by session.",
        )
    return _day_file(first)


def is_day(period: LongerFile) -> bool:
    """Return whether a period is one day."""
    return period.first == period.last


def is_year(period: LongerFile) -> bool:
    """Return whether a period is a year."""
    return period.first.month != period.last.month


def _day_file(day: dt.date) -> LongerFile:
    return LongerFile(layout.daily_quotes_file(day), day, day)
