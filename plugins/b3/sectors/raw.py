"""From landing/sectors/ to raw/sectors/: the sector classification as typed Parquet, one object a partition."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from b3.lake import layout, parquet
from b3.lake.commit import head, put_if_changed, until_committed
from b3.lake.landed import LandedFile, read_landed
from b3.lake.layout import Lake
from b3.sectors import workbook


@dataclass(frozen=True)
class RawSectors:
    """A raw partition of the sector classification: its object, and the number of its rows."""

    uri: str
    rows: int


def write_sectors(s3: Any, lake: Lake, landed: LandedFile, trade_date: dt.date) -> RawSectors:
    """Write the raw partition of a session from the workbook that landed for it, in the workbook's order.

    The one PUT is the commit, see `b3.lake.commit`.

    Raises:
        SourceError: and its subclasses: the landed file is damaged.
    """
    key = layout.raw_sectors_key(trade_date)

    def write() -> RawSectors:
        former = head(s3, lake, key)
        table = workbook.read_workbook(read_landed(s3, lake, landed), source=landed.uri)
        metadata = {**landed.metadata(), "rows": str(table.num_rows)}
        put_if_changed(s3, lake, key, parquet.encode(table), metadata, former)
        return RawSectors(lake.uri(key), table.num_rows)

    return until_committed(write, lake.uri(key))
