"""When B3 publishes a session's files, and how long to wait for them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from itertools import groupby

from b3.calendar import sessions
from b3.calendar.sessions import SAO_PAULO
from b3.errors import NotB3Data, NotPublished, SourceError, TransientError

# B3 publishes a session's file from 19:54 to 22:11, São Paulo; those of the month and the year up to 22:44.
PUBLISHED_AT = dt.time(22, 30)
ALL_PUBLISHED_AT = dt.time(22, 45)
DEADLINE_HOURS = 36
# Within what a run may take, see b3_daily's dagrun_timeout.
LONGEST_DEADLINE_HOURS = 38
POLL = dt.timedelta(minutes=10)


class DeadlineOver(NotPublished):
    """B3 did not publish in time; the message tells every answer."""


def now() -> dt.datetime:
    """The present, in UTC: the only reading of the clock that decides anything."""
    return dt.datetime.now(dt.UTC)


def due(trade_date: dt.date, at: dt.time = PUBLISHED_AT) -> dt.datetime:
    """When the files of a session are there as a rule.

    Args:
        trade_date: the session.
        at: the time of that day, São Paulo.
    """
    return dt.datetime.combine(trade_date, at, SAO_PAULO)


def last_published(now: dt.datetime) -> dt.date:
    """Return the last session whose files are all there at the instant `now`, as a rule."""
    today = now.astimezone(SAO_PAULO).date()
    last = sessions.previous_session(today + dt.timedelta(days=1))
    return last if due(last, ALL_PUBLISHED_AT) <= now else sessions.previous_session(last)


def deadline(trade_date: dt.date, hours: float = DEADLINE_HOURS) -> dt.datetime:
    """When to stop waiting for the files of a session.

    Args:
        trade_date: the session.
        hours: by São Paulo's clock, from the beginning of that day on: 36 is noon of the day after.
    """
    return dt.datetime.combine(trade_date, dt.time(), SAO_PAULO) + dt.timedelta(hours=hours)


@dataclass(frozen=True)
class Answer:
    """What B3 answered when it was asked for a file that was not there."""

    at: dt.datetime
    said: str


def wait(
    error: SourceError, earlier: list[Answer], trade_date: dt.date, *, until: dt.datetime, at: dt.datetime
) -> list[Answer]:
    """Whether to ask B3 again: all its answers so far if so, an exception if not.

    Not published, as B3 says by a 404, by no byte or by a web page, is worth waiting for from the session's day until
    the deadline, and so is a B3 that fails to answer. Anything else is broken, and waiting mends nothing.

    Args:
        error: what came of asking B3.
        earlier: its answers before, in order.
        trade_date: the session.
        until: the deadline.
        at: when it was asked.

    Raises:
        DeadlineOver: it has passed while the file was waited for; the error tells every answer, and when it came.
        SourceError: `error` itself, where it is not one to wait for, or the session is too old or yet to come.
    """
    answers = [*earlier, Answer(at, error.found)]
    if not isinstance(error, NotPublished | NotB3Data | TransientError):
        if earlier:
            error.add_note(f"before that, B3 had no file to give: {_told(earlier)}")
        raise error
    if at.astimezone(SAO_PAULO).date() < trade_date:
        error.add_note(f"the session of {trade_date} is yet to come: run it from the evening of that day on")
        raise error
    if at < until:
        return answers
    if not earlier:
        raise error
    raise DeadlineOver(
        source=error.source,
        expected=f"the file of {trade_date} by {_clock(until)}, São Paulo",
        found=_told(answers),
        hint="Clear the task once B3 gives the file: see whether it announces a delay.",
    ) from error


def _told(answers: list[Answer]) -> str:
    runs = groupby(answers, key=lambda answer: answer.said)
    return "; ".join(f"{said} at {', '.join(_clock(answer.at) for answer in run)}" for said, run in runs)


def _clock(instant: dt.datetime) -> str:
    return f"{instant.astimezone(SAO_PAULO):%Y-%m-%d %H:%M}"
