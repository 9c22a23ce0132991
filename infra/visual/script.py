"""Writes the script of a visual job from its nodes: each node is one call of include/glue/visual/run.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from infra.visual.nodes import BadNodes, Node, in_order

_HEAD = '''\
"""The script of a visual Glue job, written from its nodes by infra/visual/script.py: change the nodes instead."""

from visual.run import Run

with Run.start() as run:
'''


def write(nodes: dict[str, dict[str, Any]]) -> bytes:
    """Return the script of the nodes: the same nodes give the same bytes.

    Raises:
        BadNodes: the nodes make no job, or one is of a type that this does not know.
    """
    lines = []
    for node in in_order(nodes):
        if node.kind not in _WRITERS:
            raise BadNodes(f"expected a node of {', '.join(_WRITERS)}, found {node.kind} {node.id}")
        lines += [f"    # {node.kind}: {node.name}", *(f"    {line}" for line in _WRITERS[node.kind](node)), ""]
    return (_HEAD + "\n".join(lines[:-1]) + "\n").encode()


def _variable(identity: str) -> str:
    return identity.replace("-", "_")


def _source(node: Node) -> Sequence[str]:
    if node.fields.get("PartitionPredicate"):
        raise BadNodes(f"expected no PartitionPredicate, as each run is told its sessions, found one of {node.id}")
    return [
        f"{_variable(node.id)} = run.catalog_source(database={node.fields['Database']!r}, "
        f"table={node.fields['Table']!r})"
    ]


def _sql(node: Node) -> Sequence[str]:
    frames = ", ".join(f"{alias['Alias']}={_variable(alias['From'])}" for alias in node.fields["SqlAliases"])
    query = str(node.fields["SqlQuery"])
    if "\\" in query or '"""' in query:
        raise BadNodes(f'expected a query without \\ and """, found one in node {node.id}')
    return [f'{_variable(node.id)} = run.sql("""', *(f"    {line}" for line in query.splitlines()), f'""", {frames})']


def _aggregate(node: Node) -> Sequence[str]:
    groups = [column for (column,) in node.fields["Groups"]]
    aggs = [(agg["Column"][0], agg["AggFunc"]) for agg in node.fields["Aggs"]]
    return [f"{_variable(node.id)} = run.aggregate({_input(node)}, groups={groups!r}, aggs={aggs!r})"]


def _rename(node: Node) -> Sequence[str]:
    (old,), (new,) = node.fields["SourcePath"], node.fields["TargetPath"]
    return [f"{_variable(node.id)} = run.rename_field({_input(node)}, {old!r}, {new!r})"]


def _target(node: Node) -> Sequence[str]:
    keys = [key for (key,) in node.fields["PartitionKeys"]]
    catalog = node.fields["SchemaChangePolicy"]
    if not catalog["EnableUpdateCatalog"] or catalog["UpdateBehavior"] != "LOG":
        raise BadNodes(f"expected {node.id} to add partitions and leave the table's schema, found {catalog}")
    return [
        "run.parquet_target(",
        f"    {_input(node)}, path={node.fields['Path']!r}, partition_keys={keys!r},",
        f"    compression={node.fields['Compression']!r}, database={catalog['Database']!r}, "
        f"table={catalog['Table']!r},",
        ")",
    ]


def _input(node: Node) -> str:
    (one,) = node.inputs
    return _variable(one)


_WRITERS: dict[str, Callable[[Node], Sequence[str]]] = {
    "S3CatalogSource": _source,
    "SparkSQL": _sql,
    "Aggregate": _aggregate,
    "RenameField": _rename,
    "S3GlueParquetTarget": _target,
}
