"""From a catalog table to files for DuckDB: registered partitions only, pruned, checked, linked for one query."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import duckdb
import pyarrow as pa
from sqlglot import exp

from local.aws.athena.catalog import PATH
from local.aws.athena.errors import QueryError, from_duckdb, not_supported
from local.aws.athena.probe import quoted, scratch
from local.aws.athena.relations import BaseTable
from local.aws.athena.types import duck_type
from local.aws.context import Caller
from local.aws.errors import AwsError
from local.aws.glue.hive import folder
from local.aws.glue.parquet import Footers, NotParquetError, is_data
from local.aws.glue.partitions import Partition, Partitions
from local.aws.ministack.emulator import Emulator, S3Object, split_uri

TEXTS = pa.list_(pa.string())
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
Prepare = Callable[[duckdb.DuckDBPyConnection], None]
WHOLE = {"tinyint": 1, "smallint": 2, "int": 4, "bigint": 8}


@dataclass(frozen=True)
class Selected:
    """An object that a query reads, with the values of its partition."""

    item: S3Object
    values: tuple[str, ...]


class Files:
    """Binds base tables for one query. `folder` takes its links and is the caller's to remove."""

    def __init__(
        self, emulator: Emulator, partitions: Partitions, footers: Footers, caller: Caller, folder: Path
    ) -> None:
        self._emulator = emulator
        self._partitions = partitions
        self._footers = footers
        self._caller = caller
        self._folder = folder

    def list_partitions(self, connection: duckdb.DuckDBPyConnection, base: BaseTable) -> None:
        """Make the table that stands for "table$partitions". Raises QueryError for a value not of its key's type."""
        _refuse_projection(base)
        partitions = self._partitions.all(self._caller, base.table["DatabaseName"], base.table["Name"])
        _tabulate(connection, base, [partition.values for partition in partitions])

    def select(self, base: BaseTable, prepare: Prepare) -> list[Selected]:
        """The objects that a table reference reads. Raises QueryError for what Athena could not read either.

        `prepare` makes, in a connection, what filters with a subquery read.
        """
        _check_format(base)
        table = base.table
        if not base.keys:
            return [Selected(item, ()) for item in self._list(table["StorageDescriptor"].get("Location") or "")]
        _refuse_projection(base)
        partitions = self._candidates(base)
        kept = _prune(base, [partition.values for partition in partitions], prepare)
        chosen = [partitions[i] for i in kept]
        if not chosen:
            return []
        by_folder = self._below([folder(partition.location) for partition in chosen])
        return [
            Selected(item, partition.values)
            for partition in chosen
            for item in by_folder.get(folder(partition.location), [])
        ]

    def _candidates(self, base: BaseTable) -> list[Partition]:
        """The partitions that the filters may need: not many, where these give the dates of the first key."""
        place = (self._caller, base.table["DatabaseName"], base.table["Name"])
        dates = _dates(base)
        return self._partitions.between(*place, *dates) if dates else self._partitions.all(*place)

    def _list(self, location: str) -> list[S3Object]:
        try:
            return [item for item in self._emulator.list_objects(self._caller, folder(location)) if is_data(item)]
        except ValueError:
            raise QueryError("HIVE_METASTORE_ERROR", f"Table location is not an S3 address: {location!r}") from None
        except AwsError as error:
            raise QueryError("HIVE_FILESYSTEM_ERROR", f"{error.message} (looking for {location})") from None

    def _below(self, folders: list[str]) -> dict[str, list[S3Object]]:
        """The data objects below each folder, with one pass over each bucket."""
        wanted = set(folders)
        found: dict[str, list[S3Object]] = {}
        for bucket in sorted({split_uri(address)[0] for address in folders}):
            mine = [address for address in folders if split_uri(address)[0] == bucket]
            for item in self._list_prefix(_common(mine)):
                path = item.uri
                cut = path.rfind("/")
                while cut > 0:
                    if path[: cut + 1] in wanted:
                        found.setdefault(path[: cut + 1], []).append(item)
                    cut = path.rfind("/", 0, cut)
        return found

    def _list_prefix(self, prefix: str) -> list[S3Object]:
        try:
            return [item for item in self._emulator.list_objects(self._caller, prefix) if is_data(item)]
        except AwsError as error:
            raise QueryError("HIVE_FILESYSTEM_ERROR", error.message) from None

    def create(
        self, connection: duckdb.DuckDBPyConnection, base: BaseTable, chosen: list[Selected], paths: bool
    ) -> None:
        """Make the view that stands for the table reference; `paths` if the query asks for "$path"."""
        declared = dict(base.columns)
        present: set[str] | None = None
        alike = True
        first = None
        targets = self._link(base, chosen)
        for one, target in zip(chosen, targets, strict=True):
            columns = self._check(base, one.item, target)
            first = first or columns
            alike = alike and columns == first
            names = {name for name, _ in columns}
            present = names if present is None else present | names
        blank = [
            f"CAST(NULL AS {kind}) AS {quoted(name)}" for name, kind in [*base.columns, *base.keys, (PATH, "VARCHAR")]
        ]
        if not chosen:
            connection.execute(f"CREATE VIEW {quoted(base.name)} AS SELECT {', '.join(blank)} WHERE false")
            return
        listed = "[" + ", ".join(_literal(str(path)) for path in targets) + "]"
        options = [
            "hive_partitioning = " + ("true" if base.keys else "false"),
            f"union_by_name = {str(not alike).lower()}",
        ]
        if base.keys:
            types = ", ".join(f"{_literal(name)}: {kind}" for name, kind in base.keys)
            options.append("hive_types = {" + types + "}")
        if paths:
            options.append("filename = true")
            connection.execute(f"CREATE TEMP TABLE {quoted(base.name + '_paths')} (file VARCHAR, path VARCHAR)")
            connection.executemany(
                f"INSERT INTO {quoted(base.name + '_paths')} VALUES (?, ?)",
                [[str(path), one.item.uri] for path, one in zip(targets, chosen, strict=True)],
            )
        columns_sql = [
            f"CAST(r.{quoted(name)} AS {kind}) AS {quoted(name)}"
            if name in (present or set())
            else f"CAST(NULL AS {kind}) AS {quoted(name)}"
            for name, kind in declared.items()
        ]
        columns_sql += [f"CAST(r.{quoted(name)} AS {kind}) AS {quoted(name)}" for name, kind in base.keys]
        columns_sql.append(f"m.path AS {quoted(PATH)}" if paths else f"CAST(NULL AS VARCHAR) AS {quoted(PATH)}")
        join = f" JOIN {quoted(base.name + '_paths')} m ON m.file = r.filename" if paths else ""
        connection.execute(
            f"CREATE VIEW {quoted(base.name)} AS SELECT {', '.join(columns_sql)} "
            f"FROM read_parquet({listed}, {', '.join(options)}) r{join}"
        )

    def _check(self, base: BaseTable, item: S3Object, copy: Path) -> tuple[tuple[str, str], ...]:
        try:
            columns = self._footers.read(self._caller, item, copy).columns
        except NotParquetError as error:
            raise QueryError("HIVE_BAD_DATA", str(error)) from None
        except FileNotFoundError as error:
            raise QueryError("HIVE_CANNOT_OPEN_SPLIT", str(error)) from None
        actual = dict(columns)
        for column in base.table["StorageDescriptor"].get("Columns") or []:
            name, wanted = column["Name"].lower(), (column.get("Type") or "string").lower()
            if name in actual and not _readable(actual[name], wanted):
                raise QueryError(
                    "HIVE_BAD_DATA",
                    f"Field {name}'s type {actual[name]} in parquet file {item.uri} is incompatible with type "
                    f"{wanted} defined in table schema",
                )
        return columns

    def _link(self, base: BaseTable, chosen: list[Selected]) -> list[Path]:
        root = self._folder / base.name
        pairs: list[tuple[S3Object, Path]] = []
        made: set[Path] = set()
        for number, one in enumerate(chosen):
            place = root
            for (name, _), value in zip(base.keys, one.values, strict=True):
                place = place / f"{name}={quote(value, safe='')}"
            if place not in made:
                place.mkdir(parents=True, exist_ok=True)
                made.add(place)
            pairs.append((one.item, place / f"{number}.parquet"))
        try:
            self._emulator.link_many(self._caller, pairs)
        except FileNotFoundError as error:
            raise QueryError("HIVE_CANNOT_OPEN_SPLIT", str(error)) from None
        return [path for _, path in pairs]


def _check_format(base: BaseTable) -> None:
    storage = base.table.get("StorageDescriptor") or {}
    described = (
        f"{storage.get('InputFormat') or ''} {(storage.get('SerdeInfo') or {}).get('SerializationLibrary') or ''}"
    )
    parameters = base.table.get("Parameters") or {}
    if str(parameters.get("table_type", "")).lower() == "iceberg":
        raise not_supported(f"Iceberg, which table {base.table['Name']} is")
    if "parquet" not in f"{described} {parameters.get('classification') or ''}".lower():
        raise not_supported(
            f"a table that is not Parquet: {base.table['Name']} is {described.strip() or 'of no stated format'}"
        )


def _refuse_projection(base: BaseTable) -> None:
    if (base.table.get("Parameters") or {}).get("projection.enabled", "").lower() == "true":
        raise not_supported(f"partition projection, which table {base.table['Name']} has")


def _dates(base: BaseTable) -> tuple[str, str] | None:
    """The first and last date that the filters leave of a first partition key of type date."""
    name, kind = base.keys[0]
    if kind.upper() != "DATE":
        return None
    firsts, lasts = [], []
    for condition in base.filters:
        if isinstance(condition, (exp.EQ, exp.Between)) and _is_column(condition.this, name):
            low, high = (condition.args.get(end) or condition.expression for end in ("low", "high"))
            if (first := _date(low)) and (last := _date(high)):
                firsts.append(first)
                lasts.append(last)
    return (max(firsts), min(lasts)) if firsts else None


def _is_column(node: exp.Expression, name: str) -> bool:
    return isinstance(node, exp.Column) and node.name.lower() == name.lower()


def _date(node: exp.Expression | None) -> str | None:
    """The date that CAST('2020-04-30' AS DATE) is."""
    if isinstance(node, exp.Cast) and node.is_type("date") and (text := node.this.unnest()).is_string:
        with contextlib.suppress(ValueError):
            return dt.date.fromisoformat(text.name).isoformat()
    return None


def _prune(base: BaseTable, rows: Sequence[tuple[str, ...]], prepare: Prepare) -> list[int]:
    """The indexes of the partitions that the filters may need. Raises QueryError for a value not of its key's type."""
    if not rows:
        return []
    kept = set(range(len(rows)))
    with scratch() as connection:
        _tabulate(connection, base, rows)
        if any(condition.find(exp.Query) for condition in base.filters):
            prepare(connection)
        for condition in base.filters:
            query = f"SELECT i FROM {quoted(base.name)} WHERE {condition.sql('duckdb')}"
            try:
                kept &= {row[0] for row in connection.execute(query).fetchall()}
            except duckdb.Error as error:
                raise from_duckdb(error) from None
    return sorted(kept)


def _tabulate(connection: duckdb.DuckDBPyConnection, base: BaseTable, rows: Sequence[tuple[str, ...]]) -> None:
    """Make a table of partitions: their number i, their values as text (vals), and their keys."""
    values = ", ".join(
        f"CASE WHEN vals[{i}] = '{NO_VALUE}' THEN NULL ELSE TRY_CAST(vals[{i}] AS {kind}) END AS {quoted(name)}"
        for i, (name, kind) in enumerate(base.keys, 1)
    )
    wrong = " OR ".join(
        f"(vals[{i}] <> '{NO_VALUE}' AND {quoted(name)} IS NULL)" for i, (name, _) in enumerate(base.keys, 1)
    )
    numbered = {"i": pa.array(range(len(rows)), pa.int32()), "vals": pa.array([list(r) for r in rows], TEXTS)}
    connection.register("given", pa.table(numbered))
    connection.execute(f"CREATE TEMP TABLE {quoted(base.name)} AS SELECT i, vals, {values} FROM given")
    connection.unregister("given")
    bad = connection.execute(f"SELECT vals FROM {quoted(base.name)} WHERE {wrong} LIMIT 1").fetchone()
    if bad:
        kinds = ", ".join(f"{name} {kind}" for name, kind in base.keys)
        raise QueryError(
            "HIVE_INVALID_PARTITION_VALUE", f"Invalid partition value {bad[0]} for the partition keys ({kinds})"
        )


def _readable(actual: str, wanted: str) -> bool:
    """Whether Athena's Parquet reader can give a column of type `actual` as `wanted`."""
    if actual == wanted or (actual.startswith("decimal") and wanted.startswith("decimal")):
        return True
    if actual in WHOLE and (wanted in WHOLE or wanted == "integer"):
        return True
    if actual in WHOLE and wanted.startswith("decimal"):
        return True
    if wanted == "string" or wanted.startswith(("varchar", "char")):
        return actual in ("string", "binary")
    if wanted == "double":
        return actual == "float"
    if wanted == "binary":
        return actual in ("string", "binary")
    if actual == "null":
        return True
    if wanted.startswith(("array", "map", "struct")):
        return actual.split("<")[0] == wanted.split("<")[0] and duck_type(wanted) is not None
    return False


def _common(addresses: list[str]) -> str:
    low, high = min(addresses), max(addresses)
    length = next((i for i, pair in enumerate(zip(low, high, strict=False)) if pair[0] != pair[1]), len(low))
    bucket = low[: low.index("/", 5) + 1]
    return max(low[:length], bucket, key=len)


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
