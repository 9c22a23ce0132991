"""`make structure`: draws what imports what, read from the code, into docs/architecture.md.

    python3 -m local.commands.structure

A chart has layers, and a layer has boxes: folders, or modules that lie in none of them. A box may import from boxes of
lower layers alone; tests/test_structure.py holds the code to that. A new folder gets its place in a chart below.
Imports inside functions count, because they tie two modules together as much as any other. Needs nothing but Python.
"""

from __future__ import annotations

import ast
import itertools
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from infra.checkout import ROOT

DOCUMENT = Path("docs") / "architecture.md"
# The folders of code, and whether their modules are imported by names that begin below the folder.
SOURCES = {
    "plugins": True,
    "dags": True,
    "include/glue": True,
    "docker": True,
    "infra": False,
    "local": False,
    "bench": False,
}
Imports = Mapping[str, set[str]]


@dataclass(frozen=True)
class Chart:
    """Boxes in layers.

    Attributes:
        name: what the chart's place in the document is called.
        folder: what the names of the boxes begin with, left out where they are shown.
        layers: the paths of the boxes, lowest layer first.
    """

    name: str
    folder: str
    layers: tuple[tuple[str, ...], ...]

    def layer_of(self, box: str) -> int:
        """Return the layer that a box is on, counted from the lowest, 0."""
        return next(number for number, boxes in enumerate(self.layers) if box in boxes)

    def box_of(self, path: str) -> str | None:
        """Return the box that a module lies in, None if the chart has none for it."""
        boxes = set(itertools.chain.from_iterable(self.layers))
        parents = [path, *map(str, PurePosixPath(path).parents)]
        return next((parent for parent in parents if parent in boxes), None)

    def label(self, box: str) -> str:
        """Return a box's name as it is shown: a folder ends with a slash."""
        return box.removeprefix(self.folder) + ("" if box.endswith(".py") else "/")


REPOSITORY = Chart(
    "repository",
    "",
    (
        ("plugins", "include/glue", "infra"),
        ("dags", "local/processes"),
        ("local/aws", "local/exchange"),
        ("local/setup.py",),
        ("local/lake", "local/mwaa"),
        ("local/doctor", "local/cost"),
        ("local/commands", "bench", "docker"),
    ),
)
PACKAGE = Chart(
    "package",
    "plugins/b3/",
    (
        ("plugins/b3/errors.py",),
        ("plugins/b3/site",),
        ("plugins/b3/lake",),
        ("plugins/b3/bitcoin", "plugins/b3/calendar"),
        ("plugins/b3/indexes", "plugins/b3/settings.py", "plugins/b3/alerts", "plugins/b3/metrics"),
        ("plugins/b3/quotes", "plugins/b3/sectors"),
        ("plugins/b3/arrivals", "plugins/b3/doctor", "plugins/b3/report", "plugins/b3/verify"),
        ("plugins/b3/page",),
        ("plugins/b3/airflow",),
        ("dags", "plugins/b3_plugin.py"),
    ),
)
CHARTS = (REPOSITORY, PACKAGE)


def read_imports(root: Path) -> dict[str, set[str]]:
    """Return each module's path with the paths of the modules that it imports, of the repository's own alone.

    An `__init__.py` that holds no more than a docstring is left out.
    """
    parsed = {
        path.relative_to(root).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for source in SOURCES
        for path in sorted((root / source).rglob("*.py"))
    }
    names = {_module_name(path): path for path in parsed if not _is_empty_package(path, parsed[path])}
    return {
        path: {found for name in _imported(parsed[path], _package(path)) if (found := _resolve(name, names))} - {path}
        for path in names.values()
    }


def _is_empty_package(path: str, code: ast.Module) -> bool:
    return path.endswith("__init__.py") and all(isinstance(statement, ast.Expr) for statement in code.body)


def _module_name(path: str) -> str:
    below = next(source for source in SOURCES if path.startswith(f"{source}/"))
    shown = path.removeprefix(f"{below}/") if SOURCES[below] else path
    return shown.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _package(path: str) -> str:
    name = _module_name(path)
    return name if path.endswith("/__init__.py") else name.rpartition(".")[0]


def _imported(code: ast.Module, package: str) -> Iterator[str]:
    """Give the dotted names that a module imports, each as far as it may be a module's."""
    for node in ast.walk(code):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _resolve(name: str, names: Mapping[str, str]) -> str | None:
    """Return the path of the longest module name that `name` begins with."""
    parts = name.split(".")
    candidates = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((names[candidate] for candidate in candidates if candidate in names), None)


def between(imports: Imports, box_of: Callable[[str], str | None]) -> dict[str, set[str]]:
    """Return each box with the boxes that its modules import from; modules without a box are left out."""
    edges: dict[str, set[str]] = defaultdict(set)
    for module, imported in imports.items():
        box = box_of(module)
        if box is not None:
            edges[box] |= {other for other in map(box_of, imported) if other not in (None, box)}
    return dict(edges)


def child_of(folder: str) -> Callable[[str], str | None]:
    """Return a function that gives the subfolder or module of `folder` in which a path lies, None outside it."""

    def child(path: str) -> str | None:
        if not path.startswith(f"{folder}/"):
            return None
        return f"{folder}/{path.removeprefix(f'{folder}/').partition('/')[0]}"

    return child


def without_what_follows(edges: Imports) -> dict[str, set[str]]:
    """Return the edges without those that follow from others by a longer way; those of a circle all stay."""

    def reached(start: str) -> set[str]:
        found: set[str] = set()
        waiting = list(edges.get(start, ()))
        while waiting:
            box = waiting.pop()
            if box not in found:
                found.add(box)
                waiting += edges.get(box, ())
        return found

    return {
        box: {
            other
            for other in others
            if box in reached(other) or not any(other in reached(via) for via in others - {other})
        }
        for box, others in edges.items()
    }


def draw(chart: Chart, imports: Imports) -> str:
    """Return a chart in Markdown: a picture for Mermaid, and a table of all that the boxes import."""
    edges = between(imports, chart.box_of)
    layers = [[box for box in layer if box in edges] for layer in reversed(chart.layers)]
    boxes = list(itertools.chain.from_iterable(layers))
    arrows = without_what_follows(edges)
    count = sum(map(len, edges.values()))
    return "\n".join(
        [
            f"{len(boxes)} boxes, {count} imports between them. An arrow that follows from others is left out here;",
            "the table has all of them.",
            "",
            "```mermaid",
            "flowchart TD",
            *(f'    {_id(box)}["{chart.label(box)}"]' for box in boxes),
            *(f"    {_id(box)} --> {_id(other)}" for box in boxes for other in _in_order(arrows[box], boxes)),
            "```",
            "",
            "| layer | box | imports from |",
            "|---|---|---|",
            *(_row(chart, box, _in_order(edges[box], boxes)) for box in boxes),
        ]
    )


def _in_order(some: Iterable[str], boxes: list[str]) -> list[str]:
    return sorted(some, key=boxes.index)


def _id(box: str) -> str:
    return re.sub(r"\W", "_", box)


def _row(chart: Chart, box: str, imported: list[str]) -> str:
    shown = ", ".join(f"`{chart.label(other)}`" for other in imported)
    return f"| {chart.layer_of(box) + 1} | `{chart.label(box)}` | {shown} |"


def with_charts(text: str, imports: Imports, charts: Iterable[Chart] = CHARTS) -> str:
    """Return a document with each chart drawn anew between its two markers.

    Raises:
        ValueError: a chart has no place in the document.
    """
    for chart in charts:
        begin, end = f"<!-- {chart.name}: made by `make structure` -->", f"<!-- end of {chart.name} -->"
        before, found_begin, rest = text.partition(begin)
        _, found_end, after = rest.partition(end)
        if not (found_begin and found_end):
            raise ValueError(f"expected the lines {begin} and {end}, found no such two")
        text = f"{before}{begin}\n{draw(chart, imports)}\n{end}{after}"
    return text


def main() -> int:
    """Draw the charts into the document, and say whether that changed it."""
    document = ROOT / DOCUMENT
    former = document.read_text(encoding="utf-8")
    drawn = with_charts(former, read_imports(ROOT))
    document.write_text(drawn, encoding="utf-8")
    print(f"{DOCUMENT}: {'as it was' if drawn == former else 'drawn anew'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
