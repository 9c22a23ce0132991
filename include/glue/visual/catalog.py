"""Tables of the Glue catalog, and their partitions of a session."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable
from typing import Any, NamedTuple

from refine.errors import MissingSource
from refine.s3 import S3Path

# Glue's limits of one call.
_CREATED_AT_ONCE, _DELETED_AT_ONCE = 100, 25


class Table(NamedTuple):
    """A table of the catalog.

    Attributes:
        database: its database.
        name: its name.
        columns: Spark's types by column, without the partition keys.
        keys: Spark's types by partition key.
        storage: its storage descriptor, which partitions inherit.
    """

    database: str
    name: str
    columns: dict[str, str]
    keys: dict[str, str]
    storage: dict[str, Any]


def find_table(glue: Any, database: str, name: str) -> Table:
    """Return a table of the catalog."""
    found = glue.get_table(DatabaseName=database, Name=name)["Table"]
    storage = found["StorageDescriptor"]
    columns, keys = (
        {column["Name"]: column["Type"] for column in listed} for listed in (storage["Columns"], found["PartitionKeys"])
    )
    return Table(database, name, columns, keys, storage)


def location_of(glue: Any, table: Table, session: dt.date) -> S3Path:
    """Return the prefix of a session's partition.

    Raises:
        MissingSource: the catalog has no such partition.
    """
    try:
        found = glue.get_partition(
            DatabaseName=table.database, TableName=table.name, PartitionValues=[session.isoformat()]
        )
    except glue.exceptions.EntityNotFoundException:
        raise MissingSource(
            f"expected partition trade_date={session} of table {table.name} in the catalog, found none: run b3_daily "
            "for that date first"
        ) from None
    return S3Path.parse(f"{found['Partition']['StorageDescriptor']['Location'].rstrip('/')}/")


def register(glue: Any, table: Table, prefixes: dict[tuple[str, ...], str]) -> int:
    """Add those partitions that are not there, their prefixes in S3 by their values; return how many were added.

    Raises:
        RuntimeError: Glue refused one.
    """
    wanted = [
        {"Values": list(values), "StorageDescriptor": {**table.storage, "Location": prefix}}
        for values, prefix in prefixes.items()
    ]
    there = 0
    for lot in _lots(wanted, _CREATED_AT_ONCE):
        answer = glue.batch_create_partition(DatabaseName=table.database, TableName=table.name, PartitionInputList=lot)
        there += _count(table, answer, "AlreadyExistsException")
    return len(wanted) - there


def forget(glue: Any, table: Table, values: Iterable[tuple[str, ...]]) -> None:
    """Remove those partitions that are there, by their values.

    Raises:
        RuntimeError: Glue refused one.
    """
    for lot in _lots([{"Values": list(one)} for one in sorted(values)], _DELETED_AT_ONCE):
        answer = glue.batch_delete_partition(DatabaseName=table.database, TableName=table.name, PartitionsToDelete=lot)
        _count(table, answer, "EntityNotFoundException")


def _count(table: Table, answer: dict[str, Any], expected: str) -> int:
    """Return the number of errors in an answer, all of this code.

    Raises:
        RuntimeError: one is of another code.
    """
    errors = answer.get("Errors", [])
    for error in errors:
        detail = error["ErrorDetail"]
        if detail["ErrorCode"] != expected:
            raise RuntimeError(
                f"expected Glue to take partition {error['PartitionValues']} of {table.name}, found "
                f"{detail['ErrorCode']}: {detail.get('ErrorMessage', '')}; run the job again"
            )
    return len(errors)


def _lots(items: list[Any], size: int) -> Iterable[list[Any]]:
    waiting = iter(items)
    while lot := list(itertools.islice(waiting, size)):
        yield lot
