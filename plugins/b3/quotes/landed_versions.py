"""The versions of a session's files in landing/, each readable: what B3 sent first, and what it corrected."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from b3.lake import layout
from b3.lake.landed import FETCHED_AT, with_fetch_time
from b3.lake.layout import Lake
from b3.quotes import choose, cotahist

if TYPE_CHECKING:
    import datetime as dt

    import pyarrow as pa


@dataclass(frozen=True)
class LandedVersion:
    """A version of a file in landing/.

    Attributes:
        key: the object's key.
        version_id: S3's id of the version.
        fetched_at: when its bytes were fetched, as ISO 8601, UTC.
        sha256: of its bytes; "?" if its metadata lacks it.
    """

    key: str
    version_id: str
    fetched_at: str
    sha256: str


def versions(s3: Any, lake: Lake, trade_date: dt.date) -> list[LandedVersion]:
    """Return every version of the files that may hold a session, the first fetched first."""
    found = []
    for name in choose.file_names(trade_date):
        key = layout.landing_quotes_key(name)
        pages = s3.get_paginator("list_object_versions").paginate(Bucket=lake.bucket, Prefix=key)
        for entry in (entry for page in pages for entry in page.get("Versions", []) if entry["Key"] == key):
            answer = s3.head_object(Bucket=lake.bucket, Key=key, VersionId=entry["VersionId"])
            metadata = with_fetch_time(answer)
            sha256 = metadata.get("source-sha256", "?")
            found.append(LandedVersion(key, entry["VersionId"], metadata[FETCHED_AT], sha256))
    return sorted(found, key=lambda version: version.fetched_at)


def read_version(s3: Any, lake: Lake, version: LandedVersion, trade_date: dt.date) -> pa.Table:
    """Return a session's quotes in a version of a landed file, with `b3.quotes.cotahist.READ_SCHEMA`.

    Raises:
        SourceError: and its subclasses: the file is damaged.
    """
    with tempfile.TemporaryFile() as file:
        answer = s3.get_object(Bucket=lake.bucket, Key=version.key, VersionId=version.version_id)
        shutil.copyfileobj(answer["Body"], file)
        file.seek(0)
        with cotahist.by_session(file, only=trade_date, name=lake.uri(version.key)) as found:
            return found.table(trade_date) if found.dates() else cotahist.READ_SCHEMA.empty_table()
