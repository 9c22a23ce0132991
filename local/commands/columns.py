"""`make columns`: writes every column of infra/lake.yaml into docs/tables.md, in English and in Portuguese."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from infra.checkout import ROOT, template
from infra.deploy import templates

DOCUMENT = "docs/tables.md"
BEGIN, END = "<!-- columns: made by `make columns` -->", "<!-- end of columns -->"
# Between the two languages of a comment in the catalog.
SEPARATOR = " / "


@dataclass(frozen=True)
class Column:
    """A column as the catalog explains it."""

    table: str
    name: str
    type: str
    english: str
    portuguese: str


def declared(content: dict[str, Any]) -> Iterator[Column]:
    """Yield the columns of a template's tables, partition keys first.

    Raises:
        ValueError: a comment is not in both languages.
    """
    for resource in content["Resources"].values():
        if resource["Type"] == "AWS::Glue::Table":
            table = resource["Properties"]["TableInput"]
            for column in (*table["PartitionKeys"], *table["StorageDescriptor"]["Columns"]):
                yield _column(table["Name"], column)


def _column(table: str, column: dict[str, str]) -> Column:
    comment = column.get("Comment", "")
    languages = comment.split(SEPARATOR)
    if len(languages) != 2:
        raise ValueError(f"expected the comment of {table}.{column['Name']} as English / Português, found {comment!r}")
    return Column(table, column["Name"], column["Type"], *languages)


def rows(columns: Iterator[Column]) -> list[str]:
    """Return a table in Markdown; a column that several tables explain alike has one row."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for column in columns:
        found.setdefault((column.name, column.english, column.portuguese), []).append(column.table)
    return [
        "| column | table | English | Português |",
        "|---|---|---|---|",
        *(
            f"| {name} | {', '.join(tables)} | {english} | {portuguese} |"
            for (name, english, portuguese), tables in found.items()
        ),
    ]


def with_columns(text: str, content: dict[str, Any]) -> str:
    """Return a document with the columns of a template between its two markers.

    Raises:
        ValueError: the document has no such place.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"expected the lines {BEGIN} and {END}, found no such two")
    return "\n".join([f"{before}{begin}", "", *rows(declared(content)), "", f"{end}{after}"])


def main() -> int:
    """Write the columns into the document, and say whether that changed it."""
    document = ROOT / DOCUMENT
    former = document.read_text(encoding="utf-8")
    content, _ = templates.read(template("lake"))
    written = with_columns(former, content)
    document.write_text(written, encoding="utf-8")
    print(f"{DOCUMENT}: {'as it was' if written == former else 'written anew'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
