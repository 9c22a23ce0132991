"""Where Trino and DuckDB differ: each expression is checked by Trino's types and spelled so that DuckDB agrees."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from sqlglot import exp

from local.aws.athena import decimals
from local.aws.athena.decimals import duck, text
from local.aws.athena.errors import QueryError, not_supported
from local.aws.athena.types import Kind

KindOf = Callable[[exp.Expression], Kind]
UNKNOWN = Kind('"NULL"')
SYMBOLS: dict[type[exp.Expression], str] = {
    exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%", exp.EQ: "=", exp.NEQ: "<>", exp.GT: ">",
    exp.GTE: ">=", exp.LT: "<", exp.LTE: "<=",
    exp.NullSafeEQ: "IS NOT DISTINCT FROM", exp.NullSafeNEQ: "IS DISTINCT FROM",
}  # fmt: skip
COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ)
DATE_UNITS = {"DAY", "WEEK", "MONTH", "QUARTER", "YEAR"}
TIME_UNITS = {"MILLISECOND", "SECOND", "MINUTE", "HOUR"}
WHOLE = {"TINYINT": "TINYINT", "SMALLINT": "SMALLINT", "INT": "INT", "INTEGER": "INT", "BIGINT": "BIGINT"}
DATE_PARTS = (
    exp.Year, exp.Month, exp.Day, exp.Quarter, exp.Week, exp.WeekOfYear, exp.DayOfWeek, exp.DayOfWeekIso, exp.DayOfYear,
    exp.DayOfMonth, exp.LastDay,
)  # fmt: skip
STRING_FUNCTIONS: dict[type[exp.Expression], str] = {
    exp.Upper: "upper", exp.Lower: "lower", exp.Length: "length", exp.Trim: "trim", exp.Substring: "substr",
    exp.StrPosition: "strpos", exp.Replace: "replace", exp.RegexpLike: "regexp_like", exp.SplitPart: "split_part",
    exp.Split: "split", exp.StartsWith: "starts_with", exp.Reverse: "reverse",
}  # fmt: skip
RENAMED = {
    "is_finite": "isfinite", "is_infinite": "isinf", "is_nan": "isnan", "every": "bool_and", "codepoint": "unicode",
}  # fmt: skip
NUMBER_AGGREGATES: dict[type[exp.Expression], str] = {exp.Sum: "sum", exp.Avg: "avg"}


def mismatch(words: str) -> QueryError:
    """Trino's TYPE_MISMATCH."""
    return QueryError("TYPE_MISMATCH", f"line 1:1: {words}")


def rewrite(node: exp.Expression, kind: KindOf) -> exp.Expression:
    """The node as DuckDB must have it; its children have been rewritten. Raises QueryError where Trino would refuse.

    `kind` gives the type of a rewritten expression.
    """
    if isinstance(node, (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod)):
        return _arithmetic(node, kind)
    if isinstance(node, COMPARISONS):
        _comparable(node, [node.this, node.expression], kind, SYMBOLS[type(node)])
        return node
    if isinstance(node, exp.Between):
        _comparable(node, [node.this, node.args["low"], node.args["high"]], kind, "BETWEEN")
        return node
    if isinstance(node, exp.In):
        if node.args.get("unnest"):
            raise not_supported("IN UNNEST")
        if node.expressions:
            _comparable(node, [node.this, *node.expressions], kind, "IN")
        return node
    if isinstance(node, exp.Like):
        _strings("LIKE", [node.this, node.expression], kind)
        return node
    if isinstance(node, (exp.And, exp.Or)):
        _all_boolean([node.this, node.expression], kind, "Logical expression term")
        return node
    if isinstance(node, exp.Not):
        _all_boolean([node.this], kind, "Value of logical NOT expression")
        return node
    if isinstance(node, exp.DPipe):
        return _concat([node.this, node.expression], kind)
    if isinstance(node, exp.ConcatWs):
        _strings("concat_ws", node.expressions, kind)
        return duck(f"concat_ws({', '.join(text(part) for part in node.expressions)})")
    if isinstance(node, exp.Bracket) and not node.args.get("safe"):
        raise not_supported("a subscript: use element_at")
    if isinstance(node, exp.Concat):
        return _concat(list(node.expressions), kind)
    if isinstance(node, exp.Case):
        return _case(node, kind)
    if isinstance(node, exp.If) and not isinstance(node.parent, exp.Case):
        _all_boolean([node.this], kind, "IF condition")
        branches = [branch for branch in (node.args.get("true"), node.args.get("false")) if branch is not None]
        _one_family(branches, kind, "All IF results must be the same type")
        return node
    if isinstance(node, (exp.Coalesce, exp.Nullif)):
        parts = [node.this, *node.expressions] if isinstance(node, exp.Coalesce) else [node.this, node.expression]
        _one_family(parts, kind, f"All {type(node).__name__.upper()} operands must be the same type")
        return node
    if isinstance(node, (exp.Greatest, exp.Least)):
        parts = [node.this, *node.expressions]
        _one_family(parts, kind, "All arguments of greatest and least must be the same type")
        name = "greatest" if isinstance(node, exp.Greatest) else "least"
        anything = " OR ".join(f"{text(part)} IS NULL" for part in parts)
        return duck(f"CASE WHEN {anything} THEN NULL ELSE {name}({', '.join(text(part) for part in parts)}) END")
    if isinstance(node, (exp.Cast, exp.TryCast)):
        return _cast(node, kind)
    if isinstance(node, (exp.Sum, exp.Avg)):
        found = kind(node.this.expressions[0] if isinstance(node.this, exp.Distinct) else node.this)
        if not found.number and found.family != "unknown":
            raise _parameters(NUMBER_AGGREGATES[type(node)], [found])
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
        return _date_function(node, kind)
    if isinstance(node, (exp.TimestampTrunc, exp.DateTrunc)):
        found = _dated("date_trunc", node.this, kind)
        unit = (node.args.get("unit") or node.expression).name.upper()
        if unit not in DATE_UNITS | (TIME_UNITS if found.duck != "DATE" else set()):
            raise QueryError(
                "INVALID_FUNCTION_ARGUMENT", f"'{unit.lower()}' is not a valid {found.trino.split('(')[0]} field"
            )
        result = f"date_trunc('{unit}', {text(node.this)})"
        return duck(f"CAST({result} AS DATE)" if found.duck == "DATE" else result)
    if isinstance(node, exp.Extract):
        _dated("extract", node.expression, kind)
        if node.name.upper() in ("DOW", "DAY_OF_WEEK"):
            return duck(f"isodow({text(node.expression)})")
        return node
    if isinstance(node, DATE_PARTS):
        _dated(type(node).__name__.lower(), node.this, kind)
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
            raise _parameters(STRING_FUNCTIONS[type(node)], [found])
        return node
    if isinstance(node, exp.Format):
        return _format(node, kind)
    if isinstance(node, exp.UnixToTime):
        return duck(f"to_timestamp({text(node.this)})")
    if isinstance(node, exp.GenerateSeries) and any(
        kind(part).family == "date" for part in (node.args["start"], node.args["end"])
    ):
        step = node.args.get("step")
        bounds = f"{text(node.args['start'])}, {text(node.args['end'])}"
        series = f"generate_series({bounds}, {text(step) if step else 'INTERVAL 1 DAY'})"
        if kind(node.args["start"]).duck == "DATE":
            return duck(f"list_transform({series}, lambda x: CAST(x AS DATE))")
        return duck(series)
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
    _strings("regexp_replace", [node.this, pattern, new], kind)
    if not isinstance(new, exp.Literal):
        raise not_supported("regexp_replace with a replacement that is no literal")
    # Java writes a group as $1, DuckDB as \\1.
    shown = re.sub(r"\$(\d)", r"\\\1", new.name.replace("\\", "\\\\")) if "$" in new.name else new.name
    return duck(f"regexp_replace({text(node.this)}, {text(pattern)}, {exp.Literal.string(shown).sql('duckdb')}, 'g')")


def _core(node: exp.Expression) -> exp.Expression:
    while isinstance(node, (exp.Window, exp.Filter, exp.IgnoreNulls, exp.RespectNulls)):
        node = node.this
    return node


def _parameters(name: str, kinds: Sequence[Kind]) -> QueryError:
    given = ", ".join(kind.trino for kind in kinds)
    return mismatch(f"Unexpected parameters ({given}) for function {name}")


def _comparable(node: exp.Expression, parts: Sequence[exp.Expression], kind: KindOf, symbol: str) -> None:
    kinds = [kind(part) for part in parts]
    for other in kinds[1:]:
        if "unknown" not in (kinds[0].family, other.family) and kinds[0].family != other.family:
            if symbol in ("IN", "BETWEEN"):
                raise mismatch(f"Cannot check if {kinds[0].trino} is {symbol} {other.trino}")
            raise mismatch(f"Cannot apply operator: {kinds[0].trino} {symbol} {other.trino}")


def _one_family(parts: Sequence[exp.Expression], kind: KindOf, words: str) -> None:
    known = [found for found in map(kind, parts) if found.family != "unknown"]
    for other in known[1:]:
        if other.family != known[0].family:
            raise mismatch(f"{words}. Cannot unify {known[0].trino} and {other.trino}")


def _all_boolean(parts: Sequence[exp.Expression], kind: KindOf, words: str) -> None:
    for part in parts:
        found = kind(part)
        if found.family not in ("boolean", "unknown"):
            raise mismatch(f"{words} must evaluate to a boolean (actual: {found.trino})")


def _strings(name: str, parts: Sequence[exp.Expression], kind: KindOf) -> None:
    kinds = [kind(part) for part in parts]
    if any(found.family not in ("varchar", "unknown") for found in kinds):
        raise mismatch(f"{name} expression must evaluate to a varchar (actual: {', '.join(k.trino for k in kinds)})")


def _concat(parts: list[exp.Expression], kind: KindOf) -> exp.Expression:
    kinds = [kind(part) for part in parts]
    families = {found.family for found in kinds} - {"unknown"}
    if families and families != {"varchar"} and families != {"array"}:
        raise _parameters("concat", kinds)
    return duck(" || ".join(text(part) for part in parts))


def _case(node: exp.Case, kind: KindOf) -> exp.Expression:
    conditions = [branch.this for branch in node.args["ifs"]]
    if node.this is None:
        _all_boolean(conditions, kind, "CASE WHEN clause")
    else:
        _comparable(node, [node.this, *conditions], kind, "=")
    results = [branch.args["true"] for branch in node.args["ifs"]]
    if node.args.get("default") is not None:
        results.append(node.args["default"])
    _one_family(results, kind, "All CASE results must be the same type")
    return node


def _arithmetic(node: exp.Expression, kind: KindOf) -> exp.Expression:
    left, right, symbol = _bare(node.this), _bare(node.expression), SYMBOLS[type(node)]
    if isinstance(right, exp.Interval) or isinstance(left, exp.Interval):
        return _interval_arithmetic(node, left, right, symbol, kind)
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


def _interval_arithmetic(
    node: exp.Expression, left: exp.Expression, right: exp.Expression, symbol: str, kind: KindOf
) -> exp.Expression:
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


def _dated(name: str, value: exp.Expression, kind: KindOf) -> Kind:
    found = kind(value)
    if found.family not in ("date", "unknown"):
        raise _parameters(name, [found])
    return found


def _date_function(node: exp.Expression, kind: KindOf) -> exp.Expression:
    name = "date_add" if isinstance(node, exp.DateAdd) else "date_diff"
    unit = node.args["unit"].name.upper() if node.args.get("unit") else "DAY"
    found = _dated(name, node.this, kind)
    allowed = DATE_UNITS | (TIME_UNITS if found.duck != "DATE" or name == "date_diff" else set())
    if unit not in allowed:
        raise QueryError(
            "INVALID_FUNCTION_ARGUMENT", f"'{unit.lower()}' is not a valid {found.trino.split('(')[0]} field"
        )
    if name == "date_diff":
        _dated(name, node.expression, kind)
        # datesub counts whole units between the two, as Trino does; datediff would count boundaries crossed.
        return duck(f"datesub('{unit}', {text(node.expression)}, {text(node.this)})")
    count = kind(node.expression)
    if not count.integer and count.family != "unknown":
        raise _parameters(name, [Kind("VARCHAR"), count, found])
    months = {"QUARTER": 3, "MONTH": 1, "YEAR": 12}
    amount = f"to_months(CAST({text(node.expression)} * {months[unit]} AS INTEGER))" if unit in months else None
    days = {"DAY": 1, "WEEK": 7}
    if unit in days:
        amount = f"to_days(CAST({text(node.expression)} * {days[unit]} AS INTEGER))"
    if amount is None:
        amount = f"to_{unit.lower()}s({text(node.expression)})"
    result = f"{text(node.this)} + {amount}"
    return duck(f"CAST({result} AS DATE)" if found.duck == "DATE" else result)


def _quantile(node: exp.ApproxQuantile, kind: KindOf) -> exp.Expression:
    if node.args.get("weight") or node.args.get("accuracy"):
        raise not_supported("approx_percentile with weights or accuracy")
    found = kind(node.this)
    if not found.number:
        raise _parameters("approx_percentile", [found])
    value = f"CAST({text(node.this)} AS DOUBLE)" if found.decimal else text(node.this)
    return duck(f"quantile_disc({value}, {text(node.args['quantile'])})")


def _round(node: exp.Round, kind: KindOf) -> exp.Expression:
    found = kind(node.this)
    if not found.number and found.family != "unknown":
        raise _parameters("round", [found])
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


def _cast(node: exp.Expression, kind: KindOf) -> exp.Expression:
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


def _format(node: exp.Format, kind: KindOf) -> exp.Expression:
    kinds = [kind(part) for part in node.expressions]
    letters = "".join(
        "n" if found.exact else "f" if found.floating else "b" if found.family == "boolean" else "s" for found in kinds
    )
    values = [_as_text(text(part), found) for part, found in zip(node.expressions, kinds, strict=True)]
    listed = f"[{', '.join(values)}]" if values else "CAST([] AS VARCHAR[])"
    return duck(f"trino_format({text(node.this)}, {listed}, '{letters}')")
