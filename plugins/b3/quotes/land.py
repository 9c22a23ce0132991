"""From B3 to landing/quotes/: COTAHIST files, checked, and kept as sent."""

from __future__ import annotations

import datetime as dt
import logging
import tempfile
from typing import TYPE_CHECKING, Any

from b3.calendar import known_sessions, sessions
from b3.calendar.known_sessions import SESSION_DAYS
from b3.errors import NoRecords, NotB3Data, NotPublished, NotServed, SourceError, WrongDate
from b3.lake import layout
from b3.lake.commit import etag_of
from b3.lake.landed import (
    LandedFile,
    find,
    is_intact,
    keep,
    keeping_received,
    landed_file,
    metadata_of,
    rejecting,
)
from b3.lake.layout import Lake
from b3.quotes import choose, cotahist
from b3.quotes.choose import LAST_SESSION, LongerFile

if TYPE_CHECKING:
    from b3.site.hook import B3Hook

log = logging.getLogger(__name__)


def capture_quotes(hook: B3Hook, s3: Any, lake: Lake, trade_date: dt.date, *, use_longer: bool = True) -> LandedFile:
    """Bring the COTAHIST file that holds a session to landing/quotes/, with every record checked.

    Ask B3 for the daily file, even if landing/ has it. Equal bytes leave the object as it is; other bytes, such as a
    correction, become a new version. If B3 does not serve the file (404), return a file in landing/ that holds the
    session. If there is none, fetch the file of the month or the year.

    `upload` chooses the file from which it reads the session's quotes, see `b3.quotes.choose`.

    An answer that fails its checks is kept in landing/rejected/, and never under the file's name.

    Args:
        hook: the hook to B3.
        s3: a boto3 S3 client.
        lake: the lake.
        trade_date: the session.
        use_longer: whether the file of the month or the year will do, if there is no daily one.

    Returns:
        The file that was fetched. If none was, the newest file in landing/ that holds the session.

    Raises:
        ClosedDay: B3 held no session on that day. If `known_sessions` knows it, nothing is asked or written. Before
            2000, B3's annual file may have to be fetched to know it.
        SourceError: or a subclass: B3's answer is not the session's file.
    """
    known_sessions.check_session(s3, lake, trade_date)
    name = layout.daily_quotes_file(trade_date)
    key = layout.landing_quotes_key(name)
    seen = etag_of(s3, lake, key)
    with tempfile.TemporaryFile() as file:
        try:
            with keeping_received(s3, lake, name):
                download = hook.download_quotes(name, file)
            with rejecting(s3, lake, name, file, download):
                cotahist.verify(file, trade_date, name=download.url)
            return keep(s3, lake, key, file, download, seen=seen)
        # B3 answers in three ways that it has no file: 404, no bytes, a web page.
        except (NotPublished, NotB3Data) as error:
            missing = error
    daily = find(s3, lake, key)
    if (daily is None and not use_longer) or (daily is not None and not isinstance(missing, NotServed)):
        raise missing
    landed = choose.newest_first(s3, lake, trade_date)
    captured = landed[0] if landed else _download_first(hook, s3, lake, trade_date, missing)
    log.warning("B3 has no %s (%s); the session is in %s", name, missing.found, captured.uri)
    return captured


def capture_year(hook: B3Hook, s3: Any, lake: Lake, year: int) -> LandedFile:
    """Bring the COTAHIST file of a year to landing/quotes/, with every record and its date checked.

    A copy in landing/ that has the year's last session is used as it is: B3 does not change closed years, and a file
    has about 70 MB. Before 2000 the copy's metadata must also list its sessions, see `known_sessions`.

    Raises:
        ValueError: the year lies before 1986, where B3's historical quotes begin.
        SourceError: or a subclass: B3's answer is not the file of that year.
    """
    last = sessions.sessions(dt.date(year, 12, 1), dt.date(year, 12, 31))[-1]
    wanted = choose.year_file(year)
    key = layout.landing_quotes_key(wanted.name)
    metadata = metadata_of(s3, lake, key)
    listed = year >= sessions.CALENDAR_IS_SURE_FROM or SESSION_DAYS in (metadata or {})
    if metadata is not None and choose.reaches(metadata, last) and listed:
        landed = landed_file(lake, key, metadata)
        if is_intact(s3, lake, landed):
            log.info("%s is complete; B3 is not asked again", landed.uri)
            return landed
        log.warning("%s is damaged; B3 is asked again", landed.uri)
    landed, _ = _download_longer(hook, s3, lake, wanted)
    return landed


def landed_quotes(s3: Any, lake: Lake, trade_date: dt.date) -> LandedFile:
    """Return the file in landing/ that `upload` reads a session from; B3 is not asked.

    Raises:
        ClosedDay: B3 held no session on that day.
        NotPublished: no file in landing/ holds the session.
    """
    known_sessions.check_session(s3, lake, trade_date)
    return choose.landed(s3, lake, trade_date)[0]


def _download_first(hook: B3Hook, s3: Any, lake: Lake, trade_date: dt.date, missing: SourceError) -> LandedFile:
    """Fetch the file of the month, or else of the year, that holds a session.

    Raises:
        ClosedDay: the day is before 2000, and B3's annual file has no record of it.
        SourceError: `missing`, if neither file holds the session.
    """
    year = choose.year_file(trade_date.year)
    for longer_file in (choose.month_file(trade_date), year):
        try:
            landed, summary = _download_longer(hook, s3, lake, longer_file)
        except (NotPublished, NotB3Data) as error:
            missing.add_note(f"nor is it in {longer_file.name}: {error.found}")
            continue
        if trade_date in summary.records_by_date:
            return landed
        missing.add_note(f"nor is it in {longer_file.name}, which goes up to {max(summary.records_by_date)}")
        if trade_date.year >= sessions.CALENDAR_IS_SURE_FROM:
            break
        # Before 2000, B3's file of the year decides whether there was a session.
        if longer_file == year:
            raise known_sessions.closed_day(s3, lake, trade_date, summary.records_by_date) from missing
    raise missing


def _download_longer(hook: B3Hook, s3: Any, lake: Lake, wanted: LongerFile) -> tuple[LandedFile, cotahist.Summary]:
    key = layout.landing_quotes_key(wanted.name)
    seen = etag_of(s3, lake, key)
    with tempfile.TemporaryFile() as file:
        with keeping_received(s3, lake, wanted.name):
            download = hook.download_quotes(wanted.name, file)
        with rejecting(s3, lake, wanted.name, file, download):
            summary = cotahist.verify(file, None, name=download.url)
            check_days(summary, wanted, download.url)
        return keep(s3, lake, key, file, download, seen=seen, **sessions_metadata(summary)), summary


def check_days(summary: cotahist.Summary, wanted: LongerFile, source: str) -> None:
    """Raise NoRecords or WrongDate unless a file has sessions, and only on days that its name covers."""
    if not summary.records_by_date:
        raise NoRecords(
            source=source,
            expected=f"sessions from {wanted.first} to {wanted.last}",
            found="a header and a trailer without one record between them",
            hint="B3 may not have finished the file: run the task again after the next session.",
        )
    stray = [date for date in summary.records_by_date if not wanted.first <= date <= wanted.last]
    if stray:
        raise WrongDate(
            source=source,
            expected=f"sessions from {wanted.first} to {wanted.last} alone",
            found=f"{stray[0]}",
            hint="Run the task again, later.",
        )


def sessions_metadata(summary: cotahist.Summary) -> dict[str, str]:
    """Return the metadata of a file of several sessions: the last one, and the days that have records."""
    return {
        LAST_SESSION: max(summary.records_by_date).isoformat(),
        SESSION_DAYS: known_sessions.encode(summary.records_by_date),
    }
