"""From landing/index/ to raw/index_portfolio/: index portfolios as typed Parquet, one object a partition."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from b3.errors import SourceError
from b3.indexes import portfolio
from b3.indexes.land import LandedPortfolio
from b3.lake import layout, parquet
from b3.lake.commit import head, put_if_changed, until_committed
from b3.lake.landed import LandedFile, read_landed
from b3.lake.layout import Lake
from b3.site.addresses import INDEX_METHODS

# The partition column is trade_date, and Athena refuses a table that has it twice.
PORTFOLIO_SCHEMA = portfolio.SCHEMA.set(0, portfolio.SCHEMA.field("trade_date").with_name("source_date"))

_ENDPOINTS = tuple(INDEX_METHODS)


@dataclass(frozen=True)
class RawIndexPortfolio:
    """A raw partition of index portfolios.

    Attributes:
        uri: the partition's object.
        rows: their number.
        rows_of: their number by index and endpoint.
    """

    uri: str
    rows: int
    rows_of: dict[str, dict[str, int]]


def write_portfolios(s3: Any, lake: Lake, landed: Sequence[LandedPortfolio], trade_date: dt.date) -> RawIndexPortfolio:
    """Write the raw partition of a session from the portfolios that landed for it.

    Rows are sorted by index and endpoint, and keep B3's order within an endpoint. source_date is the session that the
    answer names, null if it names none. The one PUT is the commit, see `b3.lake.commit`: the same sources give the same
    bytes, and bytes that are there already are not written again.

    Args:
        s3: a boto3 S3 client.
        lake: the lake.
        landed: at least one; the order does not matter.
        trade_date: the session.

    Raises:
        SourceError: and its subclasses: a landed file is damaged, or of another date, or real and simulated ones are
            mixed.
    """
    key = layout.raw_index_portfolio_key(trade_date)
    ordered = sorted(landed, key=lambda each: (each.index, _ENDPOINTS.index(each.endpoint)))
    metadata = {
        "source": _shared_source([each.file for each in ordered]),
        "source-sha256": _shared_sha256([each.file for each in ordered]),
    }

    def write() -> RawIndexPortfolio:
        former = head(s3, lake, key)
        tables = [_portfolio(s3, lake, each, trade_date) for each in ordered]
        rows_of: dict[str, dict[str, int]] = {}
        for each, part in zip(ordered, tables, strict=True):
            rows_of.setdefault(each.index, {})[each.endpoint] = part.num_rows
        table = pa.concat_tables(tables)
        rows = {"rows": str(table.num_rows)}
        put_if_changed(s3, lake, key, parquet.encode(table), metadata | rows, former)
        return RawIndexPortfolio(lake.uri(key), table.num_rows, rows_of)

    return until_committed(write, lake.uri(key))


def _portfolio(s3: Any, lake: Lake, landed: LandedPortfolio, trade_date: dt.date) -> pa.Table:
    # The other endpoints name no date to check.
    expected = trade_date if landed.endpoint == "portfolio_day" else None
    table = portfolio.read_table(
        read_landed(s3, lake, landed.file),
        endpoint=landed.endpoint,
        index=landed.index,
        trade_date=expected,
        source=landed.file.uri,
    )
    return table.rename_columns(PORTFOLIO_SCHEMA.names)


def _shared_source(files: list[LandedFile]) -> str:
    """Return the `source` that all of these files have.

    Raises:
        SourceError: they have several.
    """
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
    """Return the sha256 of a file; of several files that of their sorted sha256s, a line each."""
    found = sorted(file.sha256 for file in files)
    return found[0] if len(found) == 1 else hashlib.sha256("\n".join(found).encode()).hexdigest()
