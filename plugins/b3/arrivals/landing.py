"""From inbox/ to landing/quotes/, with every record checked; what is no COTAHIST file to landing/rejected/."""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import tempfile
from dataclasses import dataclass
from typing import IO, Any, BinaryIO

from b3.arrivals import inbox, period
from b3.arrivals.inbox import Arrival
from b3.calendar import known_sessions
from b3.errors import NoRecords, Outdated, SourceError, is_of_the_machine, printable, reading
from b3.lake import layout
from b3.lake.commit import head, put, until_committed
from b3.lake.landed import FETCHED_AT, keep, metadata_of
from b3.lake.layout import Lake
from b3.quotes import cotahist
from b3.quotes.choose import LongerFile
from b3.quotes.land import check_days, sessions_metadata
from b3.site.hook import Download

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Landed:
    """A file of inbox/ that is in landing/quotes/.

    Attributes:
        arrival: the file in inbox/.
        uri: the object in landing/.
        period: the days that the file covers.
        days: its trade dates, in order.
        sha256: sha256 of its bytes.
        fetched_at: time when its bytes first came, ISO 8601, UTC.
    """

    arrival: Arrival
    uri: str
    period: LongerFile
    days: list[dt.date]
    sha256: str
    fetched_at: str


@dataclass(frozen=True)
class Rejected:
    """A file of inbox/ that is in landing/rejected/.

    Attributes:
        arrival: the file in inbox/.
        uri: the object in landing/rejected/.
        reason: what was expected, what was found, and what to do.
    """

    arrival: Arrival
    uri: str
    reason: str


def land(s3: Any, lake: Lake, arrival: Arrival, source: str) -> Landed | Rejected:
    """Bring a file of inbox/ to landing/, and leave it in inbox/.

    Equal bytes leave the object in landing/ as it is; other bytes, such as a correction, become a new version. Done
    again after a crash, it leaves the same objects.

    Args:
        s3: a boto3 S3 client.
        lake: the lake.
        arrival: the file.
        source: label of the data in the lake, such as `b3`.

    Raises:
        Overtaken: the object was replaced or removed since it was listed.
        Unreadable: this machine lacks disk or memory; the file may be good.
    """
    with tempfile.TemporaryFile() as file:
        download = inbox.fetch(s3, lake, arrival, file, source)
        try:
            covered, summary = _check(s3, lake, arrival.name, file, download.url)
        except SourceError as error:
            if is_of_the_machine(error.__cause__):
                raise
            return _reject(s3, lake, arrival, file, download, error)
        more = {} if period.is_day(covered) else sessions_metadata(summary)
        key = layout.landing_quotes_key(covered.name)
        landed = keep(s3, lake, key, file, download, **more)
        if landed.sha256 != download.sha256:
            return _reject(s3, lake, arrival, file, download, _outdated(download, landed.uri))
    fetched_at = (metadata_of(s3, lake, key) or {})[FETCHED_AT]
    return Landed(arrival, landed.uri, covered, list(summary.records_by_date), landed.sha256, fetched_at)


def _check(s3: Any, lake: Lake, name: str, file: BinaryIO, url: str) -> tuple[LongerFile, cotahist.Summary]:
    """Return the days that a file covers and its summary; raise SourceError if it is not a whole file of sessions."""
    named = period.of_name(name)
    day = named.first if named and period.is_day(named) else None
    with reading(url):
        summary = cotahist.verify(file, day, name=url)
    if not summary.records_by_date:
        raise NoRecords(
            source=url,
            expected="the quotes of a session at least",
            found="a header and a trailer without one record between them",
            hint="Put the file into inbox/ once it has records.",
        )
    covered = named or period.of_days(summary.records_by_date, url)
    check_days(summary, covered, url)
    # b3_history compares a year with the calendar, and a year's file decides before 2000.
    if not period.is_year(covered):
        for trade_date in summary.records_by_date:
            known_sessions.check_session(s3, lake, trade_date)
    return covered, summary


def _outdated(download: Download, uri: str) -> Outdated:
    return Outdated(
        source=download.url,
        expected=f"a file that came after the one in {uri}",
        found=f"one that came before it, at {download.fetched_at.isoformat(timespec='seconds')}",
        hint="Nothing is to do if the newer file is right. If this one is, put it into inbox/ again.",
    )


def _reject(s3: Any, lake: Lake, arrival: Arrival, file: IO[bytes], download: Download, error: SourceError) -> Rejected:
    """Put a file into landing/rejected/, with the reason beside it."""
    key = layout.rejected_key(download.sha256, arrival.name)
    kept = keep(s3, lake, key, file, download)
    reason = f"{type(error).__name__}: {error}"
    beside = layout.rejection_reason_key(key)
    body = f"{printable(reason)}\n".encode()
    # As every object of landing/ has it: b3_verify compares bytes and sha256.
    origin = {**kept.metadata(), "source-sha256": hashlib.sha256(body).hexdigest()}

    def write() -> None:
        put(s3, lake, beside, body, origin, head(s3, lake, beside), "text/plain; charset=utf-8")

    until_committed(write, lake.uri(beside))
    log.warning("%s is rejected: %s", lake.uri(arrival.key), reason)
    return Rejected(arrival, kept.uri, reason)
