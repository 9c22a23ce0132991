"""Which of the files in landing/ a session's quotes come from: the file whose bytes B3 sent last.

A session may lie in landing/ in three files: its daily one, the month's and the year's. B3 corrects any of them. So the
file that was fetched last holds the session as B3 knows it now. `upload` decides this, when it reads the file.
"""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from b3.calendar import known_sessions
from b3.lake import layout
from b3.lake.landed import FETCHED_AT, LandedFile, landed_file, metadata_of
from b3.lake.layout import Lake

# Metadata of a file of several sessions: the last of them.
LAST_SESSION = "last-session"
_READERS = 4

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

    A file's fetch time is when its bytes were fetched first: B3 sending the same bytes again does not make them newer.
    Of two files fetched in the same second the shorter comes first.
    """
    return _newest_first(lake, trade_date, _metadata(s3, lake, file_names(trade_date)))


def newest_of_each(s3: Any, lake: Lake, trade_dates: Iterable[dt.date]) -> dict[dt.date, LandedFile]:
    """Return the last fetched file of each session that landing/ has a file of.

    Files are listed once; only those that exist are asked for their metadata.
    """
    wanted = {trade_date: file_names(trade_date) for trade_date in trade_dates}
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=lake.bucket, Prefix=layout.LANDING_QUOTES_PREFIX)
    listed = {entry["Key"].rpartition("/")[2] for page in pages for entry in page.get("Contents", [])}
    metadata = _metadata(s3, lake, listed & {name for names in wanted.values() for name in names})
    found = {trade_date: _newest_first(lake, trade_date, metadata) for trade_date in wanted}
    return {trade_date: files[0] for trade_date, files in found.items() if files}


def _metadata(s3: Any, lake: Lake, names: Iterable[str]) -> _Metadata:
    """Return the metadata of those files that are in landing/."""
    asked = list(names)
    with ThreadPoolExecutor(_READERS) as pool:
        answers = pool.map(lambda name: metadata_of(s3, lake, layout.landing_quotes_key(name)), asked)
        return {name: answer for name, answer in zip(asked, answers, strict=True) if answer is not None}


def _newest_first(lake: Lake, trade_date: dt.date, metadata: _Metadata) -> list[LandedFile]:
    daily, *longer = file_names(trade_date)
    holding = [name for name in longer if name in metadata and _holds(metadata[name], trade_date)]
    found = ([daily] if daily in metadata else []) + holding
    # Sorting keeps the order of equal times.
    ordered = sorted(found, key=lambda name: metadata[name][FETCHED_AT], reverse=True)
    return [landed_file(lake, layout.landing_quotes_key(name), metadata[name]) for name in ordered]


def reaches(metadata: Mapping[str, str], trade_date: dt.date) -> bool:
    """Return whether a file of several sessions ends with `trade_date` or a later one."""
    return metadata.get(LAST_SESSION, "") >= trade_date.isoformat()


def _holds(metadata: dict[str, str], trade_date: dt.date) -> bool:
    """Return whether a file of several sessions has that one; without a list of them, whether it ends later."""
    days = known_sessions.listed(metadata, trade_date.year)
    return reaches(metadata, trade_date) if days is None else trade_date in days
