"""Write columns as 245-byte records in COTAHIST, the fixed-width layout of B3's historical quotes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

RECORD_LENGTH = 245
END_OF_LINE = b"\r\n"

# The trailer of A2024 also counts the header and the trailer. Trailers of A2025 and of later files count the 01 records
# alone. The day of the change is not known: the last file seen in the old form is of 8 November 2024.
TRAILER_COUNTS_QUOTES_ALONE_FROM = dt.date(2025, 1, 1)

Columns = Mapping[str, NDArray[Any]]


class Field(NamedTuple):
    """A field of record 01: B3's name, the column, the first byte from 1, and the number of bytes."""

    b3_name: str
    column: str
    start: int
    length: int


LAYOUT = (
    Field("CODBDI", "bdi_code", 11, 2),
    Field("CODNEG", "ticker", 13, 12),
    Field("TPMERC", "market_type", 25, 3),
    Field("NOMRES", "short_name", 28, 12),
    Field("ESPECI", "specification", 40, 10),
    Field("PRAZOT", "forward_days", 50, 3),
    Field("PREABE", "open", 57, 13),
    Field("PREMAX", "high", 70, 13),
    Field("PREMIN", "low", 83, 13),
    Field("PREMED", "average", 96, 13),
    Field("PREULT", "close", 109, 13),
    Field("PREOFC", "best_bid", 122, 13),
    Field("PREOFV", "best_ask", 135, 13),
    Field("TOTNEG", "trade_count", 148, 5),
    Field("QUATOT", "quantity", 153, 18),
    Field("VOLTOT", "financial_volume", 171, 18),
    Field("PREEXE", "strike_price", 189, 13),
    Field("INDOPC", "strike_correction", 202, 1),
    Field("DATVEN", "expiry_date", 203, 8),
    Field("FATCOT", "quote_factor", 211, 7),
    Field("PTOEXE", "strike_points", 218, 13),
    Field("CODISI", "isin", 231, 12),
    Field("DISMES", "distribution_number", 243, 3),
)


def _digits(values: NDArray[Any], field: Field) -> NDArray[np.uint8]:
    digits = np.empty((len(values), field.length), np.uint8)
    rest = values.astype(np.int64)
    for position in range(field.length - 1, -1, -1):
        rest, digit = np.divmod(rest, 10)
        digits[:, position] = digit + ord("0")
    if rest.any():
        raise ValueError(f"expected {field.b3_name} of at most {field.length} digits, found {values[rest != 0][0]}")
    return digits


def _text(values: NDArray[Any], field: Field) -> NDArray[np.uint8]:
    if values.dtype.itemsize > field.length:
        longest = max(values.tolist(), key=len)
        raise ValueError(f"expected {field.b3_name} of at most {field.length} bytes, found {longest!r}")
    characters = values.astype(f"S{field.length}").view(np.uint8).reshape(len(values), field.length)
    # numpy pads values with zero bytes at the end. Zero bytes before other characters belong to the value.
    is_filling = np.ones(len(values), np.bool_)
    for position in range(field.length - 1, -1, -1):
        is_filling &= characters[:, position] == 0
        characters[is_filling, position] = ord(" ")
    return characters


def quotes(session: dt.date, currency: str, columns: Columns) -> bytes:
    """Return the 01 records of one session. Numbers are integers in units of the field's last digit.

    Raises:
        ValueError: a value is too long for its field.
    """
    count = len(columns["ticker"])
    records = np.full((count, RECORD_LENGTH + len(END_OF_LINE)), ord(" "), np.uint8)
    for text, start in ((f"01{session:%Y%m%d}", 1), (currency, 53)):
        records[:, start - 1 : start - 1 + len(text)] = np.frombuffer(text.encode("latin-1"), np.uint8)
    for field in LAYOUT:
        values = columns[field.column]
        write = _text if values.dtype.kind == "S" else _digits
        records[:, field.start - 1 : field.start - 1 + field.length] = write(values, field)
    records[:, RECORD_LENGTH:] = np.frombuffer(END_OF_LINE, np.uint8)
    return records.tobytes()


def _edge(text: str) -> bytes:
    return text.ljust(RECORD_LENGTH).encode("latin-1") + END_OF_LINE


def header(last_session: dt.date) -> bytes:
    """Return the 00 record of a file whose last session is `last_session`."""
    return _edge(f"00COTAHIST.{last_session:%Y}BOVESPA {last_session:%Y%m%d}")


def trailer(last_session: dt.date, quote_count: int) -> bytes:
    """Return the 99 record of a file with `quote_count` quotes whose last session is `last_session`."""
    others = 0 if last_session >= TRAILER_COUNTS_QUOTES_ALONE_FROM else 2
    return _edge(f"99COTAHIST.{last_session:%Y}BOVESPA {last_session:%Y%m%d}{quote_count + others:011d}")
