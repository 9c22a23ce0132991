"""Runs one SELECT: analyse, bind tables to files, execute."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
from sqlglot import exp

from local.aws.athena import grammar, views
from local.aws.athena.analysis import Analysed, analyse
from local.aws.athena.catalog import PATH, View
from local.aws.athena.errors import QueryError, from_duckdb
from local.aws.athena.files import Files
from local.aws.athena.probe import quoted, settings
from local.aws.athena.results import Row, shown
from local.aws.athena.types import Kind
from local.aws.context import Caller
from local.aws.errors import AwsError
from local.aws.glue.parquet import Footers
from local.aws.glue.partitions import Partitions
from local.aws.ministack.emulator import Emulator

FETCH_ROWS = 5000


@dataclass
class Progress:
    """What a running query has come to, and the means to stop it. `scanned` in bytes."""

    scanned: int = 0
    cutoff: int | None = None
    stopping: threading.Event = field(default_factory=threading.Event)
    interrupt: Callable[[], None] = lambda: None

    def check(self) -> None:
        """Raise QueryError if the query was cancelled."""
        if self.stopping.is_set():
            raise QueryError("USER_CANCELED", "Query was canceled")


@dataclass
class Result:
    """A query's columns, and its rows to be read once."""

    columns: list[tuple[str, Kind]]
    rows: Iterator[Row]


class Engine:
    """Queries over the catalog of a caller."""

    def __init__(self, emulator: Emulator, partitions: Partitions, home: Path) -> None:
        self._emulator = emulator
        self._partitions = partitions
        self._footers = Footers(emulator)
        self._scratch = home / "athena"
        shutil.rmtree(self._scratch, ignore_errors=True)

    def table(self, caller: Caller, database: str, name: str) -> dict[str, Any]:
        """A table or view of the catalog. Raises QueryError TABLE_NOT_FOUND or SCHEMA_NOT_FOUND."""
        try:
            return self._partitions.table(caller, database, name)
        except AwsError as error:
            if error.code != "EntityNotFoundException":
                raise
        try:
            self._emulator.call(caller, "AWSGlue.GetDatabase", {"Name": database.lower()})
        except AwsError:
            raise QueryError("SCHEMA_NOT_FOUND", f"line 1:15: Schema '{database}' does not exist") from None
        raise QueryError("TABLE_NOT_FOUND", f"line 1:15: Table 'awsdatacatalog.{database}.{name}' does not exist")

    def analyse(self, caller: Caller, tree: exp.Expression, database: str) -> Analysed:
        """Check and translate a query without reading any data. Raises QueryError."""

        def lookup(schema: str, name: str) -> dict[str, Any] | View:
            table = self.table(caller, schema, name)
            return views.read(table) if table.get("TableType") == "VIRTUAL_VIEW" else table

        try:
            return analyse(tree, database, lookup, grammar.parse)
        except duckdb.Error as error:
            raise from_duckdb(error) from None

    @contextmanager
    def select(self, caller: Caller, tree: exp.Expression, database: str, progress: Progress) -> Iterator[Result]:
        """Run a query; its rows are read inside the with block. Raises QueryError."""
        paths = any(column.name.lower() == PATH for column in tree.find_all(exp.Column))
        analysed = self.analyse(caller, tree, database)
        self._scratch.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="query-", dir=self._scratch))
        try:
            with duckdb.connect() as connection:
                settings(connection)
                connection.execute("SET threads = 2")
                connection.execute("SET memory_limit = '2GB'")
                connection.execute(f"SET temp_directory = '{folder}/spill'")
                progress.interrupt = connection.interrupt
                self._bind(connection, analysed, caller, folder, progress, paths)
                connection.execute(f"SET allowed_directories = ['{folder}/']")
                connection.execute("SET enable_external_access = false")
                connection.execute("SET lock_configuration = true")
                progress.check()
                kinds = [kind for _, kind in analysed.columns]
                try:
                    connection.execute(analysed.sql)
                    described = connection.description or []
                    if len(described) != len(kinds):
                        raise QueryError(
                            "GENERIC_INTERNAL_ERROR", f"expected {len(kinds)} columns, the engine gave {len(described)}"
                        )
                    yield Result(analysed.columns, _rows(connection, kinds, progress))
                except duckdb.Error as error:
                    progress.check()
                    raise from_duckdb(error) from None
        finally:
            progress.interrupt = lambda: None
            shutil.rmtree(folder, ignore_errors=True)

    def _bind(
        self, connection: duckdb.DuckDBPyConnection, analysed: Analysed, caller: Caller, folder: Path,
        progress: Progress, paths: bool,
    ) -> None:  # fmt: skip
        files = Files(self._emulator, self._partitions, self._footers, caller, folder)
        listings = [base for base in analysed.bases if base.listing]
        bases = [base for base in analysed.bases if not base.listing]
        for base in listings:
            files.list_partitions(connection, base)

        def prepare(apart: duckdb.DuckDBPyConnection) -> None:
            for base in listings:
                files.list_partitions(apart, base)
            for name, sql in analysed.constants.items():
                apart.execute(f"CREATE TEMP VIEW {quoted(name)} AS {sql}")

        selected = []
        for base in bases:
            chosen = files.select(base, prepare)
            progress.scanned += sum(one.item.size for one in chosen)
            selected.append(chosen)
        if progress.cutoff is not None and progress.scanned > progress.cutoff:
            raise QueryError(
                "EXCEEDED_BYTES_SCANNED_LIMIT",
                f"Bytes scanned limit was exceeded: the query would read {progress.scanned} bytes, "
                f"the workgroup allows {progress.cutoff}",
            )
        for base, chosen in zip(bases, selected, strict=True):
            progress.check()
            try:
                files.create(connection, base, chosen, paths)
            except duckdb.Error as error:
                raise QueryError("HIVE_BAD_DATA", str(error).splitlines()[0]) from None


def _rows(connection: duckdb.DuckDBPyConnection, kinds: list[Kind], progress: Progress) -> Iterator[Row]:
    while True:
        progress.check()
        batch = connection.fetchmany(FETCH_ROWS)
        if not batch:
            return
        for row in batch:
            yield [shown(value, kind) for value, kind in zip(row, kinds, strict=True)]
