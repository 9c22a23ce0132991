"""Types in the three spellings: Glue's (Hive), DuckDB's and Trino's."""

from __future__ import annotations

import re
from dataclasses import dataclass

from local.aws.athena.errors import QueryError

GLUE_TO_DUCK = {
    "string": "VARCHAR", "varchar": "VARCHAR", "char": "VARCHAR", "binary": "BLOB", "boolean": "BOOLEAN",
    "tinyint": "TINYINT", "smallint": "SMALLINT", "int": "INTEGER", "integer": "INTEGER", "bigint": "BIGINT",
    "float": "FLOAT", "double": "DOUBLE", "date": "DATE", "timestamp": "TIMESTAMP",
}  # fmt: skip
DUCK_TO_TRINO = {
    "VARCHAR": "varchar", "BLOB": "varbinary", "BOOLEAN": "boolean", "TINYINT": "tinyint", "SMALLINT": "smallint",
    "INTEGER": "integer", "BIGINT": "bigint", "HUGEINT": "decimal(38,0)", "FLOAT": "real", "DOUBLE": "double",
    "DATE": "date", "TIMESTAMP": "timestamp(3)", "TIMESTAMP_S": "timestamp(3)", "TIMESTAMP_MS": "timestamp(3)",
    "TIMESTAMP_NS": "timestamp(3)", "TIMESTAMP WITH TIME ZONE": "timestamp(3) with time zone", "TIME": "time",
    "INTERVAL": "interval", "JSON": "json", '"NULL"': "unknown", "UUID": "uuid",
}  # fmt: skip
TRINO_TO_GLUE = {"varchar": "string", "integer": "int", "real": "float", "varbinary": "binary", "unknown": "string"}
INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
INTEGER_DIGITS = {"TINYINT": 3, "SMALLINT": 5, "INTEGER": 10, "BIGINT": 19, "HUGEINT": 38}


@dataclass(frozen=True)
class Kind:
    """A DuckDB type, with what the analysis asks of it."""

    duck: str

    @property
    def decimal(self) -> tuple[int, int] | None:
        """(precision, scale), or None."""
        found = re.fullmatch(r"DECIMAL\((\d+),\s*(\d+)\)", self.duck)
        return (int(found[1]), int(found[2])) if found else None

    @property
    def integer(self) -> bool:
        """A whole number type."""
        return self.duck in INTEGERS

    @property
    def floating(self) -> bool:
        """REAL or DOUBLE."""
        return self.duck in ("FLOAT", "DOUBLE")

    @property
    def number(self) -> bool:
        """Any numeric type."""
        return self.integer or self.floating or self.decimal is not None

    @property
    def exact(self) -> tuple[int, int] | None:
        """The (precision, scale) that an exact number takes part in decimal arithmetic with, or None."""
        if self.integer:
            return (INTEGER_DIGITS[self.duck], 0)
        return self.decimal

    @property
    def family(self) -> str:
        """Types of one family may be compared and may meet in a CASE; 'unknown' goes with all."""
        if self.number:
            return "number"
        if self.duck in ('"NULL"', "NULL"):
            return "unknown"
        if self.duck == "DATE" or self.duck.startswith("TIMESTAMP"):
            return "date"
        if self.duck.endswith("]"):
            return "array"
        return self.duck.split("(")[0].lower()

    @property
    def trino(self) -> str:
        """The type as Trino spells it."""
        return trino_type(self.duck)


def duck_type(glue: str) -> str:
    """The DuckDB type of a Glue column type. Raises QueryError for one that is not known."""
    text = glue.strip().lower()
    if text.startswith("array<") and text.endswith(">"):
        return f"{duck_type(text[6:-1])}[]"
    if text.startswith("map<") and text.endswith(">"):
        key, value = _split(text[4:-1])
        return f"MAP({duck_type(key)}, {duck_type(value)})"
    if text.startswith("struct<") and text.endswith(">"):
        fields = (part.partition(":") for part in _split(text[7:-1]))
        return "STRUCT(" + ", ".join(f'"{name.strip()}" {duck_type(kind)}' for name, _, kind in fields) + ")"
    if text.startswith("decimal"):
        found = re.fullmatch(r"decimal(?:\((\d+)(?:,\s*(\d+))?\))?", text)
        if found:
            return f"DECIMAL({found[1] or 10},{found[2] or 0})"
    name = text.split("(")[0].strip()
    if name in GLUE_TO_DUCK:
        return GLUE_TO_DUCK[name]
    raise QueryError("HIVE_METASTORE_ERROR", f"Unsupported Hive type: {glue}")


def _split(text: str) -> list[str]:
    """Split at the commas that are in no bracket."""
    parts, depth, current = [], 0, ""
    for character in text:
        depth += (character in "<(") - (character in ">)")
        if character == "," and depth == 0:
            parts.append(current)
            current = ""
        else:
            current += character
    return [*parts, current]


def trino_type(duck: str) -> str:
    """The Trino type of a DuckDB type."""
    if duck.endswith("[]"):
        return f"array({trino_type(duck[:-2])})"
    found = re.fullmatch(r"DECIMAL\((\d+),\s*(\d+)\)", duck)
    if found:
        return f"decimal({found[1]},{found[2]})"
    if duck.startswith("STRUCT"):
        return "row"
    if duck.startswith("MAP"):
        return "map"
    return DUCK_TO_TRINO.get(duck, duck.lower())


def glue_type(duck: str) -> str:
    """The Glue type of a DuckDB type, for the columns of views and new tables."""
    if duck.endswith("[]"):
        return f"array<{glue_type(duck[:-2])}>"
    trino = trino_type(duck)
    if trino.startswith("timestamp"):
        return "timestamp"
    return TRINO_TO_GLUE.get(trino, trino)
