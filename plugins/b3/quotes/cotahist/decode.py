"""Decode COTAHIST quote records to Arrow columns, one block of records at a time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from b3.quotes.cotahist.layout import COLUMNS, NO_DATES, UNREADABLE, Field

Records = npt.NDArray[np.uint8]

# Records per inner step: 2 MB of text, which stays in the CPU cache while all fields are decoded.
_STEP = 8192
_EPOCH = dt.date(1970, 1, 1).toordinal()


class FieldError(Exception):
    """A field whose bytes do not fit its type.

    Attributes:
        row: number of the record in the block, from 0.
        field: the field.
        found: its bytes.
        expected: what was expected.
    """

    def __init__(self, row: int, field: Field, found: bytes, expected: str) -> None:
        super().__init__(row, field, found, expected)
        self.row = row
        self.field = field
        self.found = found
        self.expected = expected


def decode(records: Records) -> pa.RecordBatch:
    """Return the columns of a block of quote records.

    Args:
        records: bytes, shape (records, bytes from one record to the next), C-contiguous.

    Returns:
        A batch with the columns of `READ_SCHEMA` in order, but with text as dictionary<int32, string>.

    Raises:
        FieldError: a field with `decides` has a non-digit in a number, a date that does not exist, or blanks although
            it is not optional.
    """
    unreadable = _Unreadable()
    numbers = _numbers(records, unreadable)
    columns = [
        numbers[column] if column in numbers else _distinct(records, field, unreadable)
        for column, field in COLUMNS.items()
    ]
    return pa.RecordBatch.from_arrays([*columns, unreadable.column(len(records))], names=[*COLUMNS, UNREADABLE])


def parse_date(text: bytes) -> dt.date:
    """Return the date in `text`, YYYYMMDD.

    Raises:
        ValueError: `text` is no date.
    """
    if not text.isdigit():
        raise ValueError(text)
    return dt.date(int(text[:4]), int(text[4:6]), int(text[6:]))


class _Unreadable:
    """The unreadable bytes of fields without `decides`."""

    def __init__(self) -> None:
        self._notes: dict[int, list[tuple[int, str]]] = {}

    def note(self, rows: Iterable[int], field: Field, records: Records) -> None:
        """Keep the bytes of `field` in these rows of `records`."""
        for row in rows:
            found = records[row, field.bytes].tobytes().hex()
            self._notes.setdefault(int(row), []).append((field.start, f"{field.column} {found}"))

    def column(self, count: int) -> pa.Array:
        """Return the column `UNREADABLE` for `count` rows, as dictionary<int32, string>."""
        indices, texts = np.zeros(count, np.int32), dict[str, int]()
        for row, notes in sorted(self._notes.items()):
            text = ", ".join(note for _, note in sorted(notes))
            indices[row] = texts.setdefault(text, len(texts))
        valid = np.zeros(count, np.bool_)
        valid[list(self._notes)] = True
        width = max(map(len, texts), default=1)
        keys = np.array([text.encode().ljust(width) for text in texts], f"V{width}")
        return pa.DictionaryArray.from_arrays(_array(pa.int32(), indices, valid), _strings(keys))


def _is_number(field: Field) -> bool:
    return not field.optional and (pa.types.is_integer(field.type) or pa.types.is_decimal(field.type))


def _numbers(records: Records, unreadable: _Unreadable) -> dict[str, pa.Array]:
    """Return the columns of digits. All fields of a step are checked together; one by one only if a digit is bad."""
    count = len(records)
    fields = {column: field for column, field in COLUMNS.items() if _is_number(field)}
    # A decimal128 is 16 bytes. All digits of a field fit into the lower 8.
    values = {
        column: np.zeros((count, 2), np.int64)
        if pa.types.is_decimal(field.type)
        else np.empty((count, 1), _integer(field.type))
        for column, field in fields.items()
    }
    valid: dict[str, npt.NDArray[np.bool_]] = {}
    for first in range(0, count, _STEP):
        step = records[first : first + _STEP]
        suspect = np.zeros(len(step), np.uint64)
        for column, field in fields.items():
            values[column][first : first + _STEP, 0] = _parse_digits(step, field.bytes, suspect)
        if (suspect & _HIGH_BITS).any():
            bad = {column: found for column, field in fields.items() if (found := _non_digits(step, field)).any()}
            deciding = [
                (int(found.argmax()), fields[column]) for column, found in bad.items() if fields[column].decides
            ]
            if deciding:
                raise _non_digit(step, first, deciding)
            for column, found in bad.items():
                valid.setdefault(column, np.ones(count, np.bool_))[first : first + _STEP] = ~found
                values[column][first : first + _STEP][found] = 0
                unreadable.note(first + np.flatnonzero(found), fields[column], records)
    return {column: _array(field.type, values[column], valid.get(column)) for column, field in fields.items()}


# Eight ASCII digits are one 64-bit word, and three multiplications and shifts turn it into their number: the
# SWAR parse of D. Lemire, "Quickly parsing eight digits" (2018), over a whole column at once. Text is
# little-endian here: the first digit is the lowest byte.
_ZEROS = np.uint64(0x3030303030303030)
_ABOVE_NINE = np.uint64(0x7676767676767676)
_HIGH_BITS = np.uint64(0x8080808080808080)
_ALL_BITS = 0xFFFFFFFFFFFFFFFF


def _parse_digits(step: Records, place: slice, suspect: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Return the number in the bytes `place` of each record. Set high bits in `suspect` if a byte is no digit."""
    total = np.zeros(len(step), np.uint64)
    for exponent, stop in zip(range(0, 24, 8), range(place.stop, place.start, -8), strict=False):
        word = np.ndarray((len(step),), "<u8", step, stop - 8, (step.strides[0],)) ^ _ZEROS
        digits = min(8, stop - place.start)
        if digits < 8:
            word &= np.uint64(_ALL_BITS << 8 * (8 - digits) & _ALL_BITS)
        if exponent and not word.any():
            continue
        suspect |= word
        suspect |= word + _ABOVE_NINE
        word *= np.uint64(10 << 8 | 1)
        word >>= np.uint64(8)
        word &= np.uint64(0x00FF00FF00FF00FF)
        word *= np.uint64(100 << 16 | 1)
        word >>= np.uint64(16)
        word &= np.uint64(0x0000FFFF0000FFFF)
        word *= np.uint64(10000 << 32 | 1)
        word >>= np.uint64(32)
        if exponent:
            word *= np.uint64(10**exponent)
        total += word
    return total.view(np.int64)


def _non_digit(step: Records, first: int, places: list[tuple[int, Field]]) -> FieldError:
    """Return the error for the first of these places; a place is a row and a field."""
    row, field = min(places, key=lambda place: (place[0], place[1].start))
    return FieldError(first + row, field, step[row, field.bytes].tobytes(), f"{field.length} digits")


def _non_digits(step: Records, field: Field) -> npt.NDArray[np.bool_]:
    digits = step[:, field.bytes]
    return ((digits < ord("0")) | (digits > ord("9"))).any(axis=1)


def _distinct(records: Records, field: Field, unreadable: _Unreadable) -> pa.Array:
    """Return a column with few distinct values; each value is converted once."""
    count, stride = records.shape
    copied = np.ndarray((count,), f"V{field.length}", records, field.start - 1, (stride,)).copy()
    encoded = _array(pa.binary(field.length), copied).dictionary_encode()
    indices = np.frombuffer(encoded.indices.buffers()[1], np.int32, count)
    keys = np.frombuffer(encoded.dictionary.buffers()[1], copied.dtype, len(encoded.dictionary))

    def wrong(key: int, expected: str) -> FieldError:
        return FieldError(int((indices == key).argmax()), field, keys[key].tobytes(), expected)

    if pa.types.is_string(field.type):
        strings = _strings(keys)
        valid = np.diff(np.frombuffer(strings.buffers()[1], np.int32, len(keys) + 1)) > 0
        if not (field.optional or valid.all()):
            raise wrong(int(valid.argmin()), "text")
        present = valid[indices]
        if not valid.all():
            # Blanks are null. Without this, the dictionary in Parquet would keep a blank value that no row has.
            strings = strings.filter(pa.array(valid))
            indices = np.maximum(np.cumsum(valid, dtype=np.int32) - 1, 0)[indices]
        return pa.DictionaryArray.from_arrays(_array(pa.int32(), indices, present), strings)

    parse, expected = (
        (_parse_days, "a date YYYYMMDD") if pa.types.is_date(field.type) else (_parse_int, "digits or blanks")
    )
    values = np.zeros(len(keys), np.int64)
    valid = np.ones(len(keys), np.bool_)
    for key, text in enumerate(keys.tolist()):
        try:
            value = parse(text)
        except ValueError:
            if field.decides:
                raise wrong(key, expected) from None
            value = None
            unreadable.note(np.flatnonzero(indices == key), field, records)
        valid[key] = value is not None
        values[key] = value or 0
    if not (field.optional or valid.all()):
        raise wrong(int(valid.argmin()), expected)
    return _array(field.type, values.astype(_integer(field.type))[indices], valid[indices])


def _parse_days(text: bytes) -> int | None:
    if text in NO_DATES:
        return None
    return parse_date(text).toordinal() - _EPOCH


def _parse_int(text: bytes) -> int | None:
    if not text.strip(b" "):
        return None
    if not text.isdigit():
        raise ValueError(text)
    return int(text)


def _strings(keys: npt.NDArray[np.void]) -> pa.StringArray:
    """Return Latin-1 text as strings, without the blanks on the right."""
    data = keys.tobytes()
    if data.isascii():
        padded = _array(pa.binary(keys.itemsize), keys).cast(pa.string())
    else:
        encoded = [key.decode("latin-1").encode() for key in keys.tolist()]
        offsets = np.zeros(len(keys) + 1, np.int32)
        np.cumsum([len(key) for key in encoded], out=offsets[1:])
        padded = pa.StringArray.from_buffers(len(keys), pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded)))
    return pc.utf8_rtrim(padded, characters=" ")


# pa.array() and type.to_pandas_dtype() import pandas if it is installed. That takes longer than decoding a session.
def _array(type_: pa.DataType, values: npt.NDArray[Any], valid: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    bitmap = None
    if valid is not None and not valid.all():
        bitmap = pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pa.Array.from_buffers(type_, len(values), [bitmap, pa.py_buffer(values)])


def _integer(type_: pa.DataType) -> np.dtype[Any]:
    return np.dtype(f"i{type_.bit_width // 8}")
