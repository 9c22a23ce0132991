"""The objects in inbox/: files that a person or another system put there, and that have not landed yet."""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import quote

from b3.errors import NotB3Data
from b3.lake import layout
from b3.lake.commit import Overtaken, on_condition
from b3.lake.landed import copy_body
from b3.lake.layout import Lake
from b3.site.hook import Download

log = logging.getLogger(__name__)

# B3's largest year has about 100 MB as ZIP.
MOST_BYTES = 1 << 30
_LONGEST_URL = 1000


@dataclass(frozen=True)
class Arrival:
    """A file in inbox/.

    Attributes:
        key: the object's key.
        etag: its ETag, so that a file that replaced it is not taken for it.
        arrived_at: time when S3 stored it.
        size: its bytes.
    """

    key: str
    etag: str
    arrived_at: dt.datetime
    size: int = 0

    @property
    def name(self) -> str:
        """The file's name."""
        return self.key.rpartition("/")[2]


def waiting(s3: Any, lake: Lake) -> list[Arrival]:
    """Return the files in inbox/, the first that arrived first. Markers of folders are left out."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=lake.bucket, Prefix=layout.INBOX_PREFIX)
    found = [
        Arrival(entry["Key"], entry["ETag"], entry["LastModified"].astimezone(dt.UTC), entry["Size"])
        for page in pages
        for entry in page.get("Contents", [])
        if not entry["Key"].endswith("/")
    ]
    return sorted(found, key=lambda arrival: (arrival.arrived_at, arrival.key))


def fetch(s3: Any, lake: Lake, arrival: Arrival, sink: IO[bytes], source: str) -> Download:
    """Copy a file of inbox/ to `sink`, and return it as a download.

    Args:
        s3: a boto3 S3 client.
        lake: the lake.
        arrival: the file.
        sink: takes the bytes.
        source: label of the data in the lake, such as `b3`.

    Raises:
        Overtaken: the object was replaced or removed since it was listed.
        NotB3Data: it is larger than any file of B3, and is not fetched.
    """
    if arrival.size > MOST_BYTES:
        raise NotB3Data(
            source=lake.uri(arrival.key),
            expected=f"a file of {MOST_BYTES:,} bytes at most",
            found=f"{arrival.size:,} bytes",
            hint="Remove it from inbox/.",
        )
    with on_condition(s3, lake, arrival.key):
        answer = s3.get_object(Bucket=lake.bucket, Key=arrival.key, IfMatch=arrival.etag)
    # Metadata of S3 is ASCII and has 2 KB, and keys are not and may have more. The end has the name.
    url = lake.uri(quote(arrival.key))
    if len(url) > _LONGEST_URL:
        url = f"{url[: _LONGEST_URL // 4]}...{url[-_LONGEST_URL // 2 :]}"
    return Download(url, copy_body(answer, sink), answer["ContentLength"], arrival.arrived_at, source)


def remove(s3: Any, lake: Lake, key: str, etag: str) -> None:
    """Remove a file from inbox/. A file that replaced it stays; the bucket keeps the removed version for a while."""
    try:
        with on_condition(s3, lake, key):
            s3.delete_object(Bucket=lake.bucket, Key=key, IfMatch=etag)
    except Overtaken as overtaken:
        log.info("%s: left as it is", overtaken)
