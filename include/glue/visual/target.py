"""The target of a run: one object in each partition, and the partitions in the catalog."""

from __future__ import annotations

import datetime as dt
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame

from refine.commit import commit, overtaken
from refine.errors import BadPartition, SchemaMismatch
from refine.s3 import S3Path, delete, etags_below, in_parallel
from visual.catalog import Table, forget, register

# A key becomes a folder, where no character may need escaping, and Athena reads an empty one as null.
_KEY = re.compile(r"[A-Za-z0-9_.-]+")


def check_columns(frame: DataFrame, table: Table, partition_keys: Sequence[str], path: str) -> None:
    """Raise SchemaMismatch unless the rows have the table's columns and partition keys, by name and type."""
    found, expected = dict(frame.dtypes), {**table.columns, **table.keys}
    wrong = [
        f"expected {name} {expected.get(name, 'not to exist')}, found {found.get(name, 'no such column')}"
        for name in (*expected, *(name for name in found if name not in expected))
        if expected.get(name) != found.get(name)
    ]
    if list(table.keys) != list(partition_keys):
        wrong.append(f"expected partition keys {list(table.keys)}, found {list(partition_keys)}")
    if wrong:
        raise SchemaMismatch(
            f"{'; '.join(wrong)}; between table {table.name} and the nodes that write {path}: change one of them"
        )


def check_keys(rows: Sequence[Mapping[str, Any]], table: Table, path: str) -> None:
    """Raise BadPartition unless each partition key of the rows can be a folder."""
    wrong = [(key, row) for row in rows for key in table.keys if row[key] is None or not _KEY.fullmatch(str(row[key]))]
    if wrong:
        key, row = wrong[0]
        raise BadPartition(
            f"expected {key} of letters, digits, _, . and - in every row for {path}, found {len(wrong)} of {len(rows)} "
            f"without, as {', '.join(f'{name} {value}' for name, value in row.items())}: compare with the raw tables, "
            "and write raw again"
        )


def objects_of(s3: Any, prefix: S3Path, session: dt.date) -> dict[str, str]:
    """Return the ETags of a session's objects below a target's prefix, by key."""
    return etags_below(s3, prefix.below(f"trade_date={session}/"))


class Target(NamedTuple):
    """Where the rows go.

    Attributes:
        s3: a client.
        glue: a client.
        table: the table of the catalog.
        prefix: the prefix of its objects.
        compression: Parquet's.
    """

    s3: Any
    glue: Any
    table: Table
    prefix: S3Path
    compression: str

    def commit(
        self, session: dt.date, rows: Sequence[Mapping[str, Any]], former: Mapping[str, str], metadata: dict[str, str]
    ) -> str:
        """Replace a session's partitions by these rows; return a line for the log.

        Readers see each partition replaced at once, and a new one when it is registered. What is no longer wanted
        leaves the catalog before its object goes.

        Args:
            session: the trade date of all rows.
            rows: columns and partition keys by name.
            former: ETags of the session's objects when the run began, by key.
            metadata: of the objects, without `rows`.

        Raises:
            Overtaken: another run replaced an object since.
        """
        by_values: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
        for row in rows:
            by_values.setdefault(tuple(str(row[key]) for key in self.table.keys), []).append(row)
        targets = {values: self._path_of(values) for values in by_values}

        def commit_one(values: tuple[str, ...]) -> bool:
            of = by_values[values]
            told = {**metadata, "rows": str(len(of))}
            target = targets[values]
            return commit(self.s3, self._file(of), target, told, former.get(target.key))

        changed = sum(in_parallel(commit_one, targets))
        prefixes = {values: f"{str(path).rpartition('/')[0]}/" for values, path in targets.items()}
        registered = register(self.glue, self.table, prefixes)
        unwanted = sorted(former.keys() - {path.key for path in targets.values()})
        forget(self.glue, self.table, {values for key in unwanted if (values := self._values_in(key))} - targets.keys())
        self._delete(session, unwanted, former)
        state = "committed" if changed or registered or unwanted else "unchanged"
        return (
            f"{state} {self.prefix}trade_date={session}/: {len(rows)} rows in {len(targets)} partitions, "
            f"{changed} put, {registered} registered, {len(unwanted)} deleted"
        )

    def _path_of(self, values: tuple[str, ...]) -> S3Path:
        folders = "/".join(f"{key}={value}" for key, value in zip(self.table.keys, values, strict=True))
        name = self.prefix.key.rstrip("/").rpartition("/")[2]
        return self.prefix.below(f"{folders}/{name}.parquet")

    def _file(self, rows: Sequence[Mapping[str, Any]]) -> bytes:
        """Return rows as a Parquet file, in a total order: the same rows give the same bytes."""
        names = list(self.table.columns)
        ordered = sorted(rows, key=lambda row: [str(row[name]) for name in names])
        schema = pa.schema([(name, _arrow_type(kind)) for name, kind in self.table.columns.items()])
        sink = io.BytesIO()
        data = pa.Table.from_pylist([{name: row[name] for name in names} for row in ordered], schema)
        pq.write_table(data, sink, compression=self.compression, store_schema=False)
        return sink.getvalue()

    def _values_in(self, key: str) -> tuple[str, ...] | None:
        """Return the values of the partition that a key lies in, None if it lies in none."""
        folders = key.removeprefix(self.prefix.key).split("/")[:-1]
        parts = [folder.partition("=") for folder in folders]
        return (
            tuple(value for _, _, value in parts) if [name for name, _, _ in parts] == list(self.table.keys) else None
        )

    def _delete(self, session: dt.date, unwanted: Sequence[str], former: Mapping[str, str]) -> None:
        """Delete objects of a session that lay there when the run began; files of Glue Studio's script are such."""
        # The deletes carry no condition: look once more, right before.
        now = objects_of(self.s3, self.prefix, session) if unwanted else {}
        there = [key for key in unwanted if key in now]
        for key in there:
            if now[key] != former[key]:
                raise overtaken(f"s3://{self.prefix.bucket}/{key}", former[key])
        delete(self.s3, self.prefix.bucket, there)


def _arrow_type(kind: str) -> pa.DataType:
    if kind.startswith("decimal"):
        precision, scale = kind[len("decimal(") : -1].split(",")
        return pa.decimal128(int(precision), int(scale))
    names = {"string": pa.string(), "date": pa.date32(), "int": pa.int32(), "bigint": pa.int64()}
    return names[kind]
