"""Which partitions a query need not read: conditions that the catalog alone decides reach the base tables."""

from __future__ import annotations

from sqlglot import exp

from local.aws.athena.decimals import duck, text
from local.aws.athena.relations import BaseTable, Frame, Origin, Source


class Pruning:
    """Works on the base tables of a query, and its constants: the WITH queries that read nothing but the catalog."""

    def __init__(self, bases: list[BaseTable], constants: dict[str, str]) -> None:
        self._bases = bases
        self._constants = constants

    def filters_pass(self, node: exp.Select, frame: Frame) -> set[Origin | None]:
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
                keys &= {self.origin(part, frame) for part in window.args.get("partition_by") or []}
        return keys

    def is_constant(self, tree: exp.Expression) -> bool:
        """Whether a rewritten query reads nothing but the catalog and itself, so that it may be run before any scan."""
        listed = {base.name for base in self._bases if base.listing}
        if any(table.name not in listed and table.name not in self._constants for table in tree.find_all(exp.Table)):
            return False
        if tree.find(exp.Unnest, exp.Rand):
            return False
        aliases = {item.alias_or_name for item in tree.find_all(exp.Table, exp.Subquery, exp.Values)}
        # The names of a result, which ORDER BY may use, stand without a table.
        return all(
            column.table in aliases if column.table else column.find_ancestor(exp.Order) is not None
            for column in tree.find_all(exp.Column)
        )

    def prune(self, node: exp.Select, frame: Frame) -> None:
        """Hand the conditions of a WHERE to the base tables that they prune."""
        where = node.args.get("where")
        if where is not None:
            self.prune_by(where.this, frame, only=None)

    def prune_by(self, condition: exp.Expression, frame: Frame, only: Source | None) -> None:
        """Hand conditions over the partition keys of a base table to it, where the catalog alone decides them."""
        for part in _conjuncts(condition):
            shallow = list(part.walk(prune=lambda node: isinstance(node, exp.Query)))
            if any(isinstance(node, (exp.AggFunc, exp.Window, exp.Lambda)) for node in shallow):
                continue
            if not all(self.is_constant(node) for node in shallow if isinstance(node, exp.Query)):
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
            base = next(base for base in self._bases if base.name == next(iter(origins)).base)
            base.filters.append(bare)

    def origin(self, node: exp.Expression, frame: Frame) -> Origin | None:
        """Return the partition key that an expression is, unchanged; None if it is none."""
        if isinstance(node, exp.Column):
            found = frame.find(node)
            if len(found) == 1 and not found[0][0].outer:
                return found[0][1].origin
        return None

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


def _conjuncts(node: exp.Expression) -> list[exp.Expression]:
    while isinstance(node, exp.Paren):
        node = node.this
    if isinstance(node, exp.And):
        return _conjuncts(node.this) + _conjuncts(node.expression)
    return [node]
