"""When B3 publishes a session's files, how long to wait for them, and the present time.

As observed, B3 publishes a session's file from 19:54 to 22:11, São Paulo. The files of the month and the year follow by
22:44. What a run does with a late file is in `b3.quotes.late_files`.
"""

from __future__ import annotations

import datetime as dt

from b3.calendar import sessions
from b3.calendar.sessions import SAO_PAULO

PUBLISHED_AT = dt.time(22, 30)
ALL_PUBLISHED_AT = dt.time(22, 45)
DEADLINE_HOURS = 36
# Less than b3_daily's dagrun_timeout.
LONGEST_DEADLINE_HOURS = 38


def now() -> dt.datetime:
    """Return the present instant, in UTC. All decisions take the time from here."""
    return dt.datetime.now(dt.UTC)


def due(trade_date: dt.date, at: dt.time = PUBLISHED_AT) -> dt.datetime:
    """Return the instant by which B3 has usually published the files of a session.

    Args:
        trade_date: the session.
        at: the time of that day, São Paulo.
    """
    return dt.datetime.combine(trade_date, at, SAO_PAULO)


def last_published(now: dt.datetime) -> dt.date:
    """Return the last session whose files B3 has usually all published at the instant `now`."""
    today = now.astimezone(SAO_PAULO).date()
    last = sessions.previous_session(today + dt.timedelta(days=1))
    return last if due(last, ALL_PUBLISHED_AT) <= now else sessions.previous_session(last)


def deadline(trade_date: dt.date, hours: float = DEADLINE_HOURS) -> dt.datetime:
    """Return the instant at which `scrape` stops waiting for the files of a session.

    Args:
        trade_date: the session.
        hours: hours from the beginning of that day, São Paulo; 36 is noon of the day after.
    """
    return dt.datetime.combine(trade_date, dt.time(), SAO_PAULO) + dt.timedelta(hours=hours)
