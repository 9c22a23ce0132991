"""From B3 to landing/: the source bytes, kept as sent, once they are known to be what was asked for."""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import tempfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from b3 import cotahist, lake, sessions
from b3.errors import ClosedDay, NotServed, SourceError
from b3.lake import Lake

if TYPE_CHECKING:
    from b3.hook import B3Hook, Download

log = logging.getLogger(__name__)

ORIGIN = frozenset({"source", "source-url", "source-sha256"})


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


def capture_quotes(hook: B3Hook, s3: Any, where: Lake, trade_date: dt.date) -> LandedFile:
    """Bring the daily COTAHIST file of a session to landing/quotes/, checked to its last record.

    Run again, it asks B3 again: the same bytes leave the object as it is, other bytes (B3 does correct files)
    become a new version of it. If B3 no longer serves the file (404), the one in landing/ is used.

    An answer that fails its checks is kept in landing/rejected/ and never under the file's name.

    Args:
        hook: where to fetch from.
        s3: a boto3 S3 client.
        where: the lake.
        trade_date: the session.

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
        except NotServed:
            landed = find(s3, where, key)
            if landed is None:
                raise
            log.warning("%s is no longer at B3; using %s as landed", name, landed.uri)
            return landed
        try:
            cotahist.verify(file, trade_date, name=download.url)
        except SourceError as error:
            kept = keep(s3, where, lake.rejected_key(download.sha256, name), file, download)
            error.add_note(f"the {download.size} bytes that came from {download.url} are kept in {kept.uri}")
            raise
        return keep(s3, where, key, file, download)


def find(s3: Any, where: Lake, key: str) -> LandedFile | None:
    """The file that lies under `key` of landing/, or None.

    Raises:
        SourceError: an object lies there that does not say where it came from.
    """
    try:
        head = s3.head_object(Bucket=where.bucket, Key=key)
    except s3.exceptions.ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchKey"):
            return None
        raise
    metadata = head["Metadata"]
    missing = ORIGIN - metadata.keys()
    if missing:
        raise SourceError(
            source=where.uri(key),
            expected=f"an object whose metadata says where it came from: {', '.join(sorted(ORIGIN))}",
            found=f"one without {', '.join(sorted(missing))}",
            hint="Delete it and run scrape, or put it again with these.",
        )
    return LandedFile(where.uri(key), metadata["source-url"], metadata["source-sha256"], metadata["source"])


def keep(s3: Any, where: Lake, key: str, file: IO[bytes], download: Download) -> LandedFile:
    """Put what was downloaded to `file` under `key`; bytes that lie there already are not put again."""
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
        Metadata={**landed.metadata(), "fetched-at": download.fetched_at.isoformat(timespec="seconds")},
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
