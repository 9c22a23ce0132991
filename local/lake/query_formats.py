"""The answer of a query as a text table, CSV, JSON lines or Parquet, a page at a time."""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Callable, Iterator
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from local.lake import query_client
from local.lake.query_client import Answer, Column, Row

# Rows of a table that a terminal shows.
SHOWN = 1000
_ROWS_OF_A_GROUP = 100_000
_ARROW_TYPES = {
    "boolean": pa.bool_(),
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "real": pa.float32(),
    "double": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("ms"),
}
_WHOLE = ("tinyint", "smallint", "integer", "bigint")
_APPROXIMATE = ("float", "real", "double")


def write_table(answer: Answer, out: IO[bytes], limit: int | None = None) -> int:
    """Write an aligned text table and return the number of all rows.

    Args:
        answer: the finished query.
        out: where it goes.
        limit: rows to show at most; the rest is only counted. None for all.
    """
    columns, types = [each.name for each in answer.columns], [each.type for each in answer.columns]
    rows = answer.rows()
    if limit is None:
        # Fetched twice, so that a long answer is not held for the sake of its widths.
        wide, shown = query_client.widths(columns, rows), answer.rows()
    else:
        held = list(itertools.islice(rows, limit))
        wide, shown = query_client.widths(columns, held), iter(held)
    counted = _Counted(shown)
    for line in query_client.table_lines(columns, types, counted, wide):
        out.write(f"{line}\n".encode())
    return counted.number + (0 if limit is None else sum(1 for _ in rows))


def write_csv(answer: Answer, out: IO[bytes]) -> int:
    """Write CSV with a header, null as an empty field, and return the number of rows."""
    text = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=True)
    counted = _Counted(answer.rows())
    try:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([column.name for column in answer.columns])
        writer.writerows(counted)
    finally:
        # The stream is the caller's to close.
        text.detach()
    return counted.number


def write_json(answer: Answer, out: IO[bytes]) -> int:
    """Write a JSON object for each row, one a line, and return the number of rows.

    A null is null. Decimals are strings, because most readers make a float of a number.

    Raises:
        ValueError: two columns have one name.
    """
    _refuse_twins(answer.columns, "json")
    kinds = [_to_json(column) for column in answer.columns]
    names = [column.name for column in answer.columns]
    counted = _Counted(answer.rows())
    for row in counted:
        values = (None if value is None else kind(value) for value, kind in zip(row, kinds, strict=True))
        out.write(json.dumps(dict(zip(names, values, strict=True)), ensure_ascii=False).encode() + b"\n")
    return counted.number


def write_parquet(answer: Answer, out: IO[bytes]) -> int:
    """Write Parquet (zstd) with the types of Athena's columns, decimals exact, and return the number of rows.

    A column of a type without a plain value, as array or timestamp with time zone, is text.

    Raises:
        ValueError: two columns have one name.
    """
    _refuse_twins(answer.columns, "parquet")
    schema = pa.schema([(column.name, _arrow_type(column)) for column in answer.columns])
    rows, number = answer.rows(), 0
    with pq.ParquetWriter(_Positioned(out), schema, compression="zstd") as writer:
        while held := list(itertools.islice(rows, _ROWS_OF_A_GROUP)):
            texts = [pa.array([row[i] for row in held], pa.string()) for i in range(len(schema))]
            writer.write_table(pa.table([t.cast(f.type) for t, f in zip(texts, schema, strict=True)], schema=schema))
            number += len(held)
    return number


WRITERS: dict[str, Callable[[Answer, IO[bytes]], int]] = {
    "table": write_table,
    "csv": write_csv,
    "json": write_json,
    "parquet": write_parquet,
}
SUFFIXES = {".csv": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json", ".parquet": "parquet"}


class _Counted:
    """Rows, and how many were taken."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self._rows = rows
        self.number = 0

    def __iter__(self) -> Iterator[Row]:
        for row in self._rows:
            self.number += 1
            yield row


class _Positioned:
    """A stream that knows its position: a pipe does not, and Parquet's footer has offsets."""

    closed = False

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._position = 0

    def write(self, data: bytes) -> int:
        self._out.write(data)
        self._position += len(data)
        return len(data)

    def tell(self) -> int:
        return self._position

    def flush(self) -> None:
        self._out.flush()

    def close(self) -> None:
        """Leave the stream open: it is the caller's."""


def _refuse_twins(columns: list[Column], name: str) -> None:
    names = [column.name for column in columns]
    twins = sorted({each for each in names if names.count(each) > 1})
    if twins:
        raise ValueError(
            f"expected columns of different names for FORMAT={name}, found {', '.join(twins)} twice: "
            "rename one with AS, or take FORMAT=csv"
        )


def _to_json(column: Column) -> Callable[[str], Any]:
    if column.type == "boolean":
        return lambda value: value == "true"
    if column.type in _WHOLE:
        return int
    # JSON has no NaN and no infinity.
    if column.type in _APPROXIMATE:
        return lambda value: value if value in ("NaN", "Infinity", "-Infinity") else float(value)
    return str


def _arrow_type(column: Column) -> pa.DataType:
    if column.type == "decimal":
        return pa.decimal128(column.precision, column.scale)
    return _ARROW_TYPES.get(column.type, pa.string())
