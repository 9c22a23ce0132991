"""Casts: what Trino refuses, and where DuckDB would read or show a value in another way."""

from __future__ import annotations

from sqlglot import exp

from local.aws.athena.checks import KindOf, mismatch
from local.aws.athena.decimals import duck, text
from local.aws.athena.errors import not_supported
from local.aws.athena.types import Kind

WHOLE = {"TINYINT": "TINYINT", "SMALLINT": "SMALLINT", "INT": "INT", "INTEGER": "INT", "BIGINT": "BIGINT"}


def cast(node: exp.Expression, kind: KindOf) -> exp.Expression:
    """Return CAST or TRY_CAST as DuckDB must have it."""
    found = kind(node.this)
    target: exp.DataType = node.args["to"]
    name = target.this.name.upper()
    attempt = isinstance(node, exp.TryCast)
    value = text(node.this)
    verb = "TRY_CAST" if attempt else "CAST"
    if name in WHOLE:
        if found.family in ("date", "array"):
            raise mismatch(f"Cannot cast {found.trino} to {WHOLE[name].lower()}")
        if found.family == "varchar":
            return _whole_from_text(value, WHOLE[name], attempt)
        if found.floating:
            # Trino rounds halves away from zero, DuckDB to the even number.
            return duck(f"{verb}(round({value}) AS {name})")
        return duck(f"{verb}({value} AS {name})")
    if name in ("TIMESTAMP", "DATETIME"):
        return duck(f"{verb}({value} AS TIMESTAMP)")
    if name in ("TIMESTAMPTZ",):
        return duck(f"{verb}({value} AS TIMESTAMPTZ)")
    if name == "DATE":
        if found.number:
            raise mismatch(f"Cannot cast {found.trino} to date")
        return duck(f"{verb}({value} AS DATE)")
    if name in ("VARCHAR", "TEXT", "CHAR"):
        length = target.expressions[0].name if target.expressions else None
        rendered = _as_text(value, found)
        if name == "CHAR":
            raise not_supported("CAST to char: use varchar")
        return duck(f"left({rendered}, {length})" if length else rendered)
    if name == "DECIMAL":
        if found.family == "date":
            raise mismatch(f"Cannot cast {found.trino} to decimal")
        parameters = ", ".join(part.name for part in target.expressions)
        if not parameters:
            parameters = "38, 0"
        elif "," not in parameters:
            parameters += ", 0"
        return duck(f"{verb}({value} AS DECIMAL({parameters}))")
    if name in ("DOUBLE", "FLOAT", "REAL", "BOOLEAN", "VARBINARY", "TIME"):
        if found.family == "date" and name in ("DOUBLE", "FLOAT", "BOOLEAN"):
            raise mismatch(f"Cannot cast {found.trino} to {name.lower()}")
        return duck(f"{verb}({value} AS {'BLOB' if name == 'VARBINARY' else name})")
    if name == "ARRAY":
        return duck(f"{verb}({value} AS {target.sql('duckdb')})")
    raise not_supported(f"CAST to {target.sql('trino')}")


def _whole_from_text(value: str, name: str, attempt: bool) -> exp.Expression:
    # DuckDB would read '12.7' and ' 12 ' as numbers; Trino reads digits and a sign only.
    failure = "NULL" if attempt else f"error('INVALID_CAST_ARGUMENT: Cannot cast ''' || {value} || ''' to {name}')"
    return duck(
        f"CASE WHEN {value} IS NULL THEN NULL "
        f"WHEN regexp_full_match({value}, '[+-]?[0-9]+') AND TRY_CAST({value} AS {name}) IS NOT NULL "
        f"THEN TRY_CAST({value} AS {name}) ELSE CAST({failure} AS {name}) END"
    )


def _as_text(value: str, found: Kind) -> str:
    if found.floating:
        return f"trino_double_text(CAST({value} AS DOUBLE), {'true' if found.duck == 'FLOAT' else 'false'})"
    if found.duck.startswith("TIMESTAMP WITH"):
        return f"strftime({value}, '%Y-%m-%d %H:%M:%S.%g UTC')"
    if found.duck.startswith("TIMESTAMP"):
        return f"strftime({value}, '%Y-%m-%d %H:%M:%S.%g')"
    return f"CAST({value} AS VARCHAR)"
