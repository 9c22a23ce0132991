"""Scalar functions that DuckDB lacks, in Python: Java's number texts and format()."""

from __future__ import annotations

import math
import re
from decimal import ROUND_HALF_UP, Decimal

import duckdb

from local.aws.athena.errors import QueryError

_SPEC = re.compile(r"%(\d+\$)?([-+ 0,(#]*)(\d+)?(?:\.(\d+))?([a-zA-Z%])")


def double_text(value: float | None, single: bool | None = False) -> str | None:
    """CAST(double AS varchar): Trino's canonical form, 1.5E0."""
    if value is None:
        return None
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    digits, exponent = _shortest(value, bool(single))
    sign = "-" if math.copysign(1, value) < 0 else ""
    return f"{sign}{digits[0]}.{digits[1:] or '0'}E{exponent}"


def java_double(value: float, single: bool = False) -> str:
    """Java's Double.toString, which results show: 1.5, 1.0E10, 1.0E-5."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "-0.0" if math.copysign(1, value) < 0 else "0.0"
    if 1e-3 <= abs(value) < 1e7:
        digits, exponent = _shortest(value, single)
        plain = format(Decimal(("-" if value < 0 else "") + digits).scaleb(exponent - len(digits) + 1), "f")
        return plain if "." in plain else plain + ".0"
    return double_text(value, single) or ""


def _shortest(value: float, single: bool) -> tuple[str, int]:
    """The fewest digits that give the number back, and the exponent of the first."""
    if value == 0:
        return "0", 0
    shown = repr(abs(value))
    if single:
        import struct

        for width in range(1, 10):
            shown = f"{abs(value):.{width}g}"
            if struct.pack("f", float(shown)) == struct.pack("f", abs(value)):
                break
    number = Decimal(shown)
    digits = "".join(map(str, number.as_tuple().digits)).rstrip("0") or "0"
    return digits, number.adjusted()


def java_format(pattern: str | None, values: list[str | None] | None, kinds: str) -> str | None:
    """format(): Java's String.format for the conversions that queries use. `kinds` has n, f, b or s for each value.

    Raises QueryError for a conversion that does not fit its value or is not done here.
    """
    if pattern is None or values is None:
        return None
    position = 0

    def one(found: re.Match[str]) -> str:
        nonlocal position
        index, flags, width, precision, letter = found.groups()
        if letter == "%":
            return "%"
        if letter == "n":
            return "\n"
        at = int(index[:-1]) - 1 if index else position
        position += 0 if index else 1
        if at >= len(values):
            raise QueryError("INVALID_FUNCTION_ARGUMENT", f"Format specifier '{found[0]}'")
        return _padded(_converted(found[0], letter, flags, precision, values[at], kinds[at]), flags, width)

    return _SPEC.sub(one, pattern)


def _padded(shown: str, flags: str, width: str | None) -> str:
    if not width:
        return shown
    if "-" in flags:
        return shown.ljust(int(width))
    if "0" in flags:
        sign = shown[:1] if shown[:1] in "+-" else ""
        return sign + shown[len(sign) :].rjust(int(width) - len(sign), "0")
    return shown.rjust(int(width))


def _converted(spec: str, letter: str, flags: str, precision: str | None, value: str | None, kind: str) -> str:
    if letter in "sS":
        shown = "null" if value is None else value if kind != "f" else java_double(float(value))
        shown = shown[: int(precision)] if precision else shown
        return shown.upper() if letter == "S" else shown
    if value is None:
        return "null"
    if letter == "b":
        return value
    bad = QueryError("INVALID_FUNCTION_ARGUMENT", f"Invalid format string: {spec} does not take this value: {value}")
    if letter == "d":
        if kind != "n" or "." in value:
            raise bad
        shown = f"{int(value):{',' if ',' in flags else ''}d}"
    elif letter == "f":
        if kind not in "nf":
            raise bad
        places = int(precision) if precision is not None else 6
        rounded = Decimal(value).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
        shown = f"{rounded:{',' if ',' in flags else ''}f}"
    elif letter == "x" and kind == "n":
        shown = f"{int(value) & 0xFFFFFFFFFFFFFFFF:x}" if int(value) < 0 else f"{int(value):x}"
    else:
        raise QueryError("NOT_SUPPORTED", f"format(): {spec} is not done by the local Athena")
    return "+" + shown if "+" in flags and not shown.startswith("-") else shown


def register(connection: duckdb.DuckDBPyConnection) -> None:
    """Add the functions to a connection."""
    connection.create_function(
        "trino_double_text",
        double_text,
        ["DOUBLE", "BOOLEAN"],
        "VARCHAR",
        null_handling="special",
    )
    connection.create_function(
        "trino_format",
        java_format,
        ["VARCHAR", "VARCHAR[]", "VARCHAR"],
        "VARCHAR",
        null_handling="special",
    )
