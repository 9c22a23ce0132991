"""Read the beginning of a COTAHIST ZIP, to check a file of 90 MB without a full download."""

from __future__ import annotations

import datetime as dt
import struct
import zlib
from dataclasses import dataclass

import pyarrow as pa

from b3.errors import BadLayout, Truncated
from b3.quotes.cotahist.decode import parse_date
from b3.quotes.cotahist.layout import GENERATED, NO_DATES, RECORD_LENGTH
from b3.quotes.cotahist.reader import iter_batches
from b3.quotes.cotahist.source import FETCH_AGAIN, not_b3_data

_MAGIC = b"PK\3\4"
# A ZIP's local header, up to the member's name: see section 4.3.7 of PKWARE's APPNOTE.
_HEADER = struct.Struct("<4s5H3I2H")
_ENCRYPTED = 1
_STORED, _DEFLATED = 0, 8
# The most text to unpack: a ZIP may unpack to a thousand times its size.
_MOST_TEXT = 1 << 22


@dataclass(frozen=True)
class Beginning:
    """The content of the first bytes of a COTAHIST file.

    Attributes:
        generated: the date on which B3 generated the file, None if blank in the header.
        quotes: the first quote records, with `SCHEMA`.
    """

    generated: dt.date | None
    quotes: pa.RecordBatch


def read_beginning(data: bytes, *, name: str) -> Beginning:
    """Return the content of the first bytes of a ZIP.

    Header and records are checked as `Reader` does. Trailer and checksum are at the end of the file, so they are not.

    Args:
        data: the first bytes, with at least one quote record; 64 KB hold a few thousand.
        name: name of the source in messages.

    Raises:
        NotB3Data: the bytes are no ZIP, or no COTAHIST.
        Truncated: they are damaged, or too few for a quote record.
        BadLayout: a record breaks the layout, or the ZIP is packed in a way that B3 does not use.
    """
    text = _inflate(data, name)
    width = text.find(b"\n") + 1 or RECORD_LENGTH
    # The last record may be cut off, and the first is the header.
    records = max(len(text) // width - 1, 1)
    quotes = next(iter_batches(text, records, name=name), None)
    if quotes is None:
        raise Truncated(source=name, expected="a quote record after the header", found="none", hint=FETCH_AGAIN)
    generated = text[GENERATED.bytes]
    return Beginning(None if generated in NO_DATES else parse_date(generated), quotes)


def _inflate(data: bytes, name: str) -> bytes:
    """Return the beginning of the text in the ZIP's first member."""
    if not data.startswith(_MAGIC):
        raise not_b3_data(name, data)
    if len(data) < _HEADER.size:
        raise _cut_short(name, f"{len(data)} bytes")
    _, _, flags, method, *_, name_length, extra_length = _HEADER.unpack_from(data)
    if flags & _ENCRYPTED or method not in (_STORED, _DEFLATED):
        raise BadLayout(
            source=name,
            expected="a deflated or stored member, not encrypted",
            found=f"method {method}, {'encrypted' if flags & _ENCRYPTED else 'not encrypted'}",
            hint="Check that it is a COTAHIST ZIP as B3 publishes it.",
        )
    packed = data[_HEADER.size + name_length + extra_length :]
    try:
        text = zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, _MOST_TEXT) if method == _DEFLATED else packed
    except zlib.error as error:
        raise Truncated(
            source=name, expected="a deflated member", found=f"damaged data ({error})", hint=FETCH_AGAIN
        ) from error
    if not text:
        raise _cut_short(name, "none")
    return text


def _cut_short(name: str, found: str) -> Truncated:
    return Truncated(source=name, expected="the beginning of a ZIP's member", found=found, hint=FETCH_AGAIN)
