"""Statements other than queries: views, SHOW and DESCRIBE. The template makes tables, crawlers add partitions."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from typing import Any

from sqlglot import exp

from local.aws.athena import grammar, views
from local.aws.athena.engine import Engine
from local.aws.athena.errors import QueryError, not_supported
from local.aws.context import Caller
from local.aws.errors import AwsError
from local.aws.glue.partitions import Partitions
from local.aws.ministack.emulator import Emulator

NAME = r"((?:[`\"]?[\w$-]+[`\"]?\s*\.\s*){0,2}[`\"]?[\w$-]+[`\"]?)"
QUERY = re.compile(r"^\s*(?:\(\s*)*(SELECT|WITH|VALUES)\b", re.IGNORECASE)
UNSUPPORTED = re.compile(
    r"^\s*(EXPLAIN|PREPARE|EXECUTE|DEALLOCATE|UNLOAD|INSERT|MERGE|UPDATE|DELETE|VACUUM|OPTIMIZE|TRUNCATE|GRANT|REVOKE|ANALYZE"
    r"|CALL|USE|SET|TABLE|MSCK|SHOW\s+CREATE|SHOW\s+TBLPROPERTIES|SHOW\s+FUNCTIONS|ALTER\s+\w+"
    r"|CREATE\s+(?:EXTERNAL\s+)?(?:TABLE|DATABASE|SCHEMA)|DROP\s+(?:TABLE|DATABASE|SCHEMA))\b",
    re.IGNORECASE,
)

Lines = list[str]


def is_query(sql: str) -> bool:
    """Whether the statement is a SELECT of some form."""
    return bool(QUERY.match(_bare(sql)))


def kind_of(sql: str) -> str:
    """Athena's StatementType: DML, DDL or UTILITY."""
    text = _bare(sql)
    if is_query(text) or re.match(r"\s*(INSERT|UNLOAD|MERGE|UPDATE|DELETE|EXECUTE)\b", text, re.IGNORECASE):
        return "DML"
    return "UTILITY" if re.match(r"\s*(SHOW|DESC|DESCRIBE|EXPLAIN)\b", text, re.IGNORECASE) else "DDL"


def _bare(sql: str) -> str:
    """The statement without leading comments and the closing semicolon."""
    text = sql
    while True:
        shorter = re.sub(r"^\s*(--[^\n]*(\n|$)|/\*.*?\*/)", "", text, flags=re.DOTALL)
        if shorter == text:
            return re.sub(r"[;\s]+$", "", text).strip()
        text = shorter


class Statements:
    """Runs one caller's statements; each returns the lines that Athena shows."""

    def __init__(
        self, engine: Engine, emulator: Emulator, partitions: Partitions, caller: Caller, database: str
    ) -> None:
        self._engine = engine
        self._emulator = emulator
        self._partitions = partitions
        self._caller = caller
        self._database = database

    def run(self, sql: str) -> Lines:
        """Run a statement. Raises QueryError; a statement that Athena has and this does not is NOT_SUPPORTED."""
        text = _bare(sql)
        forms: list[tuple[str, Callable[[re.Match[str]], Lines]]] = [
            (rf"CREATE\s+(OR\s+REPLACE\s+)?VIEW\s+{NAME}\s+AS\s+(.*)", self._create_view),
            (rf"DROP\s+VIEW\s+(IF\s+EXISTS\s+)?{NAME}", self._drop_view),
            (r"SHOW\s+(?:DATABASES|SCHEMAS)(?:\s+LIKE\s+'([^']*)')?", self._show_databases),
            (r"SHOW\s+(TABLES|VIEWS)(?:\s+IN\s+[`\"]?(\w+)[`\"]?)?(?:\s+(?:LIKE\s+)?'([^']*)')?", self._show_tables),
            (rf"SHOW\s+COLUMNS\s+(?:IN|FROM)\s+{NAME}(?:\s+(?:IN|FROM)\s+[`\"]?(\w+)[`\"]?)?", self._show_columns),
            (rf"SHOW\s+PARTITIONS\s+{NAME}", self._show_partitions),
            (rf"DESC(?:RIBE)?\s+(?:EXTENDED\s+|FORMATTED\s+)?{NAME}", self._describe),
        ]
        for pattern, action in forms:
            found = re.fullmatch(pattern, text, re.IGNORECASE | re.DOTALL)
            if found:
                try:
                    return action(found)
                except AwsError as error:
                    raise QueryError(
                        "FAILED", f"Execution Error, return code 1. {error.code}: {error.message}"
                    ) from None
        refused = UNSUPPORTED.match(text)
        if refused:
            raise not_supported(re.sub(r"\s+", " ", refused[1].upper()))
        word = text.split(None, 1)[0] if text else "<EOF>"
        raise QueryError(
            "SYNTAX_ERROR",
            f"line 1:1: mismatched input '{word}', or a form of that statement that is not supported locally",
        )

    def _named(self, name: str, database: str | None = None) -> tuple[str, str]:
        parts = [part.strip().strip('`"').lower() for part in name.split(".")]
        if len(parts) == 3:
            if parts[0] != "awsdatacatalog":
                raise QueryError("CATALOG_NOT_FOUND", f"line 1:1: Catalog '{parts[0]}' does not exist")
            parts = parts[1:]
        return (parts[0], parts[1]) if len(parts) == 2 else (database or self._database, parts[0])

    def _table(self, name: str, database: str | None = None) -> dict[str, Any]:
        return self._engine.table(self._caller, *self._named(name, database))

    def _glue(self, call: str, data: dict[str, Any]) -> dict[str, Any]:
        return self._emulator.call(self._caller, f"AWSGlue.{call}", data)

    def _create_view(self, found: re.Match[str]) -> Lines:
        database, name = self._named(found[2])
        body = found[3].strip()
        columns = self._engine.analyse(self._caller, grammar.parse(body), self._database).columns
        names = [column for column, _ in columns]
        twice = sorted({column for column in names if names.count(column) > 1})
        if twice:
            raise QueryError("DUPLICATE_COLUMN_NAME", f"line 1:1: Column name '{twice[0]}' specified more than once")
        unnamed = [column for column in names if re.fullmatch(r"_col\d+", column)]
        if unnamed:
            raise QueryError(
                "MISSING_COLUMN_NAME",
                "line 1:1: Column name not specified at position " + str(names.index(unnamed[0]) + 1),
            )
        definition = views.definition(name, body, self._database, columns)
        try:
            existing = self._engine.table(self._caller, database, name)
        except QueryError as error:
            if error.code != "TABLE_NOT_FOUND":
                raise
            self._glue("CreateTable", {"DatabaseName": database, "TableInput": definition})
            return []
        if existing.get("TableType") != "VIRTUAL_VIEW":
            raise QueryError(
                "TABLE_ALREADY_EXISTS", f"line 1:1: Table already exists: 'awsdatacatalog.{database}.{name}'"
            )
        if not found[1]:
            raise QueryError("ALREADY_EXISTS", f"View already exists: 'awsdatacatalog.{database}.{name}'")
        self._glue("UpdateTable", {"DatabaseName": database, "TableInput": definition})
        return []

    def _drop_view(self, found: re.Match[str]) -> Lines:
        try:
            table = self._table(found[2])
        except QueryError as error:
            if found[1] and error.code == "TABLE_NOT_FOUND":
                return []
            raise
        if table.get("TableType") != "VIRTUAL_VIEW":
            raise QueryError("GENERIC_USER_ERROR", f"{table['Name']} is a table, which the template declares")
        self._glue("DeleteTable", {"DatabaseName": table["DatabaseName"], "Name": table["Name"]})
        return []

    def _show_databases(self, found: re.Match[str]) -> Lines:
        names = sorted(item["Name"] for item in self._glue("GetDatabases", {})["DatabaseList"])
        return [name for name in names if _like(name, found[1])]

    def _show_tables(self, found: re.Match[str]) -> Lines:
        database = (found[2] or self._database).lower()
        self._glue("GetDatabase", {"Name": database})
        tables = self._glue("GetTables", {"DatabaseName": database})["TableList"]
        only_views = found[1].upper() == "VIEWS"
        names = sorted(t["Name"] for t in tables if not only_views or t.get("TableType") == "VIRTUAL_VIEW")
        return [name for name in names if _like(name, found[3])]

    def _show_columns(self, found: re.Match[str]) -> Lines:
        table = self._table(found[1], (found[2] or "").lower() or None)
        return [
            c["Name"] for c in [*table["StorageDescriptor"].get("Columns", []), *(table.get("PartitionKeys") or [])]
        ]

    def _show_partitions(self, found: re.Match[str]) -> Lines:
        table = self._keyed(found[1])
        keys = [key["Name"] for key in table["PartitionKeys"]]
        partitions = self._partitions.all(self._caller, table["DatabaseName"], table["Name"])
        return ["/".join(f"{k}={v}" for k, v in zip(keys, p.values, strict=True)) for p in partitions]

    def _describe(self, found: re.Match[str]) -> Lines:
        table = self._table(found[1])
        lines = [
            f"{c['Name']:<20}\t{c.get('Type', ''):<20}\t{c.get('Comment', ''):<20}"
            for c in table["StorageDescriptor"].get("Columns", [])
        ]
        keys = [
            f"{c['Name']:<20}\t{c.get('Type', ''):<20}\t{c.get('Comment', ''):<20}"
            for c in table.get("PartitionKeys") or []
        ]
        if not keys:
            return lines
        header = [
            "\t \t ",
            "# Partition Information\t \t ",
            f"{'# col_name':<20}\t{'data_type':<20}\t{'comment':<20}",
            "\t \t ",
        ]
        return [*lines, *keys, *header, *keys]

    def _keyed(self, name: str) -> dict[str, Any]:
        table = self._table(name)
        if not table.get("PartitionKeys"):
            raise QueryError("FAILED", f"SemanticException Table {table['Name']} is not a partitioned table")
        return table


def _like(name: str, pattern: str | None) -> bool:
    return pattern is None or any(fnmatch.fnmatch(name, one.replace("%", "*")) for one in pattern.split("|"))


def parse_query(sql: str) -> exp.Expression:
    """A SELECT's tree. Raises QueryError."""
    return grammar.parse(_bare(sql))
