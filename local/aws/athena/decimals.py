"""Trino's exact decimal arithmetic, spelled in DuckDB: division and average, which DuckDB does in floating point."""

from __future__ import annotations

from sqlglot import exp

WIDEST = 38
ZERO_DIVISION = "error('DIVISION_BY_ZERO: Division by zero')"


def duck(sql: str) -> exp.Expression:
    """A piece of DuckDB SQL as a tree."""
    return exp.maybe_parse(sql, dialect="duckdb")


def text(tree: exp.Expression) -> str:
    """A rewritten tree as DuckDB SQL, in parentheses."""
    return f"({tree.sql('duckdb')})"


def divide(left: exp.Expression, lp: int, ls: int, right: exp.Expression, rp: int, rs: int) -> exp.Expression:
    """decimal(lp,ls) / decimal(rp,rs): scale max(ls,rs), rounded half up, DIVISION_BY_ZERO on zero."""
    scale = max(ls, rs)
    precision = min(WIDEST, lp + rs + max(rs - ls, 0))
    number = _quotient(_unscaled(left, lp, ls, scale + rs - ls), _unscaled(right, rp, rs, 0))
    zero = f"{text(right)} = 0"
    return duck(f"CASE WHEN {zero} THEN {ZERO_DIVISION} ELSE {_scaled(number, precision, scale)} END")


def average(total: exp.Expression, count: exp.Expression, precision: int, scale: int) -> exp.Expression:
    """avg of decimal(precision,scale) from its exact sum and count: the same type, rounded half up."""
    number = _quotient(_unscaled(total, WIDEST, scale, 0), f"CAST({text(count)} AS HUGEINT)")
    return duck(f"CASE WHEN {text(count)} = 0 THEN NULL ELSE {_scaled(number, precision, scale)} END")


def _unscaled(value: exp.Expression, precision: int, scale: int, shift: int) -> str:
    """The value times 10^(scale+shift) as a whole number."""
    plain = f"CAST({text(value)} AS DECIMAL({precision},{scale}))"
    whole = (
        f"CAST({plain} * CAST({10**scale} AS DECIMAL({scale + 1},0)) AS HUGEINT)"
        if scale
        else f"CAST({plain} AS HUGEINT)"
    )
    return f"({whole} * CAST({10**shift} AS HUGEINT))" if shift else whole


def _quotient(numerator: str, denominator: str) -> str:
    n, d = f"({numerator})", f"({denominator})"
    half = f"CASE WHEN abs({n} % {d}) * 2 >= abs({d}) THEN 1 ELSE 0 END"
    sign = f"CASE WHEN ({n} < 0) = ({d} < 0) THEN 1 ELSE -1 END"
    return f"({n} // {d} + ({half}) * ({sign}))"


def _scaled(whole: str, precision: int, scale: int) -> str:
    unit = f"CAST('{'0.' + '0' * (scale - 1) + '1' if scale else '1'}' AS DECIMAL({scale + 1},{scale}))"
    return f"CAST(CAST({whole} AS DECIMAL(38,0)) * {unit} AS DECIMAL({precision},{scale}))"
