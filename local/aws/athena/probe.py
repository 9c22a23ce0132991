"""The types of expressions: asked of DuckDB, over empty tables that stand for the query's relations."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
from sqlglot import exp

from local.aws.athena import udf
from local.aws.athena.decimals import text
from local.aws.athena.errors import from_duckdb
from local.aws.athena.relations import Frame, Relation
from local.aws.athena.types import Kind


def quoted(name: str) -> str:
    """A name as a DuckDB identifier."""
    return '"' + name.replace('"', '""') + '"'


def settings(connection: duckdb.DuckDBPyConnection) -> None:
    """Bring a database near Trino, with a reach to nothing but what it is given."""
    _set(connection)
    udf.register(connection)


@contextmanager
def scratch() -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection for questions of types and for the choice of partitions; it sees no TEMP table but its own.

    To open a database takes longer than most that is asked, so all share one.
    """
    with _cursor() as connection:
        yield connection


def _cursor() -> duckdb.DuckDBPyConnection:
    connection = _database().cursor()
    try:
        _set(connection)
    except duckdb.FatalException:
        # DuckDB closes a database in which a query failed so, for everybody.
        _database.cache_clear()
        connection = _database().cursor()
        _set(connection)
    return connection


@functools.cache
def _database() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    settings(connection)
    return connection


def _set(connection: duckdb.DuckDBPyConnection) -> None:
    for statement in (
        "SET default_null_order = 'nulls_last'",
        "SET TimeZone = 'UTC'",
        "SET ieee_floating_point_ops = true",
        "SET python_enable_replacements = false",
        "SET scalar_subquery_error_on_multiple_rows = true",
        "SET autoinstall_known_extensions = false",
        "SET autoload_known_extensions = false",
    ):
        connection.execute(statement)


def table_type(kind: Kind) -> str:
    """Return the type of a column of an empty table; a null of no type needs one there."""
    return "INTEGER" if kind.family == "unknown" else kind.duck


class Probe:
    """Empty tables in a connection of `scratch`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._number = 0
        self._kinds: dict[tuple[int, str], Kind] = {}

    def fresh(self, prefix: str) -> str:
        """Return a name that nothing else has."""
        self._number += 1
        return f"__{prefix}_{self._number}"

    def make(self, relation: Relation, prefix: str, exact: bool = False) -> None:
        """Make the empty table that stands for a relation; with `exact` it has just that name."""
        relation.probe = prefix if exact else self.fresh(prefix)
        seen: set[str] = set()
        parts = []
        for column in relation.columns:
            name = column.name.lower()
            while name in seen:
                name += "'"
            seen.add(name)
            parts.append(f"{quoted(name)} {table_type(column.kind)}")
        self._connection.execute(f"CREATE OR REPLACE TEMP TABLE {quoted(relation.probe)} ({', '.join(parts)})")

    def describe(self, query: str) -> Kind:
        """Return the type of a query's first column."""
        return self.describe_all(query)[0][1]

    def describe_all(self, query: str) -> list[tuple[str, Kind]]:
        """Return the names and types of a query's columns."""
        return [(row[0], Kind(row[1])) for row in self._connection.execute(f"DESCRIBE {query}").fetchall()]

    def kind(self, node: exp.Expression, frame: Frame) -> Kind:
        """Return the type of a rewritten expression in a SELECT."""
        while isinstance(node, exp.Paren):
            node = node.this
        if isinstance(node, exp.Literal):
            return _literal_kind(node)
        if isinstance(node, exp.Null):
            return Kind('"NULL"')
        if isinstance(node, exp.Column):
            level: Frame | None = frame
            while level is not None:
                found = level.find(node)
                if found:
                    return found[0][1].kind
                if not node.table and node.name.lower() in level.outputs:
                    return level.outputs[node.name.lower()]
                level = level.parent
        sql = text(node)
        key = (id(frame), f"{frame.probe}|{sql}")
        if key not in self._kinds:
            self._kinds[key] = self._ask(node, sql, frame)
        return self._kinds[key]

    def _ask(self, node: exp.Expression, sql: str, frame: Frame) -> Kind:
        # An aggregate next to a grouped column: for the type alone, group by every column in sight. A reference to a
        # SELECT further out: have its sources in sight as well.
        columns = sorted({column.sql("duckdb") for column in node.find_all(exp.Column)})
        grouped = f" GROUP BY {', '.join(columns)}" if columns else ""
        probes, level = frame.probe, frame.parent
        error: duckdb.Error | None = None
        while True:
            source = f" FROM {probes}" if probes else ""
            for tail in ("", grouped) if grouped else ("",):
                try:
                    return self.describe(f"SELECT {sql}{source}{tail}")
                except duckdb.Error as problem:
                    error = error or problem
            if level is None:
                raise from_duckdb(error) from None
            probes = ", ".join(part for part in (probes, level.probe) if part)
            level = level.parent


def _literal_kind(node: exp.Literal) -> Kind:
    if node.is_string:
        return Kind("VARCHAR")
    shown = node.name
    if "e" in shown.lower():
        return Kind("DOUBLE")
    if "." in shown:
        whole, _, fraction = shown.partition(".")
        digits = len(whole.lstrip("0")) + len(fraction)
        return Kind(f"DECIMAL({max(digits, 1)},{len(fraction)})")
    return Kind("INTEGER" if int(shown) < 2**31 else "BIGINT")
