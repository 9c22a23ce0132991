"""The state of each session of a year: complete, partial with its reasons, or missing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from b3.page.listing import Further, Sessions


class State(StrEnum):
    """What the lake has of a session."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    MISSING = "missing"
    # The lake begins later.
    BEFORE = "before"
    # B3 has not published its files yet.
    AHEAD = "ahead"


class Reason(StrEnum):
    """Why a session is partial. `b3.verify.refined` says the same of single objects, after reading them."""

    NO_RAW = "no_raw"
    NOT_REFINED = "not_refined"
    STALE = "stale"
    NO_FINDINGS = "no_findings"
    NO_CONSTITUENTS = "no_constituents"


@dataclass(frozen=True)
class Session:
    """A session of the calendar, and what the lake has of it.

    Attributes:
        trade_date: the session.
        state: what the lake has.
        reasons: why it is partial.
        has_report: whether there is a report to open.
    """

    trade_date: dt.date
    state: State
    reasons: tuple[Reason, ...] = ()
    has_report: bool = False


def sessions_of(
    year: int, expected: list[dt.date], sessions: Sessions, further: Further, last_published: dt.date
) -> list[Session]:
    """Return the sessions of a year, in order: those that B3 held, and any others that the lake has.

    Args:
        year: such as 2024.
        expected: the sessions of B3's calendar in that year.
        sessions: the sessions of the lake.
        further: what else there is of the year's sessions.
        last_published: the last session whose files B3 has usually published.
    """
    held = sessions.dates
    dates = sorted({*expected, *(date for date in held if date.year == year)})
    begins = held[0] if held else dt.date.max
    return [_session(date, sessions, further, begins, last_published) for date in dates]


def _session(date: dt.date, sessions: Sessions, further: Further, begins: dt.date, last_published: dt.date) -> Session:
    has_report = date in sessions.reports
    if date in sessions.raw or date in sessions.refined:
        reasons = tuple(_reasons(date, sessions, further))
        return Session(date, State.PARTIAL if reasons else State.COMPLETE, reasons, has_report)
    if date > last_published:
        return Session(date, State.AHEAD, (), has_report)
    return Session(date, State.BEFORE if date < begins else State.MISSING, (), has_report)


def _reasons(date: dt.date, sessions: Sessions, further: Further) -> Iterator[Reason]:
    if date not in sessions.raw:
        yield Reason.NO_RAW
    elif date not in sessions.refined:
        yield Reason.NOT_REFINED
    else:
        if date in further.stale:
            yield Reason.STALE
        if date not in further.findings:
            yield Reason.NO_FINDINGS
        if date in further.portfolios and date not in further.constituents:
            yield Reason.NO_CONSTITUENTS
