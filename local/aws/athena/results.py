"""Results as Athena shows them: every value a string, in Java's spelling."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from local.aws.athena.types import Kind
from local.aws.athena.udf import java_double

Row = list[str | None]


def shown(value: Any, kind: Kind) -> str | None:
    """One value of a result; None is NULL."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return java_double(value, kind.duck == "FLOAT")
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dt.datetime):
        tail = " UTC" if value.tzinfo else ""
        return value.strftime("%Y-%m-%d %H:%M:%S.") + f"{value.microsecond // 1000:03d}{tail}"
    if isinstance(value, bytes | bytearray):
        return value.hex(" ")
    if isinstance(value, list | tuple):
        inner = Kind(kind.duck[:-2]) if kind.duck.endswith("]") else kind
        return "[" + ", ".join("null" if item is None else str(shown(item, inner)) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={shown(item, kind)}" for key, item in value.items()) + "}"
    return str(value)


def column_info(name: str, kind: Kind) -> dict[str, Any]:
    """One entry of ResultSetMetadata."""
    trino = kind.trino
    precision, scale = 0, 0
    found = re.fullmatch(r"decimal\((\d+),(\d+)\)", trino)
    if found:
        precision, scale = int(found[1]), int(found[2])
    fixed = {"integer": 10, "bigint": 19, "smallint": 5, "tinyint": 3, "double": 17, "real": 17, "varchar": 2147483647}
    base = re.sub(r"\(.*?\)", "", trino)
    return {
        "CatalogName": "hive", "SchemaName": "", "TableName": "", "Name": name, "Label": name,
        "Type": {"real": "float"}.get(base, base), "Precision": precision or fixed.get(base, 0), "Scale": scale,
        "Nullable": "UNKNOWN", "CaseSensitive": base == "varchar",
    }  # fmt: skip


def csv_lines(rows: Iterable[Sequence[str | None]]) -> str:
    """Rows of a result file: every value in quotes, NULL as nothing at all."""
    return "".join(
        ",".join("" if value is None else '"' + value.replace('"', '""') + '"' for value in row) + "\n" for row in rows
    )
