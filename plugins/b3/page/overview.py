"""The lake at a glance: its span and size, its latest report, and the sessions of some years."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass
from typing import Any

from b3.calendar import known_sessions, publication
from b3.calendar.sessions import CALENDAR_IS_SURE_FROM, sessions
from b3.lake import layout
from b3.lake.commit import head
from b3.lake.layout import Lake
from b3.page.listing import Sessions, list_further
from b3.page.states import Session, sessions_of

# Years on a page.
_YEARS = 3


@dataclass(frozen=True)
class Year:
    """A year of the calendar.

    Attributes:
        number: such as 2024.
        sessions: in order.
    """

    number: int
    sessions: list[Session]

    def count(self, state: str) -> int:
        """Return the number of sessions in a state."""
        return sum(each.state == state for each in self.sessions)


@dataclass(frozen=True)
class Overview:
    """The lake as it was at one instant.

    Attributes:
        uri: of the lake.
        taken_at: when it was listed, in UTC.
        dates: the sessions with quotes, in order.
        size: bytes of all quotes, raw and refined.
        rows: number of quotes of the last session; empty if its object does not say.
        source: where they come from: `b3`, `replay` or `simulated`; empty if the object does not say.
        behind: number of sessions after the last one whose files B3 has published.
        reports: the sessions with a report, in order.
        per_year: number of sessions with quotes, for each year from the first session's to the present.
        years: the years to show, the latest first.
    """

    uri: str
    taken_at: dt.datetime
    dates: list[dt.date]
    size: int
    rows: str
    source: str
    behind: int
    reports: list[dt.date]
    per_year: dict[int, int]
    years: list[Year]


def take(s3: Any, lake: Lake, found: Sessions, year: int | None, now: dt.datetime) -> Overview:
    """List what else there is of some years, and return the lake's overview.

    Args:
        s3: a boto3 S3 client.
        lake: the lake.
        found: its sessions, see `b3.page.listing.list_sessions`.
        year: the latest year to show, by default that of the last session.
        now: the present instant.

    Raises:
        botocore.exceptions.ClientError: S3 refuses a request.
    """
    dates, last_published = found.dates, publication.last_published(now)
    if not dates:
        return Overview(lake.uri(""), found.listed_at, [], 0, "", "", 0, sorted(found.reports), {}, [])
    of_year = Counter(date.year for date in dates)
    numbers = range(dates[0].year, max(dates[-1], last_published).year + 1)
    newest = min(max(year or dates[-1].year, numbers[0]), numbers[-1])
    shown = [number for number in range(newest, newest - _YEARS, -1) if number in numbers]
    further = list_further(s3, lake, shown, found)
    metadata = _metadata_of_last(s3, lake, found)
    return Overview(
        uri=lake.uri(""),
        taken_at=found.listed_at,
        dates=dates,
        size=found.size,
        rows=metadata.get("rows", ""),
        source=metadata.get("source", ""),
        behind=_published_since(dates[-1], last_published),
        reports=sorted(found.reports),
        per_year={number: of_year[number] for number in numbers},
        years=[
            Year(number, sessions_of(number, _expected(s3, lake, number, found), found, further, last_published))
            for number in shown
        ],
    )


def _expected(s3: Any, lake: Lake, year: int, found: Sessions) -> list[dt.date]:
    """Return the sessions that B3 held in a year. If only B3 knows them, return those that the lake has."""
    if year >= CALENDAR_IS_SURE_FROM:
        return sessions(dt.date(year, 1, 1), dt.date(year, 12, 31))
    known = known_sessions.sessions_of_year(s3, lake, year)
    return known if known is not None else [date for date in found.dates if date.year == year]


def _published_since(last: dt.date, last_published: dt.date) -> int:
    return len(sessions(last + dt.timedelta(days=1), last_published)) if last < last_published else 0


def _metadata_of_last(s3: Any, lake: Lake, found: Sessions) -> dict[str, str]:
    last = found.dates[-1]
    key_of = layout.raw_quotes_key if last in found.raw else layout.refined_quotes_key
    return (head(s3, lake, key_of(last)) or {}).get("Metadata", {})
