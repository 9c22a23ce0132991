"""B3's historical quotes: the fixed-width COTAHIST files, decoded exactly and checked whole.

`read_table` and `iter_batches` return a file's quotes. `verify` only checks the file. `write_parquet` writes a file as
the lake's raw quotes. `by_session` splits a monthly or annual file, and `write_session` writes one session.
`read_beginning` reads the first bytes of a file. All of them but `write_session` use `Reader`.
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
