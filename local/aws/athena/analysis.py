"""From a Trino query to a DuckDB one: names resolved against the catalog, types checked, meanings kept.

Types are asked of DuckDB, over empty tables that stand for the query's relations.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import duckdb
from sqlglot import exp

from local.aws.athena import udf
from local.aws.athena.decimals import duck, text
from local.aws.athena.errors import QueryError, from_duckdb, not_supported
from local.aws.athena.relations import BaseTable, Column, Frame, Origin, Relation, Source
from local.aws.athena.rewrite import aggregate, mismatch, rewrite
from local.aws.athena.types import Kind, duck_type

DEEPEST_VIEW = 20
PATH = "$path"
LISTING = "$partitions"
WRAPPERS = (exp.Window, exp.Filter, exp.IgnoreNulls, exp.RespectNulls)


@dataclass(frozen=True)
class View:
    """A view's query, and the database that its unqualified names mean."""

    sql: str
    database: str


@dataclass
class Analysed:
    """A query ready to run: DuckDB SQL over views named as in `bases`, and its result's columns.

    `constants` are the WITH queries, by name in the order to define them, that read nothing but the catalog.
    """

    sql: str
    bases: list[BaseTable]
    columns: list[tuple[str, Kind]]
    constants: dict[str, str]


Lookup = Callable[[str, str], "dict[str, Any] | View"]


def quoted(name: str) -> str:
    """A name as a DuckDB identifier."""
    return '"' + name.replace('"', '""') + '"'


def settings(connection: duckdb.DuckDBPyConnection) -> None:
    """The settings that bring DuckDB near Trino, and its reach to nothing but what it is given."""
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
    udf.register(connection)


def analyse(
    tree: exp.Expression, database: str, lookup: Lookup, parse_view: Callable[[str], exp.Expression]
) -> Analysed:
    """Resolve, check and translate a query. Raises QueryError as Athena would refuse it."""
    with duckdb.connect() as probe:
        settings(probe)
        work = _Analysis(probe, lookup, parse_view)
        work.count_references(tree)
        relation = work.query(tree, database.lower(), {}, None)
        columns = [(column.name, column.kind) for column in relation.columns]
        return Analysed(tree.sql("duckdb"), work.bases, columns, work.constants)


class _Analysis:
    def __init__(
        self, probe: duckdb.DuckDBPyConnection, lookup: Lookup, parse_view: Callable[[str], exp.Expression]
    ) -> None:
        self._probe = probe
        self._lookup = lookup
        self._parse_view = parse_view
        self._number = 0
        self._depth = 0
        self._references: dict[str, int] = {}
        self._kinds: dict[tuple[int, str], Kind] = {}
        self.bases: list[BaseTable] = []
        self.constants: dict[str, str] = {}

    def count_references(self, tree: exp.Expression) -> None:
        """Count how often each name stands in a FROM: a filter may pass into a WITH query only if it is used once."""
        for table in tree.find_all(exp.Table):
            self._references[table.name.lower()] = self._references.get(table.name.lower(), 0) + 1

    def query(self, node: exp.Expression, database: str, ctes: dict[str, Relation], parent: Frame | None) -> Relation:
        """Analyse a query in place; returns its columns."""
        clause = node.args.get("with_")
        if clause is not None:
            ctes = dict(ctes)
            for cte in clause.expressions:
                relation = self.query(cte.this, database, ctes, parent)
                self._rename(relation, [identifier.name for identifier in cte.args["alias"].columns])
                name = cte.alias.lower()
                if self._references.get(name, 0) != 1:
                    for column in relation.columns:
                        column.origin = None
                relation = Relation(relation.columns)
                self._make_probe(relation, "cte")
                ctes[name] = relation
                cte.args["alias"].set("this", exp.to_identifier(relation.probe, quoted=True))
                if self._is_constant(cte.this):
                    names = ", ".join(quoted(column.name) for column in relation.columns)
                    self.constants[relation.probe] = f"SELECT * FROM ({cte.this.sql('duckdb')}) AS c({names})"
        if isinstance(node, exp.Select):
            return self._select(node, database, ctes, parent)
        if isinstance(node, exp.SetOperation):
            return self._set_operation(node, database, ctes, parent)
        if isinstance(node, exp.Subquery):
            if node.args.get("joins"):
                raise not_supported("joins in parentheses in FROM")
            return self.query(node.this, database, ctes, parent)
        if isinstance(node, exp.Values):
            return self._values(node, database, ctes)
        raise not_supported(f"a query of this form: {node.sql('trino')[:80]}")

    def _set_operation(
        self, node: exp.SetOperation, database: str, ctes: dict[str, Relation], parent: Frame | None
    ) -> Relation:
        if node.args.get("by_name"):
            raise QueryError("SYNTAX_ERROR", "line 1:1: mismatched input 'BY'")
        left = self.query(node.this, database, ctes, parent)
        right = self.query(node.expression, database, ctes, parent)
        if len(left.columns) != len(right.columns):
            raise mismatch(
                f"{node.key.upper()} query has different number of fields: {len(left.columns)}, {len(right.columns)}"
            )
        columns = []
        for i, (one, two) in enumerate(zip(left.columns, right.columns, strict=True), 1):
            families = {one.kind.family, two.kind.family} - {"unknown"}
            if len(families) > 1:
                raise mismatch(
                    f"column {i} in {node.key.upper()} query has incompatible types: {one.kind.trino}, {two.kind.trino}"
                )
            kind = one.kind
            if one.kind != two.kind:
                kind = self._describe(
                    f"SELECT CAST(NULL AS {_table_type(one.kind)}) "
                    f"UNION ALL SELECT CAST(NULL AS {_table_type(two.kind)})"
                )
            columns.append(Column(one.name, kind))
        return Relation(columns)

    def _values(self, node: exp.Values, database: str, ctes: dict[str, Relation]) -> Relation:
        frame = Frame()
        for row in node.expressions:
            for item in list(row.expressions) if isinstance(row, exp.Tuple) else [row]:
                self._expression(item, frame, database, ctes)
        bare = node.copy()
        bare.set("alias", None)
        kinds = self._describe_all(f"SELECT * FROM ({bare.sql('duckdb')})")
        columns = [Column(f"_col{i}", kind) for i, (_, kind) in enumerate(kinds)]
        return Relation(columns)

    def _select(self, node: exp.Select, database: str, ctes: dict[str, Relation], parent: Frame | None) -> Relation:
        frame = Frame(parent=parent)
        _inline_windows(node)
        self._from(node, frame, database, ctes)

        def visit(item: exp.Expression) -> exp.Expression:
            return self._expression(item, frame, database, ctes)

        where = node.args.get("where")
        if where is not None:
            condition = visit(where.this)
            if self._kind(condition, frame).family not in ("boolean", "unknown"):
                raise mismatch(
                    f"WHERE clause must evaluate to a boolean: actual type {self._kind(condition, frame).trino}"
                )
        group = node.args.get("group")
        if group is not None:
            for item in list(group.iter_expressions()):
                if not isinstance(item, exp.Literal):
                    visit(item)
        if node.args.get("having") is not None:
            visit(node.args["having"].this)
        columns = self._projections(node, frame, visit)
        order = node.args.get("order")
        if order is not None:
            frame.outputs = {column.name.lower(): column.kind for column in columns}
            for item in order.expressions:
                self._order(item, frame, visit)
        self._prune(node, frame)
        passing = self._filters_pass(node, frame)
        for column in columns:
            if column.origin not in passing:
                column.origin = None
        return Relation(columns)

    def _filters_pass(self, node: exp.Select, frame: Frame) -> set[Origin | None]:
        """The partition keys on which a filter on the result is the same as a filter before it."""
        group = node.args.get("group")
        if node.args.get("limit") or node.args.get("offset"):
            return set()
        if group is not None and any(group.args.get(k) for k in ("grouping_sets", "cube", "rollup")):
            return set()
        keys: set[Origin | None] = {
            item.origin for source in frame.sources for item in source.relation.columns if item.origin
        }
        # A filter takes whole partitions of a window away only by what the window is partitioned by.
        for item in node.expressions:
            for window in item.find_all(exp.Window):
                keys &= {self._origin(part, frame) for part in window.args.get("partition_by") or []}
        return keys

    def _order(self, item: exp.Expression, frame: Frame, visit: Callable[[exp.Expression], exp.Expression]) -> None:
        key = item.this if isinstance(item, exp.Ordered) else item
        if isinstance(key, exp.Literal):
            return
        if isinstance(key, exp.Column) and not key.table and key.name.lower() in frame.outputs:
            return
        visit(key)

    def _projections(
        self, node: exp.Select, frame: Frame, visit: Callable[[exp.Expression], exp.Expression]
    ) -> list[Column]:
        columns: list[Column] = []
        projections: list[exp.Expression] = []
        for item in list(node.expressions):
            if isinstance(item, exp.Star) or (isinstance(item, exp.Column) and isinstance(item.this, exp.Star)):
                for source, column in self._starred(item, frame):
                    table = exp.to_identifier(source.alias, quoted=True) if source else None
                    reference = exp.Column(this=exp.to_identifier(column.name, quoted=True), table=table)
                    projections.append(exp.alias_(reference, column.name, quoted=True))
                    origin = column.origin if source and not source.outer else None
                    columns.append(Column(column.name, column.kind, origin))
                continue
            name = item.alias if isinstance(item, exp.Alias) else item.name if isinstance(item, exp.Column) else ""
            core = item.this if isinstance(item, exp.Alias) else item
            core = visit(core)
            name = name or f"_col{len(columns)}"
            origin = self._origin(core, frame)
            columns.append(Column(name.lower() if not _is_quoted(item) else name, self._kind(core, frame), origin))
            projections.append(exp.alias_(core.copy(), name, quoted=True))
        node.set("expressions", projections)
        return columns

    def _starred(self, item: exp.Expression, frame: Frame) -> list[tuple[Source | None, Column]]:
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

    def _from(self, node: exp.Select, frame: Frame, database: str, ctes: dict[str, Relation]) -> None:
        clause = node.args.get("from_")
        if clause is None:
            return
        source = self._source(clause.this, frame, database, ctes)
        self._add(frame, source, "")
        for lateral in node.args.get("laterals") or []:
            raise not_supported(f"LATERAL: {lateral.sql('trino')[:60]}")
        for join in node.args.get("joins") or []:
            side, kind = (join.side or "").upper(), (join.kind or "").upper()
            if kind in ("SEMI", "ANTI") or join.args.get("method"):
                raise QueryError("SYNTAX_ERROR", f"line 1:1: mismatched input '{kind or join.args['method']}'")
            source = self._source(join.this, frame, database, ctes)
            using = [identifier.name.lower() for identifier in join.args.get("using") or []]
            if side in ("RIGHT", "FULL"):
                for earlier in frame.sources:
                    earlier.outer = True
            source.outer = side in ("LEFT", "FULL")
            self._add(frame, source, ", ".join(quoted(name) for name in using))
            frame.using |= set(using)
            if join.args.get("on") is not None:
                condition = self._expression(join.args["on"], frame, database, ctes)
                if self._kind(condition, frame).family not in ("boolean", "unknown"):
                    raise mismatch("JOIN ON clause must evaluate to a boolean")
                if side in ("", "INNER", "LEFT"):
                    self._prune_by(condition, frame, only=source if side == "LEFT" else None)
            elif not using and kind != "CROSS" and (side or join.kind):
                raise QueryError("SYNTAX_ERROR", "line 1:1: JOIN needs ON or USING")

    def _add(self, frame: Frame, source: Source, using: str) -> None:
        if any(other.alias == source.alias for other in frame.sources):
            raise QueryError("SYNTAX_ERROR", f"line 1:1: Table alias '{source.alias}' is used more than once")
        item = f"{source.relation.probe} AS {quoted(source.alias)}"
        if not frame.probe:
            frame.probe = item
        else:
            frame.probe += f" JOIN {item} USING ({using})" if using else f" CROSS JOIN {item}"
        frame.sources.append(source)

    def _source(self, node: exp.Expression, frame: Frame, database: str, ctes: dict[str, Relation]) -> Source:
        alias_node = node.args.get("alias")
        names = [identifier.name for identifier in alias_node.columns] if alias_node else []
        if isinstance(node, exp.Table):
            alias = (node.alias or node.name).lower()
            relation = self._table(node, database, ctes)
        elif isinstance(node, exp.Subquery):
            alias = node.alias.lower() or self._fresh("sub")
            relation = self.query(node, database, ctes, None)
        elif isinstance(node, exp.Values):
            alias = node.alias.lower() or self._fresh("sub")
            relation = self._values(node, database, ctes)
            names = names or [column.name for column in relation.columns]
        elif isinstance(node, exp.Unnest):
            alias = node.alias.lower() or self._fresh("sub")
            return self._unnest(node, alias, frame, database, ctes)
        else:
            raise not_supported(f"this in FROM: {node.sql('trino')[:60]}")
        relation = Relation([Column(c.name, c.kind, c.origin, c.hidden) for c in relation.columns])
        self._rename(relation, names)
        self._make_probe(relation, "rel")
        table_alias = exp.TableAlias(
            this=exp.to_identifier(alias, quoted=True),
            columns=[exp.to_identifier(name.lower(), quoted=True) for name in names] or None,
        )
        target = node
        if isinstance(node, exp.Table) and isinstance(node.args.get("_view"), exp.Expression):
            target = exp.Subquery(this=node.args["_view"])
            node.replace(target)
        target.set("alias", table_alias)
        constant = target.sql("duckdb") if self._is_constant(target) else ""
        return Source(alias, relation, constant=constant)

    def _unnest(self, node: exp.Unnest, alias: str, frame: Frame, database: str, ctes: dict[str, Relation]) -> Source:
        if len(node.expressions) != 1:
            raise not_supported("UNNEST of several arrays at once")
        array = self._expression(node.expressions[0], frame, database, ctes)
        kind = self._kind(array, frame)
        if kind.family != "array":
            if kind.duck.startswith("MAP"):
                raise not_supported("UNNEST of a map")
            raise mismatch(f"Cannot unnest type: {kind.trino}")
        element = Kind(kind.duck[:-2])
        if element.duck.startswith("STRUCT"):
            raise not_supported("UNNEST of an array of rows")
        given = [identifier.name.lower() for identifier in node.args["alias"].columns] if node.args.get("alias") else []
        ordinal = node.args.get("offset")
        columns = [Column(given[0] if given else "_col0", element)]
        if ordinal:
            columns.append(
                Column(ordinal.name.lower() if isinstance(ordinal, exp.Expression) else "_col1", Kind("BIGINT"))
            )
        relation = Relation(columns)
        self._make_probe(relation, "rel")
        node.set(
            "alias",
            exp.TableAlias(
                this=exp.to_identifier(alias, quoted=True),
                columns=[exp.to_identifier(columns[0].name, quoted=True)],
            ),
        )
        if ordinal:
            node.set("offset", exp.to_identifier(columns[1].name, quoted=True))
        return Source(alias, relation)

    def _table(self, node: exp.Table, database: str, ctes: dict[str, Relation]) -> Relation:
        name = node.name.lower()
        if not node.db and name in ctes:
            relation = ctes[name]
            node.set("this", exp.to_identifier(relation.probe, quoted=True))
            return relation
        if node.catalog and node.catalog.lower() != "awsdatacatalog":
            raise QueryError("CATALOG_NOT_FOUND", f"line 1:15: Catalog '{node.catalog}' does not exist")
        schema = (node.db or database).lower()
        if schema == "information_schema":
            raise not_supported("information_schema: use SHOW TABLES, SHOW COLUMNS or the Glue catalog's own calls")
        if name.endswith(LISTING):
            return self._listing(node, schema, name)
        found = self._lookup(schema, name)
        node.set("db", None)
        node.set("catalog", None)
        if isinstance(found, View):
            self._depth += 1
            if self._depth > DEEPEST_VIEW:
                raise QueryError(
                    "VIEW_IS_RECURSIVE", f"line 1:15: View {schema}.{name} is recursive or nested too deeply"
                )
            try:
                tree = self._parse_view(found.sql)
                saved, self._references = self._references, {}
                self.count_references(tree)
                relation = self.query(tree, found.database.lower(), {}, None)
                self._references = saved
            except QueryError as error:
                if error.code in ("TABLE_NOT_FOUND", "COLUMN_NOT_FOUND", "TYPE_MISMATCH"):
                    raise QueryError(
                        "INVALID_VIEW",
                        f"line 1:15: View 'awsdatacatalog.{schema}.{name}' is stale or in invalid state: {error}",
                    ) from None
                raise
            finally:
                self._depth -= 1
            node.set("_view", tree)
            return relation
        base = self._base(found)
        node.set("this", exp.to_identifier(base.name, quoted=True))
        columns = [Column(n, Kind(duck)) for n, duck in base.columns]
        columns += [Column(n, Kind(duck), Origin(base.name, n)) for n, duck in base.keys]
        columns.append(Column(PATH, Kind("VARCHAR"), hidden=True))
        relation = Relation(columns)
        self._make_probe(relation, base.name, exact=True)
        return relation

    def _listing(self, node: exp.Table, schema: str, name: str) -> Relation:
        """The relation of "table$partitions": the values of the partition keys, which the catalog has."""
        found = self._lookup(schema, name.removesuffix(LISTING))
        if isinstance(found, View) or not found.get("PartitionKeys"):
            raise QueryError("TABLE_NOT_FOUND", f"line 1:15: Table 'awsdatacatalog.{schema}.{name}' does not exist")
        base = self._base(found)
        base.listing = True
        for part in ("db", "catalog"):
            node.set(part, None)
        node.set("this", exp.to_identifier(base.name, quoted=True))
        relation = Relation([Column(key, Kind(duck)) for key, duck in base.keys])
        self._make_probe(relation, base.name, exact=True)
        return relation

    def _is_constant(self, tree: exp.Expression) -> bool:
        """Whether a rewritten query reads nothing but the catalog and itself, so that it may be run before any scan."""
        listed = {base.name for base in self.bases if base.listing}
        if any(table.name not in listed and table.name not in self.constants for table in tree.find_all(exp.Table)):
            return False
        if tree.find(exp.Unnest, exp.Rand):
            return False
        aliases = {item.alias_or_name for item in tree.find_all(exp.Table, exp.Subquery, exp.Values)}
        # The names of a result, which ORDER BY may use, stand without a table.
        return all(
            column.table in aliases if column.table else column.find_ancestor(exp.Order) is not None
            for column in tree.find_all(exp.Column)
        )

    def _base(self, table: dict[str, Any]) -> BaseTable:
        storage = table.get("StorageDescriptor") or {}
        columns = [(c["Name"].lower(), duck_type(c.get("Type") or "string")) for c in storage.get("Columns") or []]
        keys = [(c["Name"].lower(), duck_type(c.get("Type") or "string")) for c in table.get("PartitionKeys") or []]
        names = [name for name, _ in columns + keys]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise QueryError(
                "HIVE_INVALID_METADATA",
                f"Hive metadata for table {table['Name']} is invalid: "
                f"Table descriptor contains duplicate columns {twice}",
            )
        base = BaseTable(self._fresh("src"), table, columns, keys)
        self.bases.append(base)
        return base

    def _rename(self, relation: Relation, names: list[str]) -> None:
        if not names:
            return
        visible = [column for column in relation.columns if not column.hidden]
        if len(names) != len(visible):
            raise mismatch(f"Column alias list has {len(names)} entries but relation has {len(visible)} columns")
        for column, name in zip(visible, names, strict=True):
            column.name = name.lower()

    def _fresh(self, prefix: str) -> str:
        self._number += 1
        return f"__{prefix}_{self._number}"

    def _make_probe(self, relation: Relation, prefix: str, exact: bool = False) -> None:
        relation.probe = prefix if exact else self._fresh(prefix)
        seen: set[str] = set()
        parts = []
        for column in relation.columns:
            name = column.name.lower()
            while name in seen:
                name += "'"
            seen.add(name)
            parts.append(f"{quoted(name)} {_table_type(column.kind)}")
        self._probe.execute(f"CREATE OR REPLACE TEMP TABLE {quoted(relation.probe)} ({', '.join(parts)})")

    def _expression(
        self, node: exp.Expression, frame: Frame, database: str, ctes: dict[str, Relation]
    ) -> exp.Expression:
        """Resolve, check and rewrite an expression, in place where it hangs in a tree; returns what it became."""
        if isinstance(node, (exp.Select, exp.SetOperation, exp.Subquery, exp.Values)):
            relation = self.query(node, database, ctes, frame)
            scalar = isinstance(node, exp.Subquery) and not isinstance(node.parent, (exp.In, exp.Exists))
            if scalar and len(relation.columns) != 1:
                raise mismatch("Multiple columns returned by subquery are not yet supported")
            return node
        if isinstance(node, exp.Lambda):
            return node
        if isinstance(node, exp.Column):
            return self._column(node, frame)
        if isinstance(node, (exp.DataType, exp.Interval)):
            return node
        for child in list(node.iter_expressions()):
            self._expression(child, frame, database, ctes)

        def kind(item: exp.Expression) -> Kind:
            return self._kind(item, frame)

        parent = node.parent
        new = rewrite(node, kind)
        wrapped = isinstance(parent, WRAPPERS) and parent.this is node
        if new is node and not wrapped:
            new = aggregate(node, kind)
        if new is not node:
            if parent is not None:
                enclosed = (
                    exp.Paren(this=new) if not isinstance(new, (exp.Func, exp.Column, exp.Literal, exp.Paren)) else new
                )
                if isinstance(new, exp.Case):
                    enclosed = new
                node.replace(enclosed)
                return enclosed
            return new
        return node

    def _column(self, node: exp.Column, frame: Frame) -> exp.Expression:
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
                    raise not_supported(
                        f"a subquery whose FROM repeats the alias {source.alias} of the query around it"
                    )
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

    def _kind(self, node: exp.Expression, frame: Frame) -> Kind:
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
                    return self._describe(f"SELECT {sql}{source}{tail}")
                except duckdb.Error as problem:
                    error = error or problem
            if level is None:
                raise from_duckdb(error) from None
            probes = ", ".join(part for part in (probes, level.probe) if part)
            level = level.parent

    def _describe(self, query: str) -> Kind:
        return self._describe_all(query)[0][1]

    def _describe_all(self, query: str) -> list[tuple[str, Kind]]:
        return [(row[0], Kind(row[1])) for row in self._probe.execute(f"DESCRIBE {query}").fetchall()]

    def _origin(self, node: exp.Expression, frame: Frame) -> Origin | None:
        if isinstance(node, exp.Column):
            found = frame.find(node)
            if len(found) == 1 and not found[0][0].outer:
                return found[0][1].origin
        return None

    def _prune(self, node: exp.Select, frame: Frame) -> None:
        where = node.args.get("where")
        if where is not None:
            self._prune_by(where.this, frame, only=None)

    def _prune_by(self, condition: exp.Expression, frame: Frame, only: Source | None) -> None:
        """Hand conditions over the partition keys of a base table to it, where the catalog alone decides them."""
        for part in _conjuncts(condition):
            shallow = list(part.walk(prune=lambda node: isinstance(node, exp.Query)))
            if any(isinstance(node, (exp.AggFunc, exp.Window, exp.Lambda)) for node in shallow):
                continue
            if not all(self._is_constant(node) for node in shallow if isinstance(node, exp.Query)):
                continue
            found = [self._key_or_constant(node, frame, only) for node in shallow if isinstance(node, exp.Column)]
            origins = {one for one in found if isinstance(one, Origin)}
            if None in found or len({origin.base for origin in origins}) != 1:
                continue
            bare = part.copy()
            copies = bare.walk(prune=lambda node: isinstance(node, exp.Query))
            columns = [node for node in copies if isinstance(node, exp.Column)]
            for column, one in zip(columns, found, strict=True):
                if isinstance(one, Origin):
                    column.set("table", exp.to_identifier(one.base, quoted=True))
                    column.set("this", exp.to_identifier(one.key, quoted=True))
            sources = sorted({one for one in found if isinstance(one, str)})
            if sources:
                bare = duck(f"EXISTS (SELECT 1 FROM {', '.join(sources)} WHERE {text(bare)})")
            base = next(base for base in self.bases if base.name == next(iter(origins)).base)
            base.filters.append(bare)

    def _key_or_constant(self, column: exp.Column, frame: Frame, only: Source | None) -> Origin | str | None:
        """The partition key that a column is, or the text of the constant relation that it is of."""
        found = frame.find(column)
        if len(found) != 1:
            return None
        source, item = found[0]
        if source.constant and not source.outer:
            return source.constant
        if source is not only if only is not None else source.outer:
            return None
        return item.origin


def _table_type(kind: Kind) -> str:
    return "INTEGER" if kind.family == "unknown" else kind.duck


def _conjuncts(node: exp.Expression) -> list[exp.Expression]:
    while isinstance(node, exp.Paren):
        node = node.this
    if isinstance(node, exp.And):
        return _conjuncts(node.this) + _conjuncts(node.expression)
    return [node]


def _inline_windows(node: exp.Select) -> None:
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


def _is_quoted(item: exp.Expression) -> bool:
    identifier = item.args.get("alias") if isinstance(item, exp.Alias) else item.this
    return (
        isinstance(identifier, exp.Identifier) and bool(identifier.args.get("quoted")) and isinstance(item, exp.Alias)
    )


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


def _place(node: exp.Expression) -> str:
    meta = node.this.meta if isinstance(node.this, exp.Expression) else {}
    line, column, name = meta.get("line"), meta.get("col"), re.sub(r'"', "", node.name)
    return f"line {line}:{max(int(column) - len(name) + 1, 1)}: " if line and column else "line 1:1: "
