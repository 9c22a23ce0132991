"""From a Trino query to a DuckDB one: names resolved against the catalog, types checked, meanings kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp

from local.aws.athena.catalog import LISTING, Catalog, Lookup, View
from local.aws.athena.checks import mismatch
from local.aws.athena.errors import QueryError, not_supported
from local.aws.athena.names import inline_windows, is_quoted, resolve, starred
from local.aws.athena.probe import Probe, quoted, scratch, table_type
from local.aws.athena.pruning import Pruning
from local.aws.athena.relations import BaseTable, Column, Frame, Relation, Source
from local.aws.athena.rewrite import aggregate, rewrite
from local.aws.athena.types import Kind

DEEPEST_VIEW = 20
WRAPPERS = (exp.Window, exp.Filter, exp.IgnoreNulls, exp.RespectNulls)


@dataclass
class Analysed:
    """A query ready to run: DuckDB SQL over views named as in `bases`, and its result's columns.

    `constants` are the WITH queries, by name in the order to define them, that read nothing but the catalog.
    """

    sql: str
    bases: list[BaseTable]
    columns: list[tuple[str, Kind]]
    constants: dict[str, str]


def analyse(
    tree: exp.Expression, database: str, lookup: Lookup, parse_view: Callable[[str], exp.Expression]
) -> Analysed:
    """Resolve, check and translate a query. Raises QueryError as Athena would refuse it."""
    with scratch() as connection:
        work = _Analysis(Probe(connection), lookup, parse_view)
        work.count_references(tree)
        relation = work.query(tree, database.lower(), {}, None)
        columns = [(column.name, column.kind) for column in relation.columns]
        return Analysed(tree.sql("duckdb"), work.bases, columns, work.constants)


class _Analysis:
    def __init__(self, probe: Probe, lookup: Lookup, parse_view: Callable[[str], exp.Expression]) -> None:
        self._probe = probe
        self._parse_view = parse_view
        self._depth = 0
        self._references: dict[str, int] = {}
        self.bases: list[BaseTable] = []
        self._catalog = Catalog(lookup, probe, self.bases)
        self.constants: dict[str, str] = {}
        self._pruning = Pruning(self.bases, self.constants)

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
                self._probe.make(relation, "cte")
                ctes[name] = relation
                cte.args["alias"].set("this", exp.to_identifier(relation.probe, quoted=True))
                if self._pruning.is_constant(cte.this):
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
                kind = self._probe.describe(
                    f"SELECT CAST(NULL AS {table_type(one.kind)}) UNION ALL SELECT CAST(NULL AS {table_type(two.kind)})"
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
        kinds = self._probe.describe_all(f"SELECT * FROM ({bare.sql('duckdb')})")
        columns = [Column(f"_col{i}", kind) for i, (_, kind) in enumerate(kinds)]
        return Relation(columns)

    def _select(self, node: exp.Select, database: str, ctes: dict[str, Relation], parent: Frame | None) -> Relation:
        frame = Frame(parent=parent)
        inline_windows(node)
        self._from(node, frame, database, ctes)

        def visit(item: exp.Expression) -> exp.Expression:
            return self._expression(item, frame, database, ctes)

        where = node.args.get("where")
        if where is not None:
            condition = visit(where.this)
            if self._probe.kind(condition, frame).family not in ("boolean", "unknown"):
                raise mismatch(
                    f"WHERE clause must evaluate to a boolean: actual type {self._probe.kind(condition, frame).trino}"
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
        self._pruning.prune(node, frame)
        passing = self._pruning.filters_pass(node, frame)
        for column in columns:
            if column.origin not in passing:
                column.origin = None
        return Relation(columns)

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
                for source, column in starred(item, frame):
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
            origin = self._pruning.origin(core, frame)
            columns.append(Column(name.lower() if not is_quoted(item) else name, self._probe.kind(core, frame), origin))
            projections.append(exp.alias_(core.copy(), name, quoted=True))
        node.set("expressions", projections)
        return columns

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
                if self._probe.kind(condition, frame).family not in ("boolean", "unknown"):
                    raise mismatch("JOIN ON clause must evaluate to a boolean")
                if side in ("", "INNER", "LEFT"):
                    self._pruning.prune_by(condition, frame, only=source if side == "LEFT" else None)
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
            alias = node.alias.lower() or self._probe.fresh("sub")
            relation = self.query(node, database, ctes, None)
        elif isinstance(node, exp.Values):
            alias = node.alias.lower() or self._probe.fresh("sub")
            relation = self._values(node, database, ctes)
            names = names or [column.name for column in relation.columns]
        elif isinstance(node, exp.Unnest):
            alias = node.alias.lower() or self._probe.fresh("sub")
            return self._unnest(node, alias, frame, database, ctes)
        else:
            raise not_supported(f"this in FROM: {node.sql('trino')[:60]}")
        relation = Relation([Column(c.name, c.kind, c.origin, c.hidden) for c in relation.columns])
        self._rename(relation, names)
        self._probe.make(relation, "rel")
        table_alias = exp.TableAlias(
            this=exp.to_identifier(alias, quoted=True),
            columns=[exp.to_identifier(name.lower(), quoted=True) for name in names] or None,
        )
        target = node
        if isinstance(node, exp.Table) and isinstance(node.args.get("_view"), exp.Expression):
            target = exp.Subquery(this=node.args["_view"])
            node.replace(target)
        target.set("alias", table_alias)
        constant = target.sql("duckdb") if self._pruning.is_constant(target) else ""
        return Source(alias, relation, constant=constant)

    def _unnest(self, node: exp.Unnest, alias: str, frame: Frame, database: str, ctes: dict[str, Relation]) -> Source:
        if len(node.expressions) != 1:
            raise not_supported("UNNEST of several arrays at once")
        array = self._expression(node.expressions[0], frame, database, ctes)
        kind = self._probe.kind(array, frame)
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
        self._probe.make(relation, "rel")
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
            return self._catalog.listing(node, schema, name)
        found = self._catalog.lookup(schema, name)
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
        return self._catalog.table(node, found)

    def _rename(self, relation: Relation, names: list[str]) -> None:
        if not names:
            return
        visible = [column for column in relation.columns if not column.hidden]
        if len(names) != len(visible):
            raise mismatch(f"Column alias list has {len(names)} entries but relation has {len(visible)} columns")
        for column, name in zip(visible, names, strict=True):
            column.name = name.lower()

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
            return resolve(node, frame)
        if isinstance(node, (exp.DataType, exp.Interval)):
            return node
        for child in list(node.iter_expressions()):
            self._expression(child, frame, database, ctes)

        def kind(item: exp.Expression) -> Kind:
            return self._probe.kind(item, frame)

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
