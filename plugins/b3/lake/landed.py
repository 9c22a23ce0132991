"""Source files in landing/: the bytes that B3 sent, kept with their origin before they are read."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from b3.errors import NoPortfolio, SourceError, reading
from b3.lake import layout
from b3.lake.commit import head, put, until_committed
from b3.lake.layout import Lake

if TYPE_CHECKING:
    from b3.site.hook import Download

log = logging.getLogger(__name__)

ORIGIN = frozenset({"source", "source-url", "source-sha256"})
FETCHED_AT = "fetched-at"


@dataclass(frozen=True)
class LandedFile:
    """A source file in landing/, and its origin."""

    uri: str
    url: str
    sha256: str
    source: str

    def metadata(self) -> dict[str, str]:
        """Return the S3 user metadata for objects made from this file."""
        return {"source": self.source, "source-url": self.url, "source-sha256": self.sha256}


def keep(
    s3: Any, lake: Lake, key: str, file: IO[bytes], download: Download, *, seen: str | None = None, **more: str
) -> LandedFile:
    """Put a download under `key`. Write equal bytes once; of different bytes the last fetched win.

    Several runs may put the same file at once, as the runs of a backfill put a year's file. An object whose bytes are
    not those of its metadata is replaced; the bucket keeps the damaged version.

    Args:
        s3: a boto3 S3 client.
        lake: the lake.
        key: the key in landing/.
        file: the downloaded bytes.
        download: URL and time of the download.
        seen: ETag of the object under `key` before B3 was asked. The download is newer than that object, whatever the
            clocks say.
        more: metadata beside the origin.

    Returns:
        The file that is now under `key`.
    """
    uri = lake.uri(key)
    return until_committed(lambda: _keep(s3, lake, key, file, download, seen, more), uri)


def _keep(
    s3: Any, lake: Lake, key: str, file: IO[bytes], download: Download, seen: str | None, more: dict[str, str]
) -> LandedFile:
    landed = LandedFile(lake.uri(key), download.url, download.sha256, download.source)
    fetched_at = download.fetched_at.isoformat(timespec="seconds")
    former = head(s3, lake, key)
    if former is not None:
        metadata = with_fetch_time(former)
        before = landed_file(lake, key, metadata)
        if before.sha256 == landed.sha256:
            if not _has_bytes_of(s3, lake, before, former, file):
                log.warning("%s is damaged: its bytes are put anew; the bucket keeps the damaged version", landed.uri)
            elif more.keys() <= metadata.keys():
                log.info("%s already holds these bytes", landed.uri)
                return before
            # Put the bytes again. The fetch time stays.
            fetched_at = metadata[FETCHED_AT]
            more = {name: value for name, value in metadata.items() if name not in ORIGIN} | more
        elif metadata[FETCHED_AT] > fetched_at:
            if former["ETag"] != seen:
                log.info("%s already holds bytes that were fetched later", landed.uri)
                return before
            log.warning("the clock says %s, before %s landed: it is behind", fetched_at, landed.uri)
            fetched_at = metadata[FETCHED_AT]
    file.seek(0)
    put(s3, lake, key, file, {**landed.metadata(), **more, FETCHED_AT: fetched_at}, former)
    log.info("%s: %d bytes from %s, sha256 %s", landed.uri, download.size, landed.url, landed.sha256)
    return landed


def _has_bytes_of(s3: Any, lake: Lake, landed: LandedFile, answer: Mapping[str, Any], file: IO[bytes]) -> bool:
    """Return whether a landed object has the bytes of `file`: by its ETag, else by reading it."""
    file.seek(0)
    digest = hashlib.md5(usedforsecurity=False)
    for chunk in iter(lambda: file.read(1 << 20), b""):
        digest.update(chunk)
    # The ETag is no MD5 if the object is encrypted with a key of KMS, or was put in parts.
    return answer["ETag"].strip('"') == digest.hexdigest() or is_intact(s3, lake, landed)


def receive(s3: Any, lake: Lake, name: str, file: IO[bytes], download: Download) -> LandedFile:
    """Put an answer that B3 may not serve again into landing/received/, before it is read.

    So nothing is lost if the process dies while it reads. Equal bytes are put once.
    """
    return keep(s3, lake, layout.received_key(download.sha256, name), file, download)


@contextmanager
def rejecting(s3: Any, lake: Lake, name: str, file: IO[bytes], download: Download) -> Iterator[None]:
    """Keep a downloaded file in landing/rejected/ if the `with` block raises anything.

    Raises:
        Unreadable: in place of an exception that is no SourceError.
    """
    try:
        with reading(download.url):
            yield
    except NoPortfolio:
        # The bytes hold nothing that the error does not say.
        raise
    except BaseException as error:
        _reject(s3, lake, name, file, download, error)
        raise


@contextmanager
def keeping_received(s3: Any, lake: Lake, name: str) -> Iterator[None]:
    """Keep in landing/rejected/ what came of an answer that the hook refuses in the `with` block."""
    try:
        yield
    except SourceError as error:
        if error.received is not None:
            body, download = error.received
            error.received = None
            _reject(s3, lake, name, io.BytesIO(body), download, error)
        raise


def _reject(s3: Any, lake: Lake, name: str, file: IO[bytes], download: Download, error: BaseException) -> None:
    """Put a file into landing/rejected/, and add a note to its error."""
    sent = f"the {download.size} bytes that came from {download.url}"
    try:
        kept = keep(s3, lake, layout.rejected_key(download.sha256, name), file, download)
    except Exception as failure:
        # A failure of S3 must not hide the file's error.
        error.add_note(f"{sent} could not be kept: {type(failure).__name__}: {failure}")
    else:
        error.add_note(f"{sent} are kept in {kept.uri}")


def find(s3: Any, lake: Lake, key: str) -> LandedFile | None:
    """Return the file under `key` of landing/, None if there is none.

    Raises:
        SourceError: the object's metadata lacks its origin.
    """
    metadata = metadata_of(s3, lake, key)
    return None if metadata is None else landed_file(lake, key, metadata)


def metadata_of(s3: Any, lake: Lake, key: str) -> dict[str, str] | None:
    """Return the user metadata of a landed object, with FETCHED_AT; None if there is no object."""
    answer = head(s3, lake, key)
    return None if answer is None else with_fetch_time(answer)


def with_fetch_time(answer: Mapping[str, Any]) -> dict[str, str]:
    """Return the user metadata in S3's answer, with the time of the fetch.

    No object was fetched after S3 stored it: a later time is that of a clock that was ahead, so LastModified counts.
    An object put by hand has no fetch time, and LastModified counts too.
    """
    put_at = answer["LastModified"].astimezone(dt.UTC).isoformat(timespec="seconds")
    metadata: dict[str, str] = answer["Metadata"]
    return {**metadata, FETCHED_AT: min(put_at, metadata.get(FETCHED_AT, put_at))}


def landed_file(lake: Lake, key: str, metadata: dict[str, str]) -> LandedFile:
    """Return the file under `key`, from its object's metadata.

    Raises:
        SourceError: the metadata lacks the file's origin.
    """
    missing = ORIGIN - metadata.keys()
    if missing:
        raise SourceError(
            source=lake.uri(key),
            expected=f"an object whose metadata says where it came from: {', '.join(sorted(ORIGIN))}",
            found=f"one without {', '.join(sorted(missing))}",
            hint="Delete it and run scrape, or put it again with this metadata.",
        )
    return LandedFile(lake.uri(key), metadata["source-url"], metadata["source-sha256"], metadata["source"])


def is_intact(s3: Any, lake: Lake, landed: LandedFile) -> bool:
    """Return whether a landed object has the bytes whose sha256 its metadata has."""
    return copy_body(s3.get_object(Bucket=lake.bucket, Key=lake.key(landed.uri))) == landed.sha256


def copy_body(answer: Mapping[str, Any], sink: IO[bytes] | None = None) -> str:
    """Copy the body of S3's answer to `sink`, if there is one; return the sha256 of its bytes."""
    digest = hashlib.sha256()
    for chunk in answer["Body"].iter_chunks(1 << 20):
        if sink is not None:
            sink.write(chunk)
        digest.update(chunk)
    return digest.hexdigest()


def open_landed(s3: Any, lake: Lake, landed: LandedFile, sink: IO[bytes]) -> None:
    """Copy a landed file to `sink` and rewind it.

    Raises:
        SourceError: the bytes do not have the sha256 that the metadata has.
    """
    found = copy_body(s3.get_object(Bucket=lake.bucket, Key=lake.key(landed.uri)), sink)
    if found != landed.sha256:
        raise SourceError(
            source=landed.uri,
            expected=f"the bytes of sha256 {landed.sha256}, as fetched from {landed.url}",
            found=f"sha256 {found}",
            hint="The object was damaged: run scrape again, which mends it if B3 still has the file, or restore its "
            "former version.",
        )
    sink.seek(0)


def read_landed(s3: Any, lake: Lake, landed: LandedFile) -> bytes:
    """Return the bytes of a small landed file.

    Raises:
        SourceError: as `open_landed`.
    """
    sink = io.BytesIO()
    open_landed(s3, lake, landed, sink)
    return sink.getvalue()
