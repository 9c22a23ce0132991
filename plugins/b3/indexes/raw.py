"""From landing/ to raw/: index portfolios and the sector classification as typed Parquet, one object a partition."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from b3.errors import SourceError
from b3.indexes import portfolio
from b3.indexes.land import LandedPortfolio
from b3.lake import layout
from b3.lake.layout import Lake
from b3.quotes.land import LandedFile, open_landed
from b3.quotes.raw import put_if_changed
from b3.sectors import workbook
from b3.site.addresses import INDEX_METHODS

# The partition column is trade_date, and Athena refuses a table that has it twice.
PORTFOLIO_SCHEMA = portfolio.SCHEMA.set(0, portfolio.SCHEMA.field("trade_date").with_name("source_date"))

_ENDPOINTS = tuple(INDEX_METHODS)


@dataclass(frozen=True)
class RawIndexPortfolio:
    """A raw partition of index portfolios; `rows_of` are its rows by index and endpoint."""

    uri: str
    rows: int
    rows_of: dict[str, dict[str, int]]


@dataclass(frozen=True)
class RawSectors:
    """A raw partition of the sector classification."""

    uri: str
    rows: int


def write_portfolios(s3: Any, where: Lake, landed: Sequence[LandedPortfolio], trade_date: dt.date) -> RawIndexPortfolio:
    """Write the raw partition of `trade_date` from the portfolios that landed for it.

    Rows are sorted by index and endpoint, within these in B3's order. source_date is the session that the answer
    itself names, null where it names none. The one PUT is the commit: the same sources give the same bytes, and bytes
    that are there already are not written again.

    Args:
        s3: a boto3 S3 client.
        where: the lake.
        landed: at least one; the order does not matter.
        trade_date: the session.

    Raises:
        SourceError: and its subclasses: a landed file is damaged, or of another date; real and simulated ones are
            mixed.
    """
    ordered = sorted(landed, key=lambda of: (of.index, _ENDPOINTS.index(of.endpoint)))
    source = _shared_source([of.file for of in ordered])
    tables = [_portfolio(s3, where, of, trade_date) for of in ordered]
    rows_of: dict[str, dict[str, int]] = {}
    for of, part in zip(ordered, tables, strict=True):
        rows_of.setdefault(of.index, {})[of.endpoint] = part.num_rows
    table = pa.concat_tables(tables)
    key = layout.raw_index_portfolio_key(trade_date)
    metadata = {
        "source": source,
        "source-sha256": _shared_sha256([of.file for of in ordered]),
        "rows": str(table.num_rows),
    }
    put_if_changed(s3, where, key, _parquet(table), metadata)
    return RawIndexPortfolio(where.uri(key), table.num_rows, rows_of)


def write_sectors(s3: Any, where: Lake, landed: LandedFile, trade_date: dt.date) -> RawSectors:
    """Write the raw partition of `trade_date` from the sector classification that landed on it, in its order.

    Raises:
        SourceError: and its subclasses: the landed file is damaged.
    """
    table = workbook.read_workbook(_body(s3, where, landed), source=landed.uri)
    key = layout.raw_sectors_key(trade_date)
    put_if_changed(s3, where, key, _parquet(table), {**landed.metadata(), "rows": str(table.num_rows)})
    return RawSectors(where.uri(key), table.num_rows)


def _portfolio(s3: Any, where: Lake, landed: LandedPortfolio, trade_date: dt.date) -> pa.Table:
    # The date of portfolio_day is checked; what names none has none.
    expected = trade_date if landed.endpoint == "portfolio_day" else None
    table = portfolio.read_table(
        _body(s3, where, landed.file),
        endpoint=landed.endpoint,
        index=landed.index,
        trade_date=expected,
        source=landed.file.uri,
    )
    return table.rename_columns(PORTFOLIO_SCHEMA.names)


def _body(s3: Any, where: Lake, landed: LandedFile) -> bytes:
    sink = io.BytesIO()
    open_landed(s3, where, landed, sink)
    return sink.getvalue()


def _shared_source(files: list[LandedFile]) -> str:
    """The label that all of these files carry."""
    source = files[0].source
    for file in files:
        if file.source != source:
            raise SourceError(
                source=file.uri,
                expected=f"a file of source {source!r}, as {files[0].uri} is",
                found=f"one of source {file.source!r}",
                hint="Real and simulated data never share a bucket: delete the simulated files, and run scrape again.",
            )
    return source


def _shared_sha256(files: list[LandedFile]) -> str:
    """The sha256 of a file, or of the sorted sha256s of several, a line each."""
    found = sorted(file.sha256 for file in files)
    return found[0] if len(found) == 1 else hashlib.sha256("\n".join(found).encode()).hexdigest()


def _parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(
        table,
        sink,
        compression="zstd",
        store_decimal_as_integer=True,
        store_schema=False,
        use_dictionary=[field.name for field in table.schema if not pa.types.is_decimal(field.type)],
    )
    return sink.getvalue()
