"""Java's number texts, which Trino shows and DuckDB lacks."""

from __future__ import annotations

import math
from decimal import Decimal

import duckdb


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


def register(connection: duckdb.DuckDBPyConnection) -> None:
    """Add the function to a connection."""
    connection.create_function(
        "trino_double_text",
        double_text,
        ["DOUBLE", "BOOLEAN"],
        "VARCHAR",
        null_handling="special",
    )
