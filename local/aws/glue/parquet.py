"""Parquet footers: what a file's columns are, in Glue's types, without reading its rows."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import types

from local.aws.context import Caller
from local.aws.ministack.emulator import Emulator, S3Object


class NotParquetError(Exception):
    """An object that should be Parquet cannot be read as such; the message names it."""


@dataclass(frozen=True)
class Footer:
    """A file's columns as (lower-cased name, Glue type), and its number of rows."""

    columns: tuple[tuple[str, str], ...]
    rows: int


class Footers:
    """Reads footers, remembering those of the most recent objects by bucket, key and ETag."""

    def __init__(self, emulator: Emulator, remembered: int = 50_000) -> None:
        self._emulator = emulator
        self._known: OrderedDict[tuple[str, S3Object], Footer] = OrderedDict()
        self._remembered = remembered

    def read(self, caller: Caller, item: S3Object, copy: Path | None = None) -> Footer:
        """The footer of one object, or of a copy of it at hand.

        Raises NotParquetError, or FileNotFoundError if the object changed since it was listed.
        """
        key = (caller.account, item)
        known = self._known.get(key)
        if known is not None:
            return known
        with copy.open("rb") if copy else self._emulator.open(caller, item) as file:
            try:
                parquet = pq.ParquetFile(file)
                schema = parquet.schema_arrow
                rows = parquet.metadata.num_rows
            except (pa.ArrowException, OSError, ValueError) as error:
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                raise NotParquetError(
                    f"{item.uri} ({item.size} bytes) is not a readable Parquet file: {reason}"
                ) from None
        footer = Footer(tuple((field.name.lower(), glue_type(field.type)) for field in schema), rows)
        self._known[key] = footer
        while len(self._known) > self._remembered:
            self._known.popitem(last=False)
        return footer


_SIMPLE: tuple[tuple[Any, str], ...] = (
    (types.is_boolean, "boolean"), (types.is_int8, "tinyint"), (types.is_int16, "smallint"),
    (types.is_uint8, "smallint"), (types.is_int32, "int"), (types.is_uint16, "int"), (types.is_integer, "bigint"),
    (types.is_float32, "float"), (types.is_float64, "double"), (types.is_date, "date"),
    (types.is_timestamp, "timestamp"), (types.is_string, "string"), (types.is_large_string, "string"),
    (types.is_binary, "binary"), (types.is_large_binary, "binary"), (types.is_fixed_size_binary, "binary"),
)  # fmt: skip


def glue_type(arrow: pa.DataType) -> str:
    """The Glue type of an Arrow type; one that Glue has no name for is shown as Arrow spells it."""
    for test, name in _SIMPLE:
        if test(arrow):
            return name
    if types.is_dictionary(arrow):
        return glue_type(arrow.value_type)
    if types.is_decimal(arrow):
        return f"decimal({arrow.precision},{arrow.scale})"
    if types.is_list(arrow) or types.is_large_list(arrow):
        return f"array<{glue_type(arrow.value_type)}>"
    if types.is_map(arrow):
        return f"map<{glue_type(arrow.key_type)},{glue_type(arrow.item_type)}>"
    if types.is_struct(arrow):
        return "struct<" + ",".join(f"{field.name.lower()}:{glue_type(field.type)}" for field in arrow) + ">"
    return str(arrow)


def is_data(item: S3Object) -> bool:
    """Whether engines read the object: not a folder marker, and no path part that begins with _ or a dot."""
    name = item.key.rsplit("/", 1)[-1]
    return bool(name) and not name.startswith(("_", ".")) and not name.endswith("_$folder$")
