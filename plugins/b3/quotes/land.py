"""From B3 to landing/: the source bytes, kept as sent, once they are known to be what was asked for."""

from __future__ import annotations

import calendar
import datetime as dt
import hashlib
import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from b3.calendar import known_sessions, sessions
from b3.calendar.known_sessions import SESSION_DAYS
from b3.errors import NoPortfolio, NoRecords, NotB3Data, NotPublished, NotServed, SourceError, WrongDate, reading
from b3.lake import layout
from b3.lake.commit import head
from b3.lake.layout import Lake
from b3.quotes import cotahist

if TYPE_CHECKING:
    import pyarrow as pa

    from b3.site.hook import B3Hook, Download

log = logging.getLogger(__name__)

ORIGIN = frozenset({"source", "source-url", "source-sha256"})
# Metadata of files of several sessions: up to which one they go.
LAST_SESSION = "last-session"
FETCHED_AT = "fetched-at"
# S3's words for a conditional PUT that another one, or a deletion, came before.
OVERTAKEN = ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey", "412", "409", "404")


@dataclass(frozen=True)
class LandedVersion:
    """A version of a file in landing/: its key, S3's id of it, and when its bytes came."""

    key: str
    version_id: str
    fetched_at: str
    sha256: str


@dataclass(frozen=True)
class LandedFile:
    """A source file in landing/, and where it came from."""

    uri: str
    url: str
    sha256: str
    source: str

    def metadata(self) -> dict[str, str]:
        """What objects made from this file say of their origin, as S3 user metadata."""
        return {"source": self.source, "source-url": self.url, "source-sha256": self.sha256}


def capture_quotes(hook: B3Hook, s3: Any, where: Lake, trade_date: dt.date, *, longer: bool = True) -> LandedFile:
    """Bring the COTAHIST file that holds a session to landing/quotes/, checked to its last record.

    That is the daily file. Run again, it asks B3 again: the same bytes leave the object as it is, other bytes (B3
    does correct files) become a new version of it. If B3 does not serve it (404), what is in landing/ is used, or else
    the file of the month or of the year is fetched.

    What landing/ has of the session in several files is taken from the one that came last, see `latest`. So a year's
    file that came after the daily one is used even where B3 still serves the daily file, unchanged: those bytes are
    older, and must not undo what the year's file corrected. A daily file that B3 changed comes last, and is used; so is
    one that is fetched for the first time.

    An answer that fails its checks is kept in landing/rejected/ and never under the file's name.

    Args:
        hook: where to fetch from.
        s3: a boto3 S3 client.
        where: the lake.
        trade_date: the session.
        longer: whether the files of its month and year will do, if it has none of its own.

    Raises:
        ClosedDay: B3 held no session on that day. Nothing is asked or written where the calendar or the lake says so,
            see `known_sessions`; before 2000, B3's file of the year may have to say it.
        SourceError: and its subclasses: B3's answer is not the session's file.
    """
    known_sessions.check_session(s3, where, trade_date)
    name = layout.daily_quotes_file(trade_date)
    key = layout.landing_quotes_key(name)
    with tempfile.TemporaryFile() as file:
        try:
            download = hook.download_quotes(name, file)
            with rejecting(s3, where, name, file, download):
                cotahist.verify(file, trade_date, name=download.url)
            own = keep(s3, where, key, file, download)
        # B3 says in all three ways that it has no file: 404, no bytes, a web page.
        except (NotPublished, NotB3Data) as error:
            missing = error
        else:
            landed = latest(s3, where, trade_date) or own
            if landed.uri != own.uri:
                log.warning("%s came after %s; using it", landed.uri, own.uri)
            return landed
    daily = find(s3, where, key)
    if (daily is None and not longer) or (daily is not None and not isinstance(missing, NotServed)):
        raise missing
    landed = latest(s3, where, trade_date) or _download_first(hook, s3, where, trade_date, missing)
    log.warning("B3 has no %s (%s); using %s", name, missing.found, landed.uri)
    return landed


def latest(s3: Any, where: Lake, trade_date: dt.date) -> LandedFile | None:
    """Of the files in landing/ for a session, the one that came last; None without any.

    They are the daily file, and the month's and the year's if their metadata has that session. When one came is
    when its bytes were first fetched: B3 asked again and giving the same bytes does not make them newer. Of two that
    came in the same second it is the shorter.
    """
    found, own = [], layout.daily_quotes_file(trade_date)
    for name in (own, *(longer.name for longer in _longer(trade_date))):
        key = layout.landing_quotes_key(name)
        metadata = _metadata(s3, where, key)
        if metadata is not None and (name == own or _holds(metadata, trade_date)):
            found.append((metadata[FETCHED_AT], _landed(where, key, metadata)))
    return max(found, key=lambda each: each[0])[1] if found else None


def versions(s3: Any, where: Lake, trade_date: dt.date) -> list[LandedVersion]:
    """Return every version in landing/ of the files that may hold a session, the oldest first.

    They are the daily file, the month's and the year's.
    """
    found = []
    for name in (layout.daily_quotes_file(trade_date), *(longer.name for longer in _longer(trade_date))):
        key = layout.landing_quotes_key(name)
        pages = s3.get_paginator("list_object_versions").paginate(Bucket=where.bucket, Prefix=key)
        for entry in (entry for page in pages for entry in page.get("Versions", []) if entry["Key"] == key):
            answer = s3.head_object(Bucket=where.bucket, Key=key, VersionId=entry["VersionId"])
            metadata = {**_when(answer), **answer["Metadata"]}
            sha256 = metadata.get("source-sha256", "?")
            found.append(LandedVersion(key, entry["VersionId"], metadata[FETCHED_AT], sha256))
    return sorted(found, key=lambda version: version.fetched_at)


def read_session(s3: Any, where: Lake, version: LandedVersion, trade_date: dt.date) -> pa.Table:
    """Return the quotes of a session in a version of a landed file, of `b3.quotes.cotahist.READ_SCHEMA`.

    Raises:
        SourceError: and its subclasses: the file is damaged.
    """
    with tempfile.TemporaryFile() as file:
        answer = s3.get_object(Bucket=where.bucket, Key=version.key, VersionId=version.version_id)
        shutil.copyfileobj(answer["Body"], file)
        file.seek(0)
        with cotahist.by_session(file, only=trade_date, name=where.uri(version.key)) as found:
            return found.table(trade_date) if found.dates() else cotahist.READ_SCHEMA.empty_table()


def capture_year(hook: B3Hook, s3: Any, where: Lake, year: int) -> LandedFile:
    """Bring the COTAHIST file of a year to landing/quotes/, checked to its last record and for sessions of that year.

    A copy in landing/ that reaches to the last session of the year is used as it is: B3 does not change closed years,
    and one is some 70 MB. Before 2000 its metadata has to list its sessions as well, see `known_sessions`.

    Raises:
        ValueError: before 1986, where B3's historical quotes begin.
        SourceError: and its subclasses: B3's answer is not the file of that year.
    """
    last = sessions.sessions(dt.date(year, 12, 1), dt.date(year, 12, 31))[-1]
    wanted = _year(year)
    key = layout.landing_quotes_key(wanted.name)
    metadata = _metadata(s3, where, key)
    told = year >= sessions.CALENDAR_IS_SURE_FROM or SESSION_DAYS in (metadata or {})
    if metadata is not None and _reaches(metadata, last) and told:
        landed = _landed(where, key, metadata)
        log.info("%s is complete; B3 is not asked again", landed.uri)
        return landed
    landed, _ = _download_longer(hook, s3, where, wanted)
    return landed


class _LongerFile(NamedTuple):
    """A file of several sessions, and the days that its name stands for."""

    name: str
    first: dt.date
    last: dt.date


def _year(year: int) -> _LongerFile:
    return _LongerFile(layout.annual_quotes_file(year), dt.date(year, 1, 1), dt.date(year, 12, 31))


def _longer(trade_date: dt.date) -> tuple[_LongerFile, _LongerFile]:
    """The files of several sessions that a session belongs into."""
    last = calendar.monthrange(trade_date.year, trade_date.month)[1]
    month = _LongerFile(layout.monthly_quotes_file(trade_date), trade_date.replace(day=1), trade_date.replace(day=last))
    return month, _year(trade_date.year)


def _download_first(hook: B3Hook, s3: Any, where: Lake, trade_date: dt.date, missing: SourceError) -> LandedFile:
    """B3's file of the month, or else of the year, that holds a session; `missing` is raised where there is none.

    Raises:
        ClosedDay: before 2000, and B3's file of the year has no record of that day.
    """
    for longer in _longer(trade_date):
        try:
            landed, summary = _download_longer(hook, s3, where, longer)
        except (NotPublished, NotB3Data) as error:
            missing.add_note(f"nor is it in {longer.name}: {error.found}")
            continue
        if trade_date in summary.records_by_date:
            return landed
        missing.add_note(f"nor is it in {longer.name}, which goes up to {max(summary.records_by_date)}")
        if trade_date.year >= sessions.CALENDAR_IS_SURE_FROM:
            break
        # Before, B3's file of the year decides whether there was a session.
        if longer == _year(trade_date.year):
            raise known_sessions.closed_day(s3, where, trade_date, summary.records_by_date) from missing
    raise missing


def _download_longer(hook: B3Hook, s3: Any, where: Lake, wanted: _LongerFile) -> tuple[LandedFile, cotahist.Summary]:
    with tempfile.TemporaryFile() as file:
        download = hook.download_quotes(wanted.name, file)
        with rejecting(s3, where, wanted.name, file, download):
            summary = cotahist.verify(file, None, name=download.url)
            if not summary.records_by_date:
                raise NoRecords(
                    source=download.url,
                    expected=f"sessions from {wanted.first} to {wanted.last}",
                    found="a header and a trailer without one record between them",
                    hint="B3 may not have finished the file: run the task again after the next session.",
                )
            stray = [date for date in summary.records_by_date if not wanted.first <= date <= wanted.last]
            if stray:
                raise WrongDate(
                    source=download.url,
                    expected=f"sessions from {wanted.first} to {wanted.last} alone",
                    found=f"{stray[0]}",
                    hint="Run the task again, later.",
                )
        more = {
            LAST_SESSION: max(summary.records_by_date).isoformat(),
            SESSION_DAYS: known_sessions.encode(summary.records_by_date),
        }
        key = layout.landing_quotes_key(wanted.name)
        return keep(s3, where, key, file, download, **more), summary


def _reaches(metadata: dict[str, str], trade_date: dt.date) -> bool:
    """Whether the last session of a file of several is `trade_date` or a later one."""
    return metadata.get(LAST_SESSION, "") >= trade_date.isoformat()


def _holds(metadata: dict[str, str], trade_date: dt.date) -> bool:
    """Whether a file of several sessions has that one; without a list of them, whether it goes so far."""
    days = known_sessions.listed(metadata, trade_date.year)
    return _reaches(metadata, trade_date) if days is None else trade_date in days


@contextmanager
def rejecting(s3: Any, where: Lake, name: str, file: IO[bytes], download: Download) -> Iterator[None]:
    """Keep a downloaded file in landing/rejected/ if the `with` block fails, in whatever way.

    Raises:
        Unreadable: in place of an exception that is no SourceError.
    """
    try:
        with reading(download.url):
            yield
    except NoPortfolio:
        # Its bytes say no more than the error does.
        raise
    except BaseException as error:
        sent = f"the {download.size} bytes that came from {download.url}"
        try:
            kept = keep(s3, where, layout.rejected_key(download.sha256, name), file, download)
        except Exception as failure:
            # What is wrong with the file is the news; that S3 fails too must not hide it.
            error.add_note(f"{sent} could not be kept: {type(failure).__name__}: {failure}")
        else:
            error.add_note(f"{sent} are kept in {kept.uri}")
        raise


def receive(s3: Any, where: Lake, name: str, file: IO[bytes], download: Download) -> LandedFile:
    """Put an answer that B3 serves only once into landing/received/, before anybody reads it.

    So a process that dies while it reads loses nothing. Equal bytes are put once.
    """
    return keep(s3, where, layout.received_key(download.sha256, name), file, download)


def find(s3: Any, where: Lake, key: str) -> LandedFile | None:
    """The file that lies under `key` of landing/, or None.

    Raises:
        SourceError: an object lies there that does not say where it came from.
    """
    metadata = _metadata(s3, where, key)
    return None if metadata is None else _landed(where, key, metadata)


def _metadata(s3: Any, where: Lake, key: str) -> dict[str, str] | None:
    """The user metadata of the object under `key`, None where there is none.

    One that was put there by hand, and does not say when it was fetched, was when it was put.
    """
    there = head(s3, where, key)
    return None if there is None else {**_when(there), **there["Metadata"]}


def _when(there: dict[str, Any]) -> dict[str, str]:
    """Return when an object was put, in place of a fetch time that it may lack."""
    return {FETCHED_AT: there["LastModified"].astimezone(dt.UTC).isoformat(timespec="seconds")}


def _landed(where: Lake, key: str, metadata: dict[str, str]) -> LandedFile:
    """The file that the metadata under `key` tells of."""
    missing = ORIGIN - metadata.keys()
    if missing:
        raise SourceError(
            source=where.uri(key),
            expected=f"an object whose metadata says where it came from: {', '.join(sorted(ORIGIN))}",
            found=f"one without {', '.join(sorted(missing))}",
            hint="Delete it and run scrape, or put it again with these.",
        )
    return LandedFile(where.uri(key), metadata["source-url"], metadata["source-sha256"], metadata["source"])


def keep(s3: Any, where: Lake, key: str, file: IO[bytes], download: Download, **more: str) -> LandedFile:
    """Put what was downloaded to `file` under `key`, with `more` metadata; what lies there already is not put again.

    Of several that put the same bytes at once, as the runs of a backfill do a year's file, one does; of other bytes
    those stay that were fetched last.
    """
    landed = LandedFile(where.uri(key), download.url, download.sha256, download.source)
    fetched_at = download.fetched_at.isoformat(timespec="seconds")
    there = head(s3, where, key)
    if there is not None:
        before = _landed(where, key, there["Metadata"])
        if before.sha256 == landed.sha256:
            if more.keys() <= there["Metadata"].keys():
                log.info("%s already holds these bytes", landed.uri)
                return before
            # Put once more for what is now noted beside them; they came when they came.
            fetched_at = there["Metadata"].get(FETCHED_AT, fetched_at)
        elif there["Metadata"].get(FETCHED_AT, "") > fetched_at:
            log.info("%s holds bytes that came later", landed.uri)
            return before
    file.seek(0)
    try:
        s3.put_object(
            Bucket=where.bucket,
            Key=key,
            Body=file,
            Metadata={**landed.metadata(), **more, FETCHED_AT: fetched_at},
            **({"IfNoneMatch": "*"} if there is None else {"IfMatch": there["ETag"]}),
        )
    except s3.exceptions.ClientError as error:
        if error.response["Error"]["Code"] not in OVERTAKEN:
            raise
        log.info("%s was put meanwhile; looking again", landed.uri)
        return keep(s3, where, key, file, download, **more)
    log.info("%s: %d bytes from %s, sha256 %s", landed.uri, download.size, landed.url, landed.sha256)
    return landed


def open_landed(s3: Any, where: Lake, landed: LandedFile, sink: IO[bytes]) -> None:
    """Copy a landed file to `sink` and rewind it.

    Raises:
        SourceError: the object's bytes are not those whose sha256 was noted when they came.
    """
    key = landed.uri.removeprefix(where.uri(""))
    digest = hashlib.sha256()
    for chunk in s3.get_object(Bucket=where.bucket, Key=key)["Body"].iter_chunks(1 << 20):
        sink.write(chunk)
        digest.update(chunk)
    if digest.hexdigest() != landed.sha256:
        raise SourceError(
            source=landed.uri,
            expected=f"the bytes of sha256 {landed.sha256}, as fetched from {landed.url}",
            found=f"sha256 {digest.hexdigest()}",
            hint="The object was replaced: restore its former version, or run scrape again.",
        )
    sink.seek(0)
