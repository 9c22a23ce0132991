"""Source files in landing/: the bytes that B3 sent, kept with their origin before they are read."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import logging
from collections.abc import Iterator
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


def keep(s3: Any, lake: Lake, key: str, file: IO[bytes], download: Download, **more: str) -> LandedFile:
    """Put a download under `key`. Write equal bytes once; of different bytes the last fetched win.

    Several runs may put the same file at once, as the runs of a backfill put a year's file.

    Args:
        s3: a boto3 S3 client.
        lake: the lake.
        key: the key in landing/.
        file: the downloaded bytes.
        download: URL and time of the download.
        more: metadata beside the origin.

    Returns:
        The file that is now under `key`.
    """
    uri = lake.uri(key)
    return until_committed(lambda: _keep(s3, lake, key, file, download, more), uri)


def _keep(s3: Any, lake: Lake, key: str, file: IO[bytes], download: Download, more: dict[str, str]) -> LandedFile:
    landed = LandedFile(lake.uri(key), download.url, download.sha256, download.source)
    fetched_at = download.fetched_at.isoformat(timespec="seconds")
    former = head(s3, lake, key)
    if former is not None:
        before = landed_file(lake, key, former["Metadata"])
        if before.sha256 == landed.sha256:
            if more.keys() <= former["Metadata"].keys():
                log.info("%s already holds these bytes", landed.uri)
                return before
            # Put the bytes again to add the new metadata. The fetch time stays.
            fetched_at = former["Metadata"].get(FETCHED_AT, fetched_at)
        elif former["Metadata"].get(FETCHED_AT, "") > fetched_at:
            log.info("%s already holds bytes that were fetched later", landed.uri)
            return before
    file.seek(0)
    put(s3, lake, key, file, {**landed.metadata(), **more, FETCHED_AT: fetched_at}, former)
    log.info("%s: %d bytes from %s, sha256 %s", landed.uri, download.size, landed.url, landed.sha256)
    return landed


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


def with_fetch_time(answer: dict[str, Any]) -> dict[str, str]:
    """Return the user metadata in S3's answer; an object put by hand has no fetch time, so take LastModified."""
    put_at = answer["LastModified"].astimezone(dt.UTC).isoformat(timespec="seconds")
    return {FETCHED_AT: put_at, **answer["Metadata"]}


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


def open_landed(s3: Any, lake: Lake, landed: LandedFile, sink: IO[bytes]) -> None:
    """Copy a landed file to `sink` and rewind it.

    Raises:
        SourceError: the bytes do not have the sha256 that the metadata has.
    """
    digest = hashlib.sha256()
    for chunk in s3.get_object(Bucket=lake.bucket, Key=lake.key(landed.uri))["Body"].iter_chunks(1 << 20):
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


def read_landed(s3: Any, lake: Lake, landed: LandedFile) -> bytes:
    """Return the bytes of a small landed file.

    Raises:
        SourceError: as `open_landed`.
    """
    sink = io.BytesIO()
    open_landed(s3, lake, landed, sink)
    return sink.getvalue()
