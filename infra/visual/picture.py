"""The picture of the nodes in docs/visual.md. Usage: `python -m infra.visual.picture` writes it."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from infra.checkout import ROOT
from infra.visual import nodes

DOCUMENT = ROOT / "docs" / "visual.md"
_FENCE = re.compile(r"```mermaid\n.*?```", re.DOTALL)


def draw(found: dict[str, dict[str, Any]]) -> str:
    """Return the nodes as a flowchart in Mermaid's language; a source and a target have rounded ends."""
    lines = ["flowchart TD"]
    for node in nodes.in_order(found):
        name = node.id.replace("-", "_")
        text = f'"{node.name}<br/>{_detail(node)}"'
        ends = ("([", "])") if node.kind.endswith(("Source", "Target")) else ("[", "]")
        lines.append(f"  {name}{ends[0]}{text}{ends[1]}")
        lines += [f"  {each.replace('-', '_')} --> {name}" for each in node.inputs]
    return "\n".join(lines)


def _detail(node: nodes.Node) -> str:
    fields = node.fields
    if node.kind == "S3CatalogSource":
        return f"source: table {fields['Table']}"
    if node.kind == "Aggregate":
        aggs = ", ".join(f"{agg['AggFunc']} of {agg['Column'][0]}" for agg in fields["Aggs"])
        return f"aggregate: {aggs}<br/>by {', '.join(key for (key,) in fields['Groups'])}"
    if node.kind == "RenameField":
        return "rename field"
    if node.kind == "S3GlueParquetTarget":
        return f"target: table {fields['SchemaChangePolicy']['Table']}"
    return "SQL query"


def in_document(document: str, picture: str) -> str:
    """Return a document with this picture in place of the one that it has."""
    return _FENCE.sub(lambda _: f"```mermaid\n{picture}\n```", document, count=1)


def main(path: Path = DOCUMENT) -> int:
    """Write the picture into the document."""
    picture = draw(nodes.read(nodes.path_of(), LakeBucket="BUCKET", Database="b3"))
    path.write_text(in_document(path.read_text(encoding="utf-8"), picture), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
