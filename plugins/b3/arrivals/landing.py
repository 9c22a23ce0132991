"""From inbox/ to landing/quotes/, with every record checked; what is no COTAHIST file to landing/rejected/."""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import tempfile
import zipfile
from dataclasses import dataclass
from typing import IO, Any, BinaryIO

from b3.arrivals import inbox, period
from b3.arrivals.inbox import Arrival
from b3.calendar import known_sessions, publication
from b3.calendar.sessions import SAO_PAULO
from b3.errors import (
    BadLayout,
    NoRecords,
    Outdated,
    RecordsLost,
    SourceError,
    WrongDate,
    is_of_the_machine,
    printable,
    reading,
)
from b3.lake import layout
from b3.lake.commit import head, put, until_committed
from b3.lake.landed import FETCHED_AT, keep, metadata_of, with_fetch_time
from b3.lake.layout import Lake
from b3.quotes import cotahist
from b3.quotes.choose import LongerFile
from b3.quotes.land import check_days, sessions_metadata
from b3.site.hook import Download

log = logging.getLogger(__name__)

# B3's largest year has about 1 GB of text.
MOST_UNPACKED = 4 << 30
_NAMED_DAYS = 5
# Has the header and some records.
_BEGINNING = 1 << 16
_RIGHT_FILE = "See whether it is the file that was meant, and put the right one into inbox/."


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
        NotB3Data: the file is too large to be fetched.
        Unreadable: this machine lacks disk or memory; the file may be good.
        SourceError: the object in landing/ has no origin.
    """
    with tempfile.TemporaryFile() as file:
        download = inbox.fetch(s3, lake, arrival, file, source)
        try:
            covered, summary = _check(s3, lake, arrival.name, file, download.url)
            days = list(summary.records_by_date)
            key = layout.landing_quotes_key(covered.name)
            former = metadata_of(s3, lake, key) or {}
            before = _landed_before(s3, lake, key, former, download)
            if before is not None:
                return Landed(arrival, lake.uri(key), covered, days, download.sha256, before)
            _check_former(former, days, lake.uri(key), download)
            _check_generated(s3, lake, key, former, summary, download)
        except SourceError as error:
            if is_of_the_machine(error.__cause__):
                raise
            return _reject(s3, lake, arrival, file, download, error)
        more = {} if period.is_day(covered) else sessions_metadata(summary)
        landed = keep(s3, lake, key, file, download, **more)
        if landed.sha256 != download.sha256:
            return _reject(s3, lake, arrival, file, download, _outdated(download, landed.uri))
    fetched_at = (metadata_of(s3, lake, key) or {})[FETCHED_AT]
    return Landed(arrival, landed.uri, covered, days, landed.sha256, fetched_at)


def _landed_before(s3: Any, lake: Lake, key: str, former: dict[str, str], download: Download) -> str | None:
    """Return when these bytes first came, if a newer or equally old object replaced them in landing/ since.

    So does `land` done again, after two files of one day have landed.
    """
    came = download.fetched_at.isoformat(timespec="seconds")
    if former.get("source-sha256") in (None, download.sha256) or former[FETCHED_AT] < came:
        return None
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=lake.bucket, Prefix=key)
    for entry in (entry for page in pages for entry in page.get("Versions", []) if entry["Key"] == key):
        answer = s3.head_object(Bucket=lake.bucket, Key=key, VersionId=entry["VersionId"])
        if answer["Metadata"].get("source-sha256") == download.sha256:
            return with_fetch_time(answer)[FETCHED_AT]
    return None


def _check_former(former: dict[str, str], days: list[dt.date], uri: str, download: Download) -> None:
    """Raise RecordsLost if the landed file of a month or a year has sessions that the new one lacks."""
    gone = sorted(set(known_sessions.listed(former, days[0].year) or []) - set(days))
    if gone and former.get("source-sha256") != download.sha256:
        named = f"{', '.join(map(str, gone[:_NAMED_DAYS]))}{', …' if len(gone) > _NAMED_DAYS else ''}"
        raise RecordsLost(
            source=download.url,
            expected=f"every session of {uri}",
            found=f"{len(gone)} of them gone: {named}",
            hint="An extract must not replace the whole file: split it by session. If B3 did take these sessions back, "
            "delete that object, of which the bucket keeps the version, and put the file into inbox/ again.",
        )


def _check_generated(
    s3: Any, lake: Lake, key: str, former: dict[str, str], summary: cotahist.Summary, download: Download
) -> None:
    """Raise Outdated if B3 generated a file before the one in landing/, by the dates in their headers."""
    if summary.generated is None or former.get("source-sha256") in (None, download.sha256):
        return
    answer = s3.get_object(Bucket=lake.bucket, Key=key, Range=f"bytes=0-{_BEGINNING - 1}")
    try:
        generated = cotahist.read_beginning(answer["Body"].read(), name=lake.uri(key)).generated
    except SourceError:  # it is text, or damaged: nothing is proved
        return
    if generated is not None and summary.generated < generated:
        raise Outdated(
            source=download.url,
            expected=f"a file that B3 generated on {generated} or later, as the one in {lake.uri(key)}",
            found=f"one generated on {summary.generated}",
            hint="Nothing is to do if the newer file is right. If this one is, delete the newer object, of which the "
            "bucket keeps the version, and put this file into inbox/ again.",
        )


def _check(s3: Any, lake: Lake, name: str, file: BinaryIO, url: str) -> tuple[LongerFile, cotahist.Summary]:
    """Return the days that a file covers and its summary; raise SourceError if it is not a whole file of sessions."""
    named = period.of_name(name)
    try:
        summary = _read(file, named, url)
    except SourceError as error:
        raise _with_hint(error, _RIGHT_FILE) from error.__cause__
    if not summary.records_by_date:
        raise NoRecords(
            source=url,
            expected="the quotes of a session at least",
            found="a header and a trailer without one record between them",
            hint="Put the file into inbox/ once it has records.",
        )
    covered = named or period.of_days(summary.records_by_date, url)
    try:
        check_days(summary, covered, url)
        _check_sessions(s3, lake, covered, list(summary.records_by_date), url)
    except SourceError as error:
        raise _with_hint(error, _RIGHT_FILE) from None
    return covered, summary


def _read(file: BinaryIO, named: LongerFile | None, url: str) -> cotahist.Summary:
    """Return the summary of a file; raise SourceError if it is not whole."""
    with reading(url):
        _check_size(file, url)
        return cotahist.verify(file, named.first if named and period.is_day(named) else None, name=url)


def _check_size(file: BinaryIO, url: str) -> None:
    """Raise BadLayout if a ZIP unpacks to more than any file of B3. What is damaged is left to the reader."""
    try:
        with zipfile.ZipFile(file) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, ValueError, RuntimeError):
        return
    if unpacked > MOST_UNPACKED:
        raise BadLayout(
            source=url,
            expected=f"a ZIP of {MOST_UNPACKED:,} bytes of text at most",
            found=f"{unpacked:,} bytes",
            hint=_RIGHT_FILE,
        )


def _check_sessions(s3: Any, lake: Lake, covered: LongerFile, days: list[dt.date], url: str) -> None:
    """Raise WrongDate or ClosedDay if a file has a day that is yet to come, or on which B3 was closed."""
    today = publication.now().astimezone(SAO_PAULO).date()
    if days[-1] > today:
        raise WrongDate(source=url, expected=f"sessions until today, {today}", found=f"{days[-1]}", hint=_RIGHT_FILE)
    # b3_history compares a year with the calendar, and a year's file decides before 2000.
    if not period.is_year(covered):
        for trade_date in days:
            known_sessions.check_session(s3, lake, trade_date)


def _with_hint(error: SourceError, hint: str) -> SourceError:
    """Return a reader's error with what is to do about a file in inbox/, and not about a download."""
    if is_of_the_machine(error.__cause__):
        return error
    error.hint = hint
    error.args = (f"{error.source}: expected {error.expected}; found {error.found}. {hint}",)
    return error


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
