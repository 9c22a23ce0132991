"""Where Trino and DuckDB differ: each expression is checked by Trino's types and spelled so that DuckDB agrees."""

from __future__ import annotations

import re

from sqlglot import exp

from local.aws.athena import casts, dates, decimals
from local.aws.athena.checks import (
    KindOf,
    all_boolean,
    comparable,
    dated,
    mismatch,
    one_family,
    parameters,
    strings,
)
from local.aws.athena.decimals import duck, text
from local.aws.athena.errors import not_supported

SYMBOLS: dict[type[exp.Expression], str] = {
    exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%", exp.EQ: "=", exp.NEQ: "<>", exp.GT: ">",
    exp.GTE: ">=", exp.LT: "<", exp.LTE: "<=",
    exp.NullSafeEQ: "IS NOT DISTINCT FROM", exp.NullSafeNEQ: "IS DISTINCT FROM",
}  # fmt: skip
COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ)
DATE_PARTS = (
    exp.Year, exp.Month, exp.Day, exp.Quarter, exp.Week, exp.WeekOfYear, exp.DayOfWeek, exp.DayOfWeekIso, exp.DayOfYear,
    exp.DayOfMonth, exp.LastDay,
)  # fmt: skip
STRING_FUNCTIONS: dict[type[exp.Expression], str] = {
    exp.Upper: "upper", exp.Lower: "lower", exp.Length: "length", exp.Trim: "trim", exp.Substring: "substr",
    exp.StrPosition: "strpos", exp.Replace: "replace", exp.RegexpLike: "regexp_like", exp.SplitPart: "split_part",
    exp.Split: "split", exp.StartsWith: "starts_with", exp.Reverse: "reverse",
}  # fmt: skip
RENAMED = {"is_finite": "isfinite", "is_infinite": "isinf", "every": "bool_and", "codepoint": "unicode"}
NUMBER_AGGREGATES: dict[type[exp.Expression], str] = {exp.Sum: "sum", exp.Avg: "avg"}


def rewrite(node: exp.Expression, kind: KindOf) -> exp.Expression:
    """The node as DuckDB must have it; its children have been rewritten. Raises QueryError where Trino would refuse.

    `kind` gives the type of a rewritten expression.
    """
    if isinstance(node, (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod)):
        return _arithmetic(node, kind)
    if isinstance(node, COMPARISONS):
        comparable([node.this, node.expression], kind, SYMBOLS[type(node)])
        return node
    if isinstance(node, exp.Between):
        comparable([node.this, node.args["low"], node.args["high"]], kind, "BETWEEN")
        return node
    if isinstance(node, exp.In):
        if node.args.get("unnest"):
            raise not_supported("IN UNNEST")
        if node.expressions:
            comparable([node.this, *node.expressions], kind, "IN")
        return node
    if isinstance(node, exp.Like):
        strings("LIKE", [node.this, node.expression], kind)
        return node
    if isinstance(node, (exp.And, exp.Or)):
        all_boolean([node.this, node.expression], kind, "Logical expression term")
        return node
    if isinstance(node, exp.Not):
        all_boolean([node.this], kind, "Value of logical NOT expression")
        return node
    if isinstance(node, exp.DPipe):
        return _concat([node.this, node.expression], kind)
    if isinstance(node, exp.ConcatWs):
        strings("concat_ws", node.expressions, kind)
        return duck(f"concat_ws({', '.join(text(part) for part in node.expressions)})")
    if isinstance(node, exp.Bracket) and not node.args.get("safe"):
        raise not_supported("a subscript: use element_at")
    if isinstance(node, exp.Concat):
        return _concat(list(node.expressions), kind)
    if isinstance(node, exp.Case):
        return _case(node, kind)
    if isinstance(node, exp.If) and not isinstance(node.parent, exp.Case):
        all_boolean([node.this], kind, "IF condition")
        branches = [branch for branch in (node.args.get("true"), node.args.get("false")) if branch is not None]
        one_family(branches, kind, "All IF results must be the same type")
        return node
    if isinstance(node, (exp.Coalesce, exp.Nullif)):
        parts = [node.this, *node.expressions] if isinstance(node, exp.Coalesce) else [node.this, node.expression]
        one_family(parts, kind, f"All {type(node).__name__.upper()} operands must be the same type")
        return node
    if isinstance(node, (exp.Greatest, exp.Least)):
        parts = [node.this, *node.expressions]
        one_family(parts, kind, "All arguments of greatest and least must be the same type")
        name = "greatest" if isinstance(node, exp.Greatest) else "least"
        anything = " OR ".join(f"{text(part)} IS NULL" for part in parts)
        return duck(f"CASE WHEN {anything} THEN NULL ELSE {name}({', '.join(text(part) for part in parts)}) END")
    if isinstance(node, (exp.Cast, exp.TryCast)):
        return casts.cast(node, kind)
    if isinstance(node, (exp.Sum, exp.Avg)):
        found = kind(node.this.expressions[0] if isinstance(node.this, exp.Distinct) else node.this)
        if not found.number and found.family != "unknown":
            raise parameters(NUMBER_AGGREGATES[type(node)], [found])
        return node
    if isinstance(node, exp.ApproxDistinct):
        return exp.Count(this=exp.Distinct(expressions=[node.this]), big_int=True)
    if isinstance(node, exp.ApproxQuantile):
        return _quantile(node, kind)
    if isinstance(node, (exp.ArgMax, exp.ArgMin)) and not node.args.get("count"):
        name = "arg_max_null" if isinstance(node, exp.ArgMax) else "arg_min_null"
        return exp.Anonymous(this=name, expressions=[node.this, node.expression])
    if isinstance(node, exp.Round):
        return _round(node, kind)
    if isinstance(node, (exp.DateAdd, exp.DateDiff)):
        return dates.date_function(node, kind)
    if isinstance(node, (exp.TimestampTrunc, exp.DateTrunc)):
        return dates.truncated(node, kind)
    if isinstance(node, exp.Extract):
        dated("extract", node.expression, kind)
        if node.name.upper() in ("DOW", "DAY_OF_WEEK"):
            return duck(f"isodow({text(node.expression)})")
        return node
    if isinstance(node, DATE_PARTS):
        dated(type(node).__name__.lower(), node.this, kind)
        return node
    if isinstance(node, (exp.Anonymous, exp.AnonymousAggFunc)) and node.name.lower() in RENAMED:
        return exp.Anonymous(this=RENAMED[node.name.lower()], expressions=node.expressions)
    if isinstance(node, exp.Sign):
        return duck(f"CAST(sign({text(node.this)}) AS {kind(node.this).duck})")
    if isinstance(node, exp.RegexpReplace):
        return _regexp_replace(node, kind)
    if isinstance(node, exp.Date):
        return duck(f"CAST({text(node.this)} AS DATE)")
    if type(node) in STRING_FUNCTIONS:
        found = kind(node.this)
        if isinstance(node, exp.Reverse) and found.family == "array":
            raise not_supported("reverse of an array")
        if found.family not in ("varchar", "unknown"):
            raise parameters(STRING_FUNCTIONS[type(node)], [found])
        return node
    if isinstance(node, exp.UnixToTime):
        return duck(f"to_timestamp({text(node.this)})")
    if isinstance(node, exp.GenerateSeries):
        return dates.date_series(node, kind)
    return node


def aggregate(node: exp.Expression, kind: KindOf) -> exp.Expression:
    """An aggregate, with its FILTER and OVER, in Trino's type; any other node as it is."""
    core = _core(node)
    if isinstance(core, exp.CountIf):
        # Over no rows DuckDB's is null.
        return duck(f"CAST(coalesce({text(node)}, 0) AS BIGINT)")
    if not isinstance(core, (exp.Sum, exp.Avg)):
        return node
    argument = core.this.expressions[0] if isinstance(core.this, exp.Distinct) else core.this
    found = kind(argument)
    if isinstance(core, exp.Sum):
        return duck(f"CAST({text(node)} AS BIGINT)") if found.integer else node
    if found.decimal is None:
        return node
    total = _with_core(node, exp.Sum(this=core.this.copy()))
    count = _with_core(node, exp.Count(this=core.this.copy(), big_int=True))
    return decimals.average(total, count, *found.decimal)


def _with_core(node: exp.Expression, core: exp.Expression) -> exp.Expression:
    if _core(node) is node:
        return core
    wrapped = node.copy()
    _core(wrapped).replace(core)
    return wrapped


def _regexp_replace(node: exp.RegexpReplace, kind: KindOf) -> exp.Expression:
    pattern, new = node.expression, node.args.get("replacement") or exp.Literal.string("")
    strings("regexp_replace", [node.this, pattern, new], kind)
    if not isinstance(new, exp.Literal):
        raise not_supported("regexp_replace with a replacement that is no literal")
    # Java writes a group as $1, DuckDB as \\1.
    shown = re.sub(r"\$(\d)", r"\\\1", new.name.replace("\\", "\\\\")) if "$" in new.name else new.name
    return duck(f"regexp_replace({text(node.this)}, {text(pattern)}, {exp.Literal.string(shown).sql('duckdb')}, 'g')")


def _core(node: exp.Expression) -> exp.Expression:
    while isinstance(node, (exp.Window, exp.Filter, exp.IgnoreNulls, exp.RespectNulls)):
        node = node.this
    return node


def _concat(parts: list[exp.Expression], kind: KindOf) -> exp.Expression:
    kinds = [kind(part) for part in parts]
    families = {found.family for found in kinds} - {"unknown"}
    if families and families != {"varchar"} and families != {"array"}:
        raise parameters("concat", kinds)
    return duck(" || ".join(text(part) for part in parts))


def _case(node: exp.Case, kind: KindOf) -> exp.Expression:
    conditions = [branch.this for branch in node.args["ifs"]]
    if node.this is None:
        all_boolean(conditions, kind, "CASE WHEN clause")
    else:
        comparable([node.this, *conditions], kind, "=")
    results = [branch.args["true"] for branch in node.args["ifs"]]
    if node.args.get("default") is not None:
        results.append(node.args["default"])
    one_family(results, kind, "All CASE results must be the same type")
    return node


def _arithmetic(node: exp.Expression, kind: KindOf) -> exp.Expression:
    left, right, symbol = _bare(node.this), _bare(node.expression), SYMBOLS[type(node)]
    if isinstance(right, exp.Interval) or isinstance(left, exp.Interval):
        return dates.interval_arithmetic(node, left, right, symbol, kind)
    lk, rk = kind(left), kind(right)
    if "unknown" in (lk.family, rk.family):
        return duck(f"{text(left)} {symbol if not isinstance(node, exp.Div) else '//'} {text(right)}")
    if lk.family == rk.family == "date" and isinstance(node, exp.Sub):
        raise not_supported("date - date, which is an interval: use date_diff('day', from, to)")
    if not (lk.number and rk.number):
        raise mismatch(f"Cannot apply operator: {lk.trino} {symbol} {rk.trino}")
    if lk.floating or rk.floating:
        # REAL with REAL stays REAL; everything else with a floating number is DOUBLE.
        wide = "FLOAT" if lk.duck == rk.duck == "FLOAT" else "DOUBLE"
        return duck(f"CAST({text(left)} AS {wide}) {symbol} CAST({text(right)} AS {wide})")
    zero = f"{text(right)} = 0"
    if lk.integer and rk.integer:
        if isinstance(node, exp.Div):
            return duck(f"CASE WHEN {zero} THEN {decimals.ZERO_DIVISION} ELSE {text(left)} // {text(right)} END")
        if isinstance(node, exp.Mod):
            return duck(f"CASE WHEN {zero} THEN {decimals.ZERO_DIVISION} ELSE {text(left)} % {text(right)} END")
        return duck(f"{text(left)} {symbol} {text(right)}")
    (lp, ls), (rp, rs) = lk.exact or (38, 0), rk.exact or (38, 0)
    if isinstance(node, exp.Div):
        return decimals.divide(left, lp, ls, right, rp, rs)
    # A whole number takes part as the decimal of its type, so that the result is as wide as Trino's.
    one = f"CAST({text(left)} AS DECIMAL({lp},0))" if lk.integer else text(left)
    two = f"CAST({text(right)} AS DECIMAL({rp},0))" if rk.integer else text(right)
    if isinstance(node, exp.Mod):
        return duck(f"CASE WHEN {zero} THEN {decimals.ZERO_DIVISION} ELSE {one} % {two} END")
    return duck(f"{one} {symbol} {two}")


def _bare(node: exp.Expression) -> exp.Expression:
    while isinstance(node, exp.Paren):
        node = node.this
    return node


def _quantile(node: exp.ApproxQuantile, kind: KindOf) -> exp.Expression:
    if node.args.get("weight") or node.args.get("accuracy"):
        raise not_supported("approx_percentile with weights or accuracy")
    found = kind(node.this)
    if not found.number:
        raise parameters("approx_percentile", [found])
    value = f"CAST({text(node.this)} AS DOUBLE)" if found.decimal else text(node.this)
    return duck(f"quantile_disc({value}, {text(node.args['quantile'])})")


def _round(node: exp.Round, kind: KindOf) -> exp.Expression:
    found = kind(node.this)
    if not found.number and found.family != "unknown":
        raise parameters("round", [found])
    digits = node.args.get("decimals")
    if found.decimal is None:
        return (
            duck(f"round({text(node.this)}, {text(digits)})")
            if digits is not None
            else duck(f"round({text(node.this)})")
        )
    precision, scale = found.decimal
    if digits is None:
        width = min(38, precision - scale + min(1, scale))
        return duck(f"CAST(round({text(node.this)}) AS DECIMAL({max(width, 1)},0))")
    # Trino keeps the argument's scale and adds a digit for the carry.
    return duck(f"CAST(round({text(node.this)}, {text(digits)}) AS DECIMAL({min(38, precision + 1)},{scale}))")
