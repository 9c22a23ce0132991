"""Dates, times and intervals: where DuckDB's arithmetic differs from Trino's."""

from __future__ import annotations

from sqlglot import exp

from local.aws.athena.checks import KindOf, dated, mismatch, parameters
from local.aws.athena.decimals import duck, text
from local.aws.athena.errors import QueryError, not_supported
from local.aws.athena.types import Kind

DATE_UNITS = {"DAY", "WEEK", "MONTH", "QUARTER", "YEAR"}
TIME_UNITS = {"MILLISECOND", "SECOND", "MINUTE", "HOUR"}


def interval_arithmetic(
    node: exp.Expression, left: exp.Expression, right: exp.Expression, symbol: str, kind: KindOf
) -> exp.Expression:
    """Return a date or timestamp plus or minus an interval as DuckDB must have it."""
    if isinstance(left, exp.Interval) and isinstance(right, exp.Interval):
        raise not_supported("arithmetic between intervals")
    value, interval = (left, right) if isinstance(right, exp.Interval) else (right, left)
    found = kind(value)
    unit = interval.args["unit"].name.upper() if interval.args.get("unit") else ""
    subtracted = isinstance(node, exp.Sub)
    if not isinstance(node, (exp.Add, exp.Sub)) or found.family != "date" or (subtracted and value is right):
        raise mismatch(f"Cannot apply operator: {found.trino} {symbol} interval")
    if unit not in {"SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "YEAR"}:
        raise QueryError("SYNTAX_ERROR", f"line 1:1: mismatched interval field {interval.sql('trino')}")
    if found.duck == "DATE" and unit in ("SECOND", "MINUTE", "HOUR"):
        raise QueryError("INVALID_FUNCTION_ARGUMENT", "Cannot add hour, minutes or seconds to a date")
    result = f"{text(value)} {symbol} {interval.sql('duckdb')}"
    return duck(f"CAST({result} AS DATE)" if found.duck == "DATE" else result)


def date_function(node: exp.Expression, kind: KindOf) -> exp.Expression:
    """Return date_add or date_diff as DuckDB must have it."""
    name = "date_add" if isinstance(node, exp.DateAdd) else "date_diff"
    unit = node.args["unit"].name.upper() if node.args.get("unit") else "DAY"
    found = dated(name, node.this, kind)
    allowed = DATE_UNITS | (TIME_UNITS if found.duck != "DATE" or name == "date_diff" else set())
    if unit not in allowed:
        raise QueryError(
            "INVALID_FUNCTION_ARGUMENT", f"'{unit.lower()}' is not a valid {found.trino.split('(')[0]} field"
        )
    if name == "date_diff":
        dated(name, node.expression, kind)
        # datesub counts whole units between the two, as Trino does; datediff would count boundaries crossed.
        return duck(f"datesub('{unit}', {text(node.expression)}, {text(node.this)})")
    count = kind(node.expression)
    if not count.integer and count.family != "unknown":
        raise parameters(name, [Kind("VARCHAR"), count, found])
    months = {"QUARTER": 3, "MONTH": 1, "YEAR": 12}
    amount = f"to_months(CAST({text(node.expression)} * {months[unit]} AS INTEGER))" if unit in months else None
    days = {"DAY": 1, "WEEK": 7}
    if unit in days:
        amount = f"to_days(CAST({text(node.expression)} * {days[unit]} AS INTEGER))"
    if amount is None:
        amount = f"to_{unit.lower()}s({text(node.expression)})"
    result = f"{text(node.this)} + {amount}"
    return duck(f"CAST({result} AS DATE)" if found.duck == "DATE" else result)


def truncated(node: exp.Expression, kind: KindOf) -> exp.Expression:
    """Return date_trunc as DuckDB must have it: of a date it is a date."""
    found = dated("date_trunc", node.this, kind)
    unit = (node.args.get("unit") or node.expression).name.upper()
    if unit not in DATE_UNITS | (TIME_UNITS if found.duck != "DATE" else set()):
        raise QueryError(
            "INVALID_FUNCTION_ARGUMENT", f"'{unit.lower()}' is not a valid {found.trino.split('(')[0]} field"
        )
    result = f"date_trunc('{unit}', {text(node.this)})"
    return duck(f"CAST({result} AS DATE)" if found.duck == "DATE" else result)


def date_series(node: exp.GenerateSeries, kind: KindOf) -> exp.Expression:
    """Return sequence() as DuckDB must have it: between two dates it gives dates."""
    start, end, step = node.args["start"], node.args["end"], node.args.get("step")
    if not any(kind(part).family == "date" for part in (start, end)):
        return node
    series = f"generate_series({text(start)}, {text(end)}, {text(step) if step else 'INTERVAL 1 DAY'})"
    if kind(start).duck == "DATE":
        return duck(f"list_transform({series}, lambda x: CAST(x AS DATE))")
    return duck(series)
