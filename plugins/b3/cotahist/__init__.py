"""B3's historical quotes: the fixed-width COTAHIST files, decoded exactly and checked whole.

`read_table` and `iter_batches` give what a file holds, `verify` only whether it is right, `write_parquet`
the lake's raw quotes; `Reader` is what the four are made of.
"""

from b3.cotahist.layout import SCHEMA
from b3.cotahist.parquet import RAW_SCHEMA, write_parquet
from b3.cotahist.reader import Reader, Summary, iter_batches, read_table, verify

__all__ = ["RAW_SCHEMA", "SCHEMA", "Reader", "Summary", "iter_batches", "read_table", "verify", "write_parquet"]
