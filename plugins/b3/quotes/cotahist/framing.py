"""Split a COTAHIST text into records, and check its header, record ends and trailer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from b3.errors import BadLayout, Truncated
from b3.quotes.cotahist.decode import Records
from b3.quotes.cotahist.layout import FILE_ID, HEADER_TYPE, QUOTE_TYPE, RECORD_LENGTH, TOTAL_RECORDS, TRAILER_TYPE
from b3.quotes.cotahist.source import FETCH_AGAIN, Text, not_b3_data

# Up to about the end of 2024, B3's trailers counted all lines, with header and trailer. Since then they count the quote
# records alone. The exact date of the change is not known, so both counts are right in every file.
TrailerForm = Literal["quotes", "lines"]

_BEGINNING = HEADER_TYPE + FILE_ID
_PAGE = 4096
_EXCERPT = 40


class Framing:
    """The records of a text, in order. The header is record 1.

    Attributes:
        header: the header record.
        trailer: the trailer record, None until all blocks are read.

    Raises:
        NotB3Data: the text is not COTAHIST.
        Truncated: the text ends within the header.
        BadLayout: the header is missing, or is not 245 bytes and a line end.
    """

    def __init__(self, text: Text) -> None:
        self.trailer: bytes | None = None
        self._text = text
        beginning = text.read(RECORD_LENGTH)
        line_end = text.read(1)
        if line_end == b"\r":
            line_end += text.read(1)
        self.header = beginning
        self._line_end = line_end
        self._stride = RECORD_LENGTH + len(line_end)
        self._quotes = 0
        if not beginning.startswith(_BEGINNING):
            raise self._no_header(beginning)
        if len(line_end) == 0 or line_end == b"\r":
            raise self._no_trailer("its first record")
        if line_end not in (b"\n", b"\r\n") or b"\n" in beginning or beginning.endswith(b"\r"):
            raise self._wrong_width(1, beginning + line_end + text.read(_EXCERPT))

    def blocks(self, block_records: int) -> Iterator[tuple[int, Records]]:
        """Yield the quote records in blocks of `block_records`; the last block may be smaller.

        Yields:
            The number of the block's first record, and the records: bytes of shape (records, record and
            line end). The block is not changed afterwards.

        Raises:
            Truncated: the text ends before its trailer, or has fewer records than the trailer counts.
            BadLayout: a record is not 245 bytes and the header's line end, or is not of type 01; or there are
                more records than the trailer counts; or text follows the trailer.
        """
        size = block_records * self._stride
        filled = size
        while filled == size:
            block = np.empty(size, np.uint8)
            filled = self._text.fill(memoryview(block))
            first = self._quotes + 2
            records = self._quotes_in(block, filled)
            self._quotes += len(records)
            if len(records):
                yield first, records
        self._check_trailer()

    @property
    def trailer_records(self) -> int:
        """Count in the trailer, once all blocks are read; `trailer_form` says what it counts."""
        assert self.trailer is not None
        return int(self.trailer[TOTAL_RECORDS.bytes])

    @property
    def trailer_form(self) -> TrailerForm:
        """What the trailer counts, once all blocks are read."""
        return "quotes" if self.trailer_records == self._quotes else "lines"

    def bad_record(self, number: int, expected: str, found: str) -> BadLayout:
        """Return the error for a record that breaks the layout; its message has the record's place."""
        return BadLayout(
            source=self._text.source,
            expected=f"{expected} in record {number} (byte {(number - 1) * self._stride:,} of the text)",
            found=found,
            hint="Compare it with B3's SeriesHistoricas_Layout.pdf; b3.quotes.cotahist.layout follows that document.",
        )

    def _quotes_in(self, block: Records, filled: int) -> Records:
        """Return the quote records in the first `filled` bytes of `block`; keep the trailer if it follows them."""
        first = self._quotes + 2
        if filled and self.trailer is not None:
            raise self._after_trailer(first + 1, block[:filled])
        odd = filled % self._stride
        if odd >= RECORD_LENGTH:
            # The last record may have no line end; what has one within 245 bytes is a shorter record.
            last = block[filled - odd : filled - odd + RECORD_LENGTH].tobytes()
            if b"\n" in last:
                raise self._wrong_width(first + filled // self._stride, last)
            missing = self._line_end[odd - RECORD_LENGTH :]
            block[filled : filled + len(missing)] = np.frombuffer(missing, np.uint8)
            filled += len(missing)
            odd = 0
        fragment = block[filled - odd : filled]
        records = block[: filled - odd].reshape(-1, self._stride)

        wrong = _rows_other_than(records[:, RECORD_LENGTH:], self._line_end)
        if len(wrong):
            row = int(wrong[0])
            onwards = block[row * self._stride : filled].tobytes() + self._text.read(self._stride)
            raise self._wrong_width(first + row, onwards[: 2 * self._stride])
        others = _rows_other_than(records[:, : len(QUOTE_TYPE)], QUOTE_TYPE)
        if not len(others):
            if len(fragment):
                raise self._fragment(first + len(records), fragment.tobytes())
            return records
        end = int(others[0])
        kind = records[end, : len(QUOTE_TYPE)].tobytes()
        if kind != TRAILER_TYPE:
            raise self.bad_record(first + end, "record type 01 or 99", repr(kind.decode("latin-1")))
        self.trailer = records[end, :RECORD_LENGTH].tobytes()
        rest = block[(end + 1) * self._stride : filled]
        if len(rest):
            raise self._after_trailer(first + end + 1, rest)
        return records[:end]

    def _check_trailer(self) -> None:
        if self.trailer is None:
            raise self._no_trailer(f"record {self._quotes + 1}")
        count = self.trailer[TOTAL_RECORDS.bytes]
        lines = self._quotes + 2
        if not count.isdigit():
            raise self.bad_record(lines, f"digits in {TOTAL_RECORDS.place}", repr(count.decode("latin-1")))
        counted = int(count)
        if counted in (self._quotes, lines):
            return
        fields = {
            "source": self._text.source,
            "expected": f"{counted:,} records with header and trailer, or {counted + 2:,} where the trailer that says "
            f"{counted:,} leaves these two out",
            "found": f"{lines:,}",
        }
        if counted > self._quotes:
            raise Truncated(**fields, hint=FETCH_AGAIN)
        raise BadLayout(**fields, hint="Look for repeated records, and download the file from B3 again.")

    def _no_header(self, beginning: bytes) -> Exception:
        if _BEGINNING.startswith(beginning):
            return self._no_trailer("the header")
        if self._line_end.endswith(b"\n") and b"\n" not in beginning:
            return self.bad_record(1, f"the header {_BEGINNING.decode()}", _excerpt(beginning))
        return not_b3_data(self._text.source, beginning + self._line_end + self._text.read(_PAGE))

    def _no_trailer(self, after: str) -> Truncated:
        return Truncated(
            source=self._text.source,
            expected="a trailer (record type 99) at the end",
            found=f"the end of the text in or after {after}",
            hint=FETCH_AGAIN,
        )

    def _fragment(self, number: int, fragment: bytes) -> Exception:
        if b"\n" in fragment:
            return self._wrong_width(number, fragment)
        return self._no_trailer(f"record {number}, of which there are {len(fragment)} bytes")

    def _wrong_width(self, number: int, text: bytes) -> BadLayout:
        line, end, _ = text.partition(b"\n")
        line_end = (b"\r" if line.endswith(b"\r") else b"") + end
        width = len(line.removesuffix(b"\r"))
        expected = self._line_end if self._line_end.endswith(b"\n") else b"\n"
        return self.bad_record(
            number,
            f"{RECORD_LENGTH} bytes and the line end {expected!r}",
            f"{width} bytes and {line_end!r}: {_excerpt(line)}" if end else f"no line end: {_excerpt(text)}",
        )

    def _after_trailer(self, number: int, rest: Records) -> BadLayout:
        return self.bad_record(number, "nothing after the trailer", _excerpt(rest[: _EXCERPT + 1].tobytes()))


def _rows_other_than(columns: Records, value: bytes) -> np.ndarray:
    return np.flatnonzero((columns != np.frombuffer(value, np.uint8)).any(axis=1))


def _excerpt(data: bytes) -> str:
    text = data.decode("latin-1")
    return repr(text if len(text) <= _EXCERPT else text[:_EXCERPT] + "…")
