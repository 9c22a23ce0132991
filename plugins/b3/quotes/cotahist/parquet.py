"""Write COTAHIST files as the lake's raw quotes in Parquet."""

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

# trade_date is the partition column, and Athena refuses a table with two columns of one name.
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
    """Write a COTAHIST file as raw quotes: `RAW_SCHEMA`, zstd, one row per quote record in file order.

    The same records give the same bytes, whatever the kind of source. Row groups hold `BATCH_ROWS` records.
    Decimals are stored as 32- and 64-bit integers, which Spark, Athena and DuckDB read.

    Args:
        source: path, bytes or seekable binary file of the ZIP or of its text member.
        sink: path or writable binary file. A path is replaced only by a whole file. After an error, the caller must
            discard the content of a binary file.
        trade_date: the date that every record must have; None takes any.
        name: name of the source in messages; by default the path or the file's name.

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
    """Write the quote records of one session; `write_parquet` gives the same bytes for a file of that session.

    Args:
        records: quotes with `READ_SCHEMA`, in file order.
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
            # One row group per batch: pyarrow gives up dictionary encoding if the dictionary changes within a group.
            writer.write_batch(batch.rename_columns(RAW_SCHEMA.names), row_group_size=len(batch))
    return reader.summary


def _ahead(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the same batches; a thread prepares each one while the caller uses the one before."""
    iterator = iter(batches)
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(next, iterator, None)
        while (batch := following.result()) is not None:
            following = pool.submit(next, iterator, None)
            yield batch
