"""Whether to wait for a file that B3 has not published yet."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from itertools import groupby

from b3.calendar.sessions import SAO_PAULO
from b3.errors import NotB3Data, NotPublished, SourceError, TransientError

# How long `scrape` waits before it asks B3 again.
POLL = dt.timedelta(minutes=10)


class DeadlineOver(NotPublished):
    """B3 did not publish in time; the message lists every answer."""


@dataclass(frozen=True)
class Answer:
    """What B3 answered when it had no file to give.

    Attributes:
        at: the instant at which it was asked.
        said: the answer, in words.
    """

    at: dt.datetime
    said: str


def record_answer(
    error: SourceError, earlier: list[Answer], trade_date: dt.date, *, until: dt.datetime, at: dt.datetime
) -> list[Answer]:
    """Add B3's answer to the earlier ones; raise if waiting is over or would not help.

    A 404, an empty answer, a web page and a B3 that fails to answer are worth waiting for, from the session's day
    until the deadline. Any other answer is broken, and waiting does not mend it.

    Args:
        error: the error that asking B3 ended in.
        earlier: B3's earlier answers, in order.
        trade_date: the session.
        until: the deadline.
        at: the instant at which B3 was asked.

    Returns:
        All answers so far, in order.

    Raises:
        DeadlineOver: the deadline has passed; the message lists every answer with its time.
        SourceError: `error` itself, if waiting does not help, or the session is too old or in the future.
    """
    answers = [*earlier, Answer(at, error.found)]
    if not isinstance(error, NotPublished | NotB3Data | TransientError):
        if earlier:
            error.add_note(f"before that, B3 had no file to give: {_listed(earlier)}")
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
        found=_listed(answers),
        hint="Clear the task once B3 gives the file: see whether it announces a delay.",
    ) from error


def _listed(answers: list[Answer]) -> str:
    """Return the answers in words; equal ones in a row are listed once, with all their times."""
    grouped = groupby(answers, key=lambda answer: answer.said)
    return "; ".join(f"{said} at {', '.join(_clock(answer.at) for answer in group)}" for said, group in grouped)


def _clock(instant: dt.datetime) -> str:
    return f"{instant.astimezone(SAO_PAULO):%Y-%m-%d %H:%M}"
