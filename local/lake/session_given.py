"""The session that a person gives a command as DATE=."""

from __future__ import annotations

import datetime as dt

from b3.calendar import known_sessions, sessions


def parse(text: str) -> dt.date:
    """Return the date in a text of YYYY-MM-DD.

    Raises:
        ValueError: there is none; the message says what was expected.
    """
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"expected DATE=YYYY-MM-DD, such as 2024-03-14; found DATE={text}") from None


def check(date: dt.date, now: dt.datetime) -> None:
    """Raise if a date cannot be a session that B3 has held by the instant `now`.

    Raises:
        ClosedDay: B3 was closed on it.
        ValueError: it is yet to come, or lies before 1986.
    """
    today = now.astimezone(sessions.SAO_PAULO).date()
    if date > today:
        raise ValueError(
            f"expected a session of the past, found DATE={date}, which is yet to come: today is {today} in São Paulo"
        )
    known_sessions.check_possible(date)
