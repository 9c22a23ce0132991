"""The nodes of a Glue Studio job (CodeGenConfigurationNodes): read, checked, and in the order of their inputs."""

from __future__ import annotations

import graphlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.checkout import ROOT

INDEX_PORTFOLIO = "index_portfolio"
# What Glue takes as the id of a node.
_ID = re.compile(r"[A-Za-z0-9_-]+")
_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")


class BadNodes(ValueError):
    """The nodes make no job."""


@dataclass(frozen=True)
class Node:
    """A node.

    Attributes:
        id: its id.
        kind: its type, as SparkSQL.
        fields: what it is told.
    """

    id: str
    kind: str
    fields: dict[str, Any]

    @property
    def name(self) -> str:
        """The name that Glue Studio shows."""
        return str(self.fields["Name"])

    @property
    def inputs(self) -> list[str]:
        """Ids of the nodes whose rows it takes; none for a source."""
        return list(self.fields.get("Inputs", []))


def path_of(name: str = INDEX_PORTFOLIO, root: Path = ROOT) -> Path:
    """Return the path of a job's nodes."""
    return root / "include" / "glue" / "visual" / f"{name}.json"


def read(path: Path, **values: str) -> dict[str, dict[str, Any]]:
    """Return the nodes in a file as the Glue API takes them, with `${LakeBucket}` and `${Database}` filled in.

    Raises:
        BadNodes: a placeholder has no value.
    """

    def fill(found: re.Match[str]) -> str:
        try:
            return values[found[1]]
        except KeyError:
            raise BadNodes(f"expected one of {sorted(values)} in {path.name}, found {found[0]}") from None

    nodes: dict[str, dict[str, Any]] = json.loads(_PLACEHOLDER.sub(fill, path.read_text(encoding="utf-8")))
    return nodes


def in_order(nodes: dict[str, dict[str, Any]]) -> list[Node]:
    """Return the nodes, each after those whose rows it takes.

    Raises:
        BadNodes: a node has not one type, an input is missing, nodes form a circle, or nothing takes a node's rows.
    """
    found = {}
    for identity, typed in nodes.items():
        if not _ID.fullmatch(identity):
            raise BadNodes(f"expected a node's id of letters, digits, - and _, found {identity!r}")
        if len(typed) != 1:
            raise BadNodes(f"expected one type of node {identity}, found {sorted(typed)}")
        ((kind, fields),) = typed.items()
        found[identity] = Node(identity, kind, fields)
    taken = {identity for node in found.values() for identity in node.inputs}
    if missing := sorted(taken - found.keys()):
        raise BadNodes(f"expected a node for each input, found none for {', '.join(missing)}")
    for node in found.values():
        if bool(node.inputs) == node.kind.endswith("Source"):
            raise BadNodes(f"expected inputs of every node but a source, found {node.inputs} of {node.kind} {node.id}")
        if (node.id in taken) == node.kind.endswith("Target"):
            raise BadNodes(f"expected every node but a target to be an input, found otherwise of {node.kind} {node.id}")
        aliased = {alias["From"] for alias in node.fields.get("SqlAliases", [])}
        if node.kind == "SparkSQL" and aliased != set(node.inputs):
            raise BadNodes(f"expected aliases for {sorted(node.inputs)}, found {sorted(aliased)} in node {node.id}")
    try:
        order = graphlib.TopologicalSorter({node.id: node.inputs for node in found.values()}).static_order()
        return [found[identity] for identity in order]
    except graphlib.CycleError as error:
        raise BadNodes(f"expected no circle of nodes, found {' to '.join(error.args[1])}") from None
