"""How small raw tables are encoded as Parquet."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq


def encode(table: pa.Table) -> bytes:
    """Return a table as one Parquet file, zstd; equal tables give equal bytes.

    Decimals are stored as integers, and without a dictionary: Athena and Spark read both, and files are smaller.
    """
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
