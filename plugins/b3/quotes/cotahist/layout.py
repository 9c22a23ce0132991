"""The fixed-width layout of COTAHIST, B3's historical quotes.

The source is B3's "Layout do arquivo – Cotações históricas" (SeriesHistoricas_Layout.pdf). A file is a header
record (type 00), one record per instrument, market and term (type 01), and a trailer (type 99). Each record has
245 latin-1 bytes and a line end.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

RECORD_LENGTH = 245
HEADER_TYPE, QUOTE_TYPE, TRAILER_TYPE = b"00", b"01", b"99"
FILE_ID = b"COTAHIST"
# B3 writes 9999-12-31 for no date; the other two mean the same.
NO_DATES = (b"99991231", b"00000000", b" " * 8)


_TEXT = pa.string()
_PRICE = pa.decimal128(13, 2)


@dataclass(frozen=True)
class Field:
    """A field of a record.

    Attributes:
        name: B3's name of the field.
        start: its first byte in the record, from 1 as in B3's document.
        length: number of bytes.
        column: the column of its values, None if the field is only checked.
        type: the column's type. The scale of a decimal is the field's number of implied decimal places.
        optional: whether it may be blank; blanks become null.
        decides: whether the field identifies a quote or holds its values. If such a field cannot be read, that is an
            error. In any other field it becomes null, and `UNREADABLE` has its bytes. Blanks in a field that is not
            optional cannot be read.
    """

    name: str
    start: int
    length: int
    column: str | None = None
    type: pa.DataType = _TEXT
    optional: bool = False
    decides: bool = True

    @property
    def bytes(self) -> slice:
        """The field's bytes in a record, from 0."""
        return slice(self.start - 1, self.start - 1 + self.length)

    @property
    def place(self) -> str:
        """The field's name and columns, for messages."""
        return f"{self.name} (columns {self.start}–{self.start + self.length - 1})"


QUOTE_FIELDS = (
    Field("TIPREG", 1, 2),
    Field("DATPRE", 3, 8, "trade_date", pa.date32()),
    Field("CODBDI", 11, 2, "bdi_code", optional=True),
    Field("CODNEG", 13, 12, "ticker"),
    Field("TPMERC", 25, 3, "market_type"),
    Field("NOMRES", 28, 12, "short_name", optional=True),
    Field("ESPECI", 40, 10, "specification", optional=True),
    Field("PRAZOT", 50, 3, "forward_days", pa.int16(), optional=True, decides=False),
    Field("MODREF", 53, 4, "currency", optional=True),
    Field("PREABE", 57, 13, "open", _PRICE),
    Field("PREMAX", 70, 13, "high", _PRICE),
    Field("PREMIN", 83, 13, "low", _PRICE),
    Field("PREMED", 96, 13, "average", _PRICE),
    Field("PREULT", 109, 13, "close", _PRICE),
    Field("PREOFC", 122, 13, "best_bid", _PRICE),
    Field("PREOFV", 135, 13, "best_ask", _PRICE),
    Field("TOTNEG", 148, 5, "trade_count", pa.int32(), decides=False),
    Field("QUATOT", 153, 18, "quantity", pa.int64()),
    Field("VOLTOT", 171, 18, "financial_volume", pa.decimal128(18, 2)),
    Field("PREEXE", 189, 13, "strike_price", _PRICE),
    Field("INDOPC", 202, 1, "strike_correction", optional=True),
    Field("DATVEN", 203, 8, "expiry_date", pa.date32(), optional=True),
    Field("FATCOT", 211, 7, "quote_factor", pa.int32()),
    Field("PTOEXE", 218, 13, "strike_points", pa.decimal128(13, 6), decides=False),
    Field("CODISI", 231, 12, "isin", optional=True),
    Field("DISMES", 243, 3, "distribution_number", pa.int16(), decides=False),
)

FILE_NAME = Field("NOME DO ARQUIVO", 3, 13)
ORIGIN = Field("CÓDIGO DA ORIGEM", 16, 8)
GENERATED = Field("DATA DA GERAÇÃO", 24, 8, type=pa.date32(), optional=True)
TOTAL_RECORDS = Field("TOTAL DE REGISTROS", 32, 11, type=pa.int64())

COLUMNS = {field.column: field for field in QUOTE_FIELDS if field.column is not None}
SCHEMA = pa.schema([(column, field.type) for column, field in COLUMNS.items()])

# An extra column: the fields of a record that could not be read, each with its bytes in hex, such as
# "forward_days 000f20, trade_count 2020202020". It is null for nearly all records: B3's file of
# 1987 has 34 unreadable fields.
UNREADABLE = "unreadable"
READ_SCHEMA = SCHEMA.append(pa.field(UNREADABLE, pa.string()))
