"""From B3 to landing/: the source bytes, kept as sent, once they are known to be what was asked for."""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import tempfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, BinaryIO

from b3 import cotahist, lake, sessions
from b3.errors import ClosedDay, NotB3Data, NotPublished, NotServed, SourceError, WrongDate
from b3.lake import Lake

if TYPE_CHECKING:
    from b3.hook import B3Hook, Download

log = logging.getLogger(__name__)

ORIGIN = frozenset({"source", "source-url", "source-sha256"})
# Metadata of files of several sessions: up to which one they go.
LAST_SESSION = "last-session"


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


def check_session(trade_date: dt.date) -> None:
    """Raise ClosedDay, naming the sessions around it, unless B3 held a session on `trade_date`."""
    if not sessions.is_session(trade_date):
        raise ClosedDay(
            source=lake.daily_quotes_file(trade_date),
            trade_date=trade_date,
            previous=sessions.previous_session(trade_date),
            following=sessions.next_session(trade_date),
        )


def capture_quotes(hook: B3Hook, s3: Any, where: Lake, trade_date: dt.date, *, longer: bool = True) -> LandedFile:
    """Bring the COTAHIST file that holds a session to landing/quotes/, checked to its last record.

    That is the daily file. Run again, it asks B3 again: the same bytes leave the object as it is, other bytes (B3
    does correct files) become a new version of it. If B3 does not serve it (404), then the one in landing/ is used;
    or else the file of the month or of the year, that in landing/ if it reaches to the session.

    An answer that fails its checks is kept in landing/rejected/ and never under the file's name.

    Args:
        hook: where to fetch from.
        s3: a boto3 S3 client.
        where: the lake.
        trade_date: the session.
        longer: whether to look for it in the files of its month and year, if it has none of its own.

    Raises:
        ClosedDay: B3 held no session on that day; nothing is asked or written.
        SourceError: and its subclasses: B3's answer is not the session's file.
    """
    check_session(trade_date)
    name = lake.daily_quotes_file(trade_date)
    key = lake.landing_quotes_key(name)
    with tempfile.TemporaryFile() as file:
        try:
            download = hook.download_quotes(name, file)
            _verify(s3, where, name, file, download, trade_date)
            return keep(s3, where, key, file, download)
        # B3 says in all three ways that it has no file: 404, no bytes, a web page.
        except (NotPublished, NotB3Data) as error:
            missing = error
    landed = find(s3, where, key)
    if landed is None and longer:
        landed = _capture_longer(hook, s3, where, trade_date, missing)
    elif landed is None or not isinstance(missing, NotServed):
        raise missing
    log.warning("B3 has no %s (%s); using %s", name, missing.found, landed.uri)
    return landed


def capture_year(hook: B3Hook, s3: Any, where: Lake, year: int) -> LandedFile:
    """Bring the COTAHIST file of a year to landing/quotes/, checked to its last record.

    A copy in landing/ that reaches to the last session of the year is used as it is: B3 does not change closed years,
    and one is some 70 MB.

    Raises:
        ValueError: before 1986, where B3's historical quotes begin.
        SourceError: and its subclasses: B3's answer is not the file of that year.
    """
    last = sessions.sessions(dt.date(year, 12, 1), dt.date(year, 12, 31))[-1]
    name = lake.annual_quotes_file(year)
    landed = _find_reaching(s3, where, name, last)
    if landed is not None:
        log.info("%s is complete; B3 is not asked again", landed.uri)
        return landed
    landed, summary = _download_longer(hook, s3, where, name)
    stray = [date for date in summary.records_by_date if date.year != year]
    if stray:
        raise WrongDate(
            source=landed.uri,
            expected=f"sessions of {year} alone",
            found=f"{stray[0]}",
            hint="Look into the file, delete it from landing/, and run the task again.",
        )
    return landed


def _capture_longer(hook: B3Hook, s3: Any, where: Lake, trade_date: dt.date, missing: SourceError) -> LandedFile:
    """The file of the month or year that holds a session; `missing` is raised where there is none."""
    names = (lake.monthly_quotes_file(trade_date), lake.annual_quotes_file(trade_date.year))
    for name in names:
        landed = _find_reaching(s3, where, name, trade_date)
        if landed is not None:
            return landed
    for name in names:
        try:
            landed, summary = _download_longer(hook, s3, where, name)
        except (NotPublished, NotB3Data) as error:
            missing.add_note(f"nor is it in {name}: {error.found}")
            continue
        if trade_date in summary.records_by_date:
            return landed
        missing.add_note(f"nor is it in {name}, which goes up to {max(summary.records_by_date, default=None)}")
        break
    raise missing


def _download_longer(hook: B3Hook, s3: Any, where: Lake, name: str) -> tuple[LandedFile, cotahist.Summary]:
    with tempfile.TemporaryFile() as file:
        download = hook.download_quotes(name, file)
        summary = _verify(s3, where, name, file, download, None)
        reaches = max(summary.records_by_date, default=dt.date.min).isoformat()
        return keep(s3, where, lake.landing_quotes_key(name), file, download, **{LAST_SESSION: reaches}), summary


def _find_reaching(s3: Any, where: Lake, name: str, trade_date: dt.date) -> LandedFile | None:
    """The landed file of that name, if its last session is `trade_date` or a later one."""
    key = lake.landing_quotes_key(name)
    metadata = _metadata(s3, where, key)
    if metadata is None or metadata.get(LAST_SESSION, "") < trade_date.isoformat():
        return None
    return _landed(where, key, metadata)


def _verify(
    s3: Any, where: Lake, name: str, file: BinaryIO, download: Download, trade_date: dt.date | None
) -> cotahist.Summary:
    """Read the whole of a downloaded file; one that is wrong is kept in landing/rejected/."""
    try:
        return cotahist.verify(file, trade_date, name=download.url)
    except SourceError as error:
        kept = keep(s3, where, lake.rejected_key(download.sha256, name), file, download)
        error.add_note(f"the {download.size} bytes that came from {download.url} are kept in {kept.uri}")
        raise


def find(s3: Any, where: Lake, key: str) -> LandedFile | None:
    """The file that lies under `key` of landing/, or None.

    Raises:
        SourceError: an object lies there that does not say where it came from.
    """
    metadata = _metadata(s3, where, key)
    return None if metadata is None else _landed(where, key, metadata)


def _metadata(s3: Any, where: Lake, key: str) -> dict[str, str] | None:
    """The user metadata of the object under `key`, None where there is none."""
    try:
        return s3.head_object(Bucket=where.bucket, Key=key)["Metadata"]
    except s3.exceptions.ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchKey"):
            return None
        raise


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
    """Put what was downloaded to `file` under `key`, with `more` metadata; what lies there already is not put again."""
    landed = LandedFile(where.uri(key), download.url, download.sha256, download.source)
    before = find(s3, where, key)
    if before is not None and before.sha256 == landed.sha256:
        log.info("%s already holds these bytes", landed.uri)
        return before
    file.seek(0)
    s3.put_object(
        Bucket=where.bucket,
        Key=key,
        Body=file,
        Metadata={**landed.metadata(), **more, "fetched-at": download.fetched_at.isoformat(timespec="seconds")},
    )
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
