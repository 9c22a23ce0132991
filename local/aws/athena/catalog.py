"""The tables that a query names, as the Glue catalog has them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from local.aws.athena.errors import QueryError
from local.aws.athena.probe import Probe
from local.aws.athena.relations import BaseTable, Column, Origin, Relation
from local.aws.athena.types import Kind, duck_type

PATH = "$path"
LISTING = "$partitions"


@dataclass(frozen=True)
class View:
    """A view's query, and the database that its unqualified names mean."""

    sql: str
    database: str


Lookup = Callable[[str, str], "dict[str, Any] | View"]


class Catalog:
    """Makes relations of catalog tables, and notes each in `bases`."""

    def __init__(self, lookup: Lookup, probe: Probe, bases: list[BaseTable]) -> None:
        self.lookup = lookup
        self._probe = probe
        self._bases = bases

    def table(self, node: exp.Table, found: dict[str, Any]) -> Relation:
        """Return the relation of a table, and give the reference to it the name that the relation has."""
        base = self._base(found)
        node.set("this", exp.to_identifier(base.name, quoted=True))
        columns = [Column(n, Kind(duck)) for n, duck in base.columns]
        columns += [Column(n, Kind(duck), Origin(base.name, n)) for n, duck in base.keys]
        columns.append(Column(PATH, Kind("VARCHAR"), hidden=True))
        relation = Relation(columns)
        self._probe.make(relation, base.name, exact=True)
        return relation

    def listing(self, node: exp.Table, schema: str, name: str) -> Relation:
        """The relation of "table$partitions": the values of the partition keys, which the catalog has."""
        found = self.lookup(schema, name.removesuffix(LISTING))
        if isinstance(found, View) or not found.get("PartitionKeys"):
            raise QueryError("TABLE_NOT_FOUND", f"line 1:15: Table 'awsdatacatalog.{schema}.{name}' does not exist")
        base = self._base(found)
        base.listing = True
        for part in ("db", "catalog"):
            node.set(part, None)
        node.set("this", exp.to_identifier(base.name, quoted=True))
        relation = Relation([Column(key, Kind(duck)) for key, duck in base.keys])
        self._probe.make(relation, base.name, exact=True)
        return relation

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
        base = BaseTable(self._probe.fresh("src"), table, columns, keys)
        self._bases.append(base)
        return base
