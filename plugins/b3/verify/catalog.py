"""Compare the partitions of the catalog with the objects of the lake, both ways."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from b3.lake import layout, partitions
from b3.lake.layout import Lake
from b3.verify.differences import NO_OBJECT, NO_TABLE, NOT_IN_CATALOG, UNKNOWN_PARTITION, Difference, rebuild
from b3.verify.inventory import TABLES, Days, Inventory, Partition


def compare(
    glue: Any, database: str, lake: Lake, inventory: Inventory, period: Days
) -> Iterator[tuple[int, list[Difference]]]:
    """Yield the number of partitions that were compared, and the differences, of each table."""
    for table in TABLES:
        try:
            locations = _locations(glue, database, table)
        except glue.exceptions.EntityNotFoundException:
            expected, found = f"table {database}.{table} in the catalog", "none"
            mend = "make run; on AWS make deploy without the table, again with it, then MSCK REPAIR TABLE"
            yield 0, [Difference(NO_TABLE, f"{lake.uri('')}{database}.{table}", expected, found, mend)]
            continue
        of_days = {
            values: location
            for values, location in locations.items()
            if not (partition := _partition(table, values)) or period.has(partition.trade_date)
        }
        yield len(of_days), list(_of_table(database, table, of_days, lake, inventory))


def register(glue: Any, database: str, lake: Lake, inventory: Inventory) -> int:
    """Register the partitions of objects that the catalog lacks, and return how many they are.

    A crawler that goes by S3's events does not see the object of a partition that somebody dropped.

    Raises:
        RuntimeError: Glue refused one.
    """
    registered = 0
    for table in TABLES:
        known = {_partition(table, values) for values in _locations(glue, database, table)}
        missing = sorted({each for each in inventory.partitions if each.table == table} - known, key=str)
        registered += partitions.register(glue, database, lake, table, (each.key for each in missing))
    return registered


def _locations(glue: Any, database: str, table: str) -> dict[tuple[str, ...], str]:
    """Return the location of each partition of a table, by its values."""
    # A table that is missing must be told from one without partitions.
    glue.get_table(DatabaseName=database, Name=table)
    pages = glue.get_paginator("get_partitions").paginate(
        DatabaseName=database, TableName=table, ExcludeColumnSchema=True
    )
    return {
        tuple(each["Values"]): each.get("StorageDescriptor", {}).get("Location", "none")
        for page in pages
        for each in page["Partitions"]
    }


def _of_table(
    database: str,
    table: str,
    locations: dict[tuple[str, ...], str],
    lake: Lake,
    inventory: Inventory,
) -> Iterator[Difference]:
    registered = set()
    for values, location in sorted(locations.items()):
        name = f"{database}.{table} {'/'.join(values)}"
        partition = _partition(table, values)
        if partition is None:
            expected = "values as in the lake's layout"
            yield Difference(UNKNOWN_PARTITION, location, expected, name, _delete(database, table, values))
            continue
        registered.add(partition)
        uri = lake.uri(partition.key)
        if location.rstrip("/") != uri.rpartition("/")[0]:
            expected = f"{uri.rpartition('/')[0]}/ for {name}"
            yield Difference(UNKNOWN_PARTITION, location, expected, location, _delete(database, table, values))
        elif partition.key not in inventory.objects:
            mend = f"{rebuild(partition.trade_date)}; if it has none after that, {_delete(database, table, values)}"
            yield Difference(NO_OBJECT, uri, f"an object, as partition {name} points at it", "none", mend)
    unregistered = {each for each in inventory.partitions if each.table == table} - registered
    for partition in sorted(unregistered, key=str):
        expected = f"partition {'/'.join(partition.values)} of {database}.{table}"
        mend = rebuild(partition.trade_date)
        yield Difference(NOT_IN_CATALOG, lake.uri(partition.key), expected, "none in the catalog", mend)


def _partition(table: str, values: tuple[str, ...]) -> Partition | None:
    """Return the partition with these values, None if the layout has none."""
    try:
        trade_date = dt.date.fromisoformat(values[0])
    except (ValueError, IndexError):
        return None
    has_ticker = table == layout.INDEX_STOCKS_TABLE
    if len(values) != 1 + has_ticker or trade_date.isoformat() != values[0]:
        return None
    return Partition(table, trade_date, values[1] if has_ticker else None)


def _delete(database: str, table: str, values: tuple[str, ...]) -> str:
    quoted = " ".join(values)
    return f"aws glue delete-partition --database-name {database} --table-name {table} --partition-values {quoted}"
