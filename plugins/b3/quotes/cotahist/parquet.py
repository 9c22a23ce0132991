"""COTAHIST files as the lake's raw quotes in Parquet."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from b3.quotes.cotahist.layout import READ_SCHEMA
from b3.quotes.cotahist.reader import BATCH_ROWS, Reader, Summary
from b3.quotes.cotahist.source import Source

# The partition column is trade_date, and Athena refuses a table that has it twice.
RAW_SCHEMA = READ_SCHEMA.set(0, READ_SCHEMA.field("trade_date").with_name("source_date"))
_ENCODED = pa.dictionary(pa.int32(), pa.string())
_ENCODED_SCHEMA = pa.schema(
    [field.with_type(_ENCODED) if pa.types.is_string(field.type) else field for field in RAW_SCHEMA]
)
_OPTIONS = {
    "compression": "zstd",
    "compression_level": 1,
    "store_decimal_as_integer": True,
    "store_schema": False,
    "write_statistics": True,
    "use_dictionary": [field.name for field in RAW_SCHEMA if not pa.types.is_decimal(field.type)],
}


def write_parquet(
    source: Source, sink: str | Path | BinaryIO, *, trade_date: dt.date | None, name: str | None = None
) -> Summary:
    """Writes a COTAHIST file as raw quotes: `RAW_SCHEMA`, zstd, one row per quote record in file order.

    The same records give the same bytes, however the source hands them out. Row groups hold
    `BATCH_ROWS` of them. Decimals are stored as 32- and 64-bit integers, which Spark, Athena and DuckDB read.

    Args:
        source: path, bytes or seekable binary file of the ZIP or of its text member.
        sink: path or writable binary file. A path is replaced once the whole is written; what a file holds
            after an error is for the caller to discard.
        trade_date: the date every record has to carry; None takes any.
        name: what messages call the source; by default the path or the file's own name.

    Raises:
        NotPublished, NoRecords, NotB3Data, Truncated, BadLayout, WrongDate: as `Reader`.
    """
    if not isinstance(sink, str | Path):
        return _write(source, sink, trade_date, name)
    part = Path(f"{sink}.part")
    try:
        summary = _write(source, part, trade_date, name)
        part.replace(sink)
    finally:
        part.unlink(missing_ok=True)
    return summary


def write_session(records: pa.Table, sink: BinaryIO) -> None:
    """Writes the quote records of one session as `write_parquet` writes a file of that session: the same bytes.

    Args:
        records: of `READ_SCHEMA`, in file order.
        sink: writable binary file.
    """
    with pq.ParquetWriter(sink, _ENCODED_SCHEMA, **_OPTIONS) as writer:
        for batch in records.combine_chunks().to_batches(max_chunksize=BATCH_ROWS):
            encoded = [
                column.dictionary_encode() if pa.types.is_string(column.type) else column for column in batch.columns
            ]
            writer.write_batch(pa.RecordBatch.from_arrays(encoded, schema=_ENCODED_SCHEMA), row_group_size=len(batch))


def _write(source: Source, sink: Path | BinaryIO, trade_date: dt.date | None, name: str | None) -> Summary:
    reader = Reader(source, trade_date=trade_date, dictionaries=True, unreadable=True, name=name)
    with pq.ParquetWriter(sink, _ENCODED_SCHEMA, **_OPTIONS) as writer:
        for batch in _ahead(reader):
            # One row group per batch: a dictionary that changed within one would undo its encoding.
            writer.write_batch(batch.rename_columns(RAW_SCHEMA.names), row_group_size=len(batch))
    return reader.summary


def _ahead(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same batches, each prepared in a thread while the one before it is in use."""
    iterator = iter(batches)
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(next, iterator, None)
        while (batch := following.result()) is not None:
            following = pool.submit(next, iterator, None)
            yield batch
