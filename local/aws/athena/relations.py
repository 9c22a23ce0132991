"""What a query's FROM refers to: names, types, and which base table a column comes from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

from local.aws.athena.types import Kind


@dataclass
class BaseTable:
    """One reference to a catalog table.

    `filters` are DuckDB conditions over its partition keys, qualified by `name`, that may prune it; one with a subquery
    reads what the catalog alone gives. `listing` marks "table$partitions": the partition keys, a row per partition.
    """

    name: str
    table: dict[str, Any]
    columns: list[tuple[str, str]]
    keys: list[tuple[str, str]]
    filters: list[exp.Expression] = field(default_factory=list)
    listing: bool = False


@dataclass(frozen=True)
class Origin:
    """A column that is, unchanged, a partition key of a base table."""

    base: str
    key: str


@dataclass
class Column:
    """A column of a relation."""

    name: str
    kind: Kind
    origin: Origin | None = None
    hidden: bool = False


@dataclass
class Relation:
    """Columns in order, and the name of the empty table that stands for the relation while types are worked out."""

    columns: list[Column]
    probe: str = ""


@dataclass
class Source:
    """A relation in a FROM clause under its alias. `outer` marks the side of an outer join that may be all null.

    `constant` is its DuckDB text, alias included, if the catalog alone gives it; else it is empty.
    """

    alias: str
    relation: Relation
    outer: bool = False
    constant: str = ""


@dataclass
class Frame:
    """The sources of one SELECT; `using` are the columns merged by JOIN … USING; `parent` is the enclosing SELECT."""

    sources: list[Source] = field(default_factory=list)
    using: set[str] = field(default_factory=set)
    probe: str = ""
    parent: Frame | None = None
    outputs: dict[str, Kind] = field(default_factory=dict)

    def find(self, column: exp.Column) -> list[tuple[Source, Column]]:
        """The columns of this SELECT's own sources that a reference may mean."""
        name, table = column.name.lower(), column.table.lower()
        return [
            (source, item)
            for source in self.sources
            if not table or source.alias == table
            for item in source.relation.columns
            if item.name.lower() == name
        ]
