"""Hours of a market that never closes, and the trade date that an hour belongs to.

The trade date is the UTC day. The providers' own days begin at 00:00 UTC, and a UTC day has 1,440 minutes on every
date. A day of São Paulo would have 1,380 or 1,500 at a change of daylight saving time, which Brazil had until 2019.
"""

from __future__ import annotations

import datetime as dt

HOUR = dt.timedelta(hours=1)
MINUTES = 60
# The most that one manual run takes: a week.
MOST_HOURS = 168
# A minute that a provider did not send at first is asked for again during this time.
MINUTES_ASKED_AGAIN = dt.timedelta(hours=24)
# An hour that is missing whole is asked for during this one: longer than a weekend, and than a provider bans.
HOURS_ASKED_AGAIN = dt.timedelta(hours=96)
_FORMAT = "%Y-%m-%dT%H"


def parse(text: str) -> dt.datetime:
    """Return the hour written as `2026-10-31T13`, in UTC.

    Raises:
        ValueError: it is written otherwise.
    """
    return dt.datetime.strptime(text, _FORMAT).replace(tzinfo=dt.UTC)


def written(hour: dt.datetime) -> str:
    """Return an hour as `2026-10-31T13`."""
    return hour.astimezone(dt.UTC).strftime(_FORMAT)


def begin_of(instant: dt.datetime) -> dt.datetime:
    """Return the beginning of the hour that an instant lies in, in UTC."""
    return instant.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)


def trade_date(hour: dt.datetime) -> dt.date:
    """Return the trade date of an hour: its day in UTC."""
    return hour.astimezone(dt.UTC).date()


def minutes_of(hour: dt.datetime) -> list[dt.datetime]:
    """Return the sixty minutes of an hour, as the tables have them: in UTC, without a time zone."""
    first = begin_of(hour).replace(tzinfo=None)
    return [first + dt.timedelta(minutes=number) for number in range(MINUTES)]


def of_day(date: dt.date) -> list[dt.datetime]:
    """Return the beginnings of the hours of a trade date."""
    first = dt.datetime.combine(date, dt.time(), dt.UTC)
    return [first + number * HOUR for number in range(24)]
