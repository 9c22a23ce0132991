"""Choose the file in landing/ from which a session's quotes are read: the one that was fetched last.

Up to three files in landing/ hold a session: the daily one, the month's and the year's. B3 corrects any of them. So the
file that was fetched last holds B3's newest version of the session. `upload` chooses when it reads the file.
"""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from b3.calendar import known_sessions
from b3.errors import NotPublished
from b3.lake import layout
from b3.lake.commit import heads, keys_below
from b3.lake.landed import FETCHED_AT, LandedFile, find, landed_file, with_fetch_time
from b3.lake.layout import Lake

# Metadata of a file of several sessions: its last session.
LAST_SESSION = "last-session"

# The metadata of landed files, by B3's file name.
_Metadata = Mapping[str, dict[str, str]]


class LongerFile(NamedTuple):
    """A file of several sessions, and the days that its name covers."""

    name: str
    first: dt.date
    last: dt.date


def month_file(trade_date: dt.date) -> LongerFile:
    """Return the file of a session's month."""
    last = calendar.monthrange(trade_date.year, trade_date.month)[1]
    first, last_day = trade_date.replace(day=1), trade_date.replace(day=last)
    return LongerFile(layout.monthly_quotes_file(trade_date), first, last_day)


def year_file(year: int) -> LongerFile:
    """Return the file of a year."""
    return LongerFile(layout.annual_quotes_file(year), dt.date(year, 1, 1), dt.date(year, 12, 31))


def file_names(trade_date: dt.date) -> tuple[str, str, str]:
    """Return B3's names of the files that may hold a session: the day's, the month's, the year's."""
    return (
        layout.daily_quotes_file(trade_date),
        month_file(trade_date).name,
        year_file(trade_date.year).name,
    )


def newest_first(s3: Any, lake: Lake, trade_date: dt.date) -> list[LandedFile]:
    """Return the files in landing/ that hold a session, the last fetched first.

    A file's fetch time is the time when its bytes were first fetched. Fetching the same bytes again does not make them
    newer. If two files were fetched in the same second, the one of fewer sessions comes first.
    """
    return _newest_first(lake, trade_date, _metadata(s3, lake, file_names(trade_date)))


def newest_of_each(s3: Any, lake: Lake, trade_dates: Iterable[dt.date]) -> dict[dt.date, LandedFile]:
    """Return the last fetched file of each session. Sessions without a file in landing/ are left out.

    One listing finds the files; then there is one HEAD request per file, and not per session.
    """
    wanted = {trade_date: file_names(trade_date) for trade_date in trade_dates}
    listed = {key.rpartition("/")[2] for key in keys_below(s3, lake, layout.LANDING_QUOTES_PREFIX)}
    metadata = _metadata(s3, lake, listed & {name for names in wanted.values() for name in names})
    found = {trade_date: _newest_first(lake, trade_date, metadata) for trade_date in wanted}
    return {trade_date: files[0] for trade_date, files in found.items() if files}


def _metadata(s3: Any, lake: Lake, names: Iterable[str]) -> _Metadata:
    """Return the metadata of the files that are in landing/, by name."""
    answers = heads(s3, lake, map(layout.landing_quotes_key, names))
    return {key.rpartition("/")[2]: with_fetch_time(answer) for key, answer in answers.items()}


def _newest_first(lake: Lake, trade_date: dt.date, metadata: _Metadata) -> list[LandedFile]:
    daily, *longer_files = file_names(trade_date)
    holding = [name for name in longer_files if name in metadata and _holds(metadata[name], trade_date)]
    found = ([daily] if daily in metadata else []) + holding
    # Sorting keeps the order of equal times.
    ordered = sorted(found, key=lambda name: metadata[name][FETCHED_AT], reverse=True)
    return [landed_file(lake, layout.landing_quotes_key(name), metadata[name]) for name in ordered]


def landed(s3: Any, lake: Lake, trade_date: dt.date) -> list[LandedFile]:
    """Return the files of `newest_first`, one at least.

    Raises:
        NotPublished: no file in landing/ holds the session.
    """
    found = newest_first(s3, lake, trade_date)
    if not found:
        raise _not_landed(lake, layout.daily_quotes_file(trade_date), f"a file that holds {trade_date}")
    return found


def landed_year(s3: Any, lake: Lake, year: int) -> LandedFile:
    """Return the file of a year in landing/.

    Raises:
        NotPublished: there is none.
    """
    name = year_file(year).name
    found = find(s3, lake, layout.landing_quotes_key(name))
    if found is None:
        raise _not_landed(lake, name, f"B3's file of {year}")
    return found


def _not_landed(lake: Lake, name: str, expected: str) -> NotPublished:
    return NotPublished(
        source=lake.uri(layout.landing_quotes_key(name)),
        expected=f"{expected} in landing/",
        found="no object",
        hint="Run scrape again.",
    )


def reaches(metadata: Mapping[str, str], trade_date: dt.date) -> bool:
    """Return whether a file of several sessions ends on `trade_date` or later."""
    return metadata.get(LAST_SESSION, "") >= trade_date.isoformat()


def _holds(metadata: dict[str, str], trade_date: dt.date) -> bool:
    """Return whether a file of several sessions has `trade_date`; without a list of sessions, whether it reaches it."""
    days = known_sessions.listed(metadata, trade_date.year)
    return reaches(metadata, trade_date) if days is None else trade_date in days
