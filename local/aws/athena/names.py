"""What the names in a SELECT mean: columns, stars and windows."""

from __future__ import annotations

import re

from sqlglot import exp

from local.aws.athena.errors import QueryError, not_supported
from local.aws.athena.relations import Column, Frame, Source


def resolve(node: exp.Column, frame: Frame) -> exp.Expression:
    """Give a column the table that it is of. Raises QueryError if none or several have it."""
    name = node.name.lower()
    node.set("db", None)
    node.set("catalog", None)
    level: Frame | None = frame
    while level is not None:
        found = level.find(node)
        if not node.table and name in level.using:
            return node
        if len(found) > 1:
            raise QueryError("AMBIGUOUS_NAME", f"{_place(node)}Column '{node.sql('trino')}' is ambiguous")
        if found:
            source, column = found[0]
            if level is not frame and any(other.alias == source.alias for other in frame.sources):
                raise not_supported(f"a subquery whose FROM repeats the alias {source.alias} of the query around it")
            node.set("this", exp.to_identifier(column.name, quoted=True))
            node.set("table", exp.to_identifier(source.alias, quoted=True))
            return node
        if level is frame and not node.table and name in frame.outputs:
            return node
        level = level.parent
    raise QueryError(
        "COLUMN_NOT_FOUND",
        f"{_place(node)}Column '{node.sql('trino').replace(chr(34), '')}' cannot be resolved or requester is not "
        "authorized to access requested resources",
    )


def starred(item: exp.Expression, frame: Frame) -> list[tuple[Source | None, Column]]:
    """Return the columns that `*` or `t.*` stands for, with their sources."""
    table = item.table.lower() if isinstance(item, exp.Column) else ""
    sources = [source for source in frame.sources if not table or source.alias == table]
    if not sources:
        raise QueryError(
            "SYNTAX_ERROR",
            f"line 1:8: Unable to resolve reference {table}"
            if table
            else "line 1:8: SELECT * not allowed in queries without FROM clause",
        )
    found: list[tuple[Source | None, Column]] = []
    merged = set() if table else frame.using
    for name in sorted(merged):
        first = next(c for s in sources for c in s.relation.columns if c.name.lower() == name)
        found.append((None, first))
    for source in sources:
        for column in source.relation.columns:
            if not column.hidden and column.name.lower() not in merged:
                found.append((source, column))
    return found


def inline_windows(node: exp.Select) -> None:
    """Put each named window (WINDOW w AS …) where it is used."""
    named = {window.name.lower(): window for window in node.args.get("windows") or []}
    if not named:
        return
    for window in list(node.find_all(exp.Window)):
        name = window.args["alias"].name.lower() if window.args.get("alias") else ""
        if name and window not in named.values():
            if name not in named:
                raise QueryError("INVALID_WINDOW_REFERENCE", f"line 1:1: Cannot resolve WINDOW name {name}")
            for key in ("partition_by", "order", "spec"):
                value = named[name].args.get(key)
                if value is not None:
                    window.set(key, [v.copy() for v in value] if isinstance(value, list) else value.copy())
            window.set("alias", None)
    node.set("windows", None)


def is_quoted(item: exp.Expression) -> bool:
    """Return whether a projection has a quoted alias, which keeps its case."""
    identifier = item.args.get("alias") if isinstance(item, exp.Alias) else item.this
    return (
        isinstance(identifier, exp.Identifier) and bool(identifier.args.get("quoted")) and isinstance(item, exp.Alias)
    )


def _place(node: exp.Expression) -> str:
    meta = node.this.meta if isinstance(node.this, exp.Expression) else {}
    line, column, name = meta.get("line"), meta.get("col"), re.sub(r'"', "", node.name)
    return f"line {line}:{max(int(column) - len(name) + 1, 1)}: " if line and column else "line 1:1: "
