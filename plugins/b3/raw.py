"""From landing/ to raw/: the source's records as typed Parquet, one object a partition."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import logging
import tempfile
from dataclasses import dataclass
from typing import Any

from b3 import cotahist, lake
from b3.lake import Lake
from b3.landing import LandedFile, open_landed

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RawPartition:
    """A raw partition, with what its source file says of itself; the volume is a decimal as text."""

    uri: str
    rows: int
    trailer_records: int
    financial_volume: str


def write_quotes(s3: Any, where: Lake, landed: LandedFile, trade_date: dt.date) -> RawPartition:
    """Write the raw quotes partition of `trade_date` from its landed COTAHIST file.

    The one PUT is the commit: readers see the former object or the new one. The same source gives the same
    bytes, and bytes that are there already are not written again.

    Raises:
        SourceError: and its subclasses: the landed file is damaged, or of another date.
    """
    key = lake.raw_quotes_key(trade_date)
    parquet = io.BytesIO()
    with tempfile.TemporaryFile() as source:
        open_landed(s3, where, landed, source)
        summary = cotahist.write_parquet(source, parquet, trade_date=trade_date, name=landed.uri)
    put_if_changed(s3, where, key, parquet.getvalue(), {**landed.metadata(), "rows": str(summary.records)})
    return RawPartition(where.uri(key), summary.records, summary.trailer_records, str(summary.financial_volume))


def put_if_changed(s3: Any, where: Lake, key: str, body: bytes, metadata: dict[str, str]) -> None:
    """Put `body` under `key`, unless an object of these bytes and this metadata (with `rows`) lies there already."""
    etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
    try:
        head = s3.head_object(Bucket=where.bucket, Key=key)
    except s3.exceptions.ClientError as error:
        if error.response["Error"]["Code"] not in ("404", "NoSuchKey"):
            raise
    else:
        if head["ETag"].strip('"') == etag and head["Metadata"] == metadata:
            log.info("%s already holds these bytes", where.uri(key))
            return
    s3.put_object(Bucket=where.bucket, Key=key, Body=body, Metadata=metadata)
    log.info("%s: %s rows", where.uri(key), metadata["rows"])
