"""B3's historical quotes: the fixed-width COTAHIST files, decoded exactly and checked whole.

`read_table` and `iter_batches` give what a file holds, `verify` only whether it is right, `write_parquet`
the lake's raw quotes; `by_session` takes a file of a month or a year apart, and `write_session` writes a part of it;
`read_beginning` looks at a file of which only the first bytes are at hand;
`Reader` is what they are made of.
"""

from b3.quotes.cotahist.beginning import Beginning, read_beginning
from b3.quotes.cotahist.by_session import Sessions, by_session
from b3.quotes.cotahist.layout import READ_SCHEMA, SCHEMA, UNREADABLE
from b3.quotes.cotahist.parquet import RAW_SCHEMA, write_parquet, write_session
from b3.quotes.cotahist.reader import Reader, Summary, iter_batches, read_table, verify

__all__ = [
    "RAW_SCHEMA",
    "READ_SCHEMA",
    "SCHEMA",
    "UNREADABLE",
    "Beginning",
    "Reader",
    "Sessions",
    "Summary",
    "by_session",
    "iter_batches",
    "read_beginning",
    "read_table",
    "verify",
    "write_parquet",
    "write_session",
]
