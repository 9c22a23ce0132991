"""Read an object of raw/ or refined/, and compare it with its metadata."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from b3.lake.layout import Lake
from b3.verify.differences import DAMAGED, MISSING, ROWS, Difference, rebuild
from b3.verify.inventory import Inventory, Partition

CONTENT_SHA256 = "content-sha256"
_VOLUME = "financial_volume"


@dataclass(frozen=True)
class Totals:
    """Number of rows of an object, and the sum of their financial volume."""

    rows: int
    volume: Decimal

    @classmethod
    def of(cls, table: pa.Table) -> Totals:
        """Return the totals of quotes."""
        return cls(len(table), pc.sum(table[_VOLUME]).as_py() or Decimal(0))

    def __str__(self) -> str:
        """Return the totals in words."""
        return f"{self.rows} rows, volume {self.volume}"


@dataclass(frozen=True)
class StoredObject:
    """An object of raw/ or refined/ as it was read.

    Attributes:
        uri: where it lies.
        etag: its ETag, with quotes.
        metadata: its user metadata.
        file: the Parquet file; None if the bytes are none.
        sha256: of its bytes.
    """

    uri: str
    etag: str
    metadata: dict[str, str]
    file: pq.ParquetFile | None
    sha256: str

    @property
    def rows(self) -> int:
        """The rows that the file's footer counts."""
        assert self.file is not None
        return int(self.file.metadata.num_rows)

    def table(self, columns: list[str] | None = None) -> pa.Table:
        """Return some columns, or all of them."""
        assert self.file is not None
        return self.file.read(columns, use_threads=False)

    def totals(self) -> Totals:
        """Return the totals of quotes; this reads one column."""
        return Totals.of(self.table([_VOLUME]))

    def damage(self, trade_date: dt.date) -> Difference | None:
        """Return what is wrong with the object by itself: its format, the sha256 and the row count of its metadata."""
        expected_sha256 = self.metadata.get(CONTENT_SHA256, self.sha256)
        expected_rows = self.metadata.get("rows", "none")
        if self.sha256 != expected_sha256:
            expected, found = f"sha256 {expected_sha256}", f"sha256 {self.sha256}"
        elif self.file is None:
            expected, found = "a Parquet file", f"other bytes, of sha256 {self.sha256}"
        elif expected_rows != str(self.rows):
            expected, found = f"metadata rows {self.rows}, as in the file", f"metadata rows {expected_rows}"
            # A run leaves right bytes as they are.
            return Difference(ROWS, self.uri, expected, found, f"delete the object, then {rebuild(trade_date)}")
        else:
            return None
        return Difference(DAMAGED, self.uri, expected, found, rebuild(trade_date))


def read(s3: Any, lake: Lake, partition: Partition) -> StoredObject:
    """Read the object of a partition."""
    answer = s3.get_object(Bucket=lake.bucket, Key=partition.key)
    body = answer["Body"].read()
    try:
        file = pq.ParquetFile(io.BytesIO(body))
    except pa.ArrowException:
        file = None
    sha256 = hashlib.sha256(body).hexdigest()
    return StoredObject(lake.uri(partition.key), answer["ETag"], answer["Metadata"], file, sha256)


def missing(lake: Lake, inventory: Inventory, partition: Partition, source: str) -> Difference:
    """Return the difference of a partition without its object; `source` names what it should be made from."""
    marker = inventory.deleted.get(partition.key)
    found = f"delete marker {marker} over a former version" if marker else "no object"
    return Difference(
        MISSING, lake.uri(partition.key), f"an object made from {source}", found, rebuild(partition.trade_date)
    )
