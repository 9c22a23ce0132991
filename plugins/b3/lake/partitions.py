"""Register partitions in the catalog, as a crawler would that inherits them from their table."""

from __future__ import annotations

import datetime as dt
import itertools
import os
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from b3.lake import layout
from b3.lake.layout import Lake

# Glue takes no more in one call.
MOST_PARTITIONS = 100
# Of a table of refined/, the prefix of the objects of a session.
_REFINED = {
    layout.QUOTES_TABLE: lambda date: layout.refined_quotes_key(date).rpartition("/")[0] + "/",
    layout.FINDINGS_TABLE: lambda date: layout.findings_key(date).rpartition("/")[0] + "/",
    layout.INDEX_STOCKS_TABLE: layout.refined_index_stocks_prefix,
}
_DATA = ".parquet"


def values_of(key: str) -> list[str]:
    """Return the values of the partition that an object lies in: `…/trade_date=2020-04-30/ticker=PETR4/…`."""
    return [folder.partition("=")[2] for folder in key.split("/")[:-1] if "=" in folder]


def register(glue: Any, database: str, lake: Lake, table: str, keys: Iterable[str]) -> int:
    """Register the partitions of these objects, a call for a hundred; return how many are new in the catalog.

    A partition that is registered already stays as it is.

    Args:
        glue: boto3's Glue client.
        database: name of the catalog's database.
        lake: the lake.
        table: name of the table.
        keys: of the objects; of several of one partition the last.

    Raises:
        RuntimeError: Glue refused one.
    """
    objects = list({tuple(values_of(key)): key for key in keys}.values())
    if not objects:
        return 0
    found = glue.get_table(DatabaseName=database, Name=table)["Table"]
    parameters = {name: value for name, value in found.get("Parameters", {}).items() if name == "classification"}
    present = 0
    for lot in itertools.batched(objects, MOST_PARTITIONS):
        wanted = [
            {
                "Values": values_of(key),
                "StorageDescriptor": {
                    **found["StorageDescriptor"],
                    "Location": f"{lake.uri(key).rpartition('/')[0]}/",
                },
                "Parameters": parameters,
            }
            for key in lot
        ]
        answer = glue.batch_create_partition(DatabaseName=database, TableName=table, PartitionInputList=wanted)
        errors = answer.get("Errors", [])
        refused = [error for error in errors if error["ErrorDetail"]["ErrorCode"] != "AlreadyExistsException"]
        if refused:
            raise RuntimeError(f"expected the partitions of {database}.{table} to be registered, found {refused}")
        present += len(errors)
    return len(objects) - present


def register_refined(glue: Any, s3: Any, database: str, lake: Lake, sessions: Collection[dt.date]) -> int:
    """Register what lies in refined/ for these sessions; return how many partitions are new in the catalog.

    The Glue job says not what it wrote, and may fail after it wrote quotes: so their prefixes are listed.

    Raises:
        RuntimeError: Glue refused one.
    """
    if not sessions:
        return 0
    return sum(register(glue, database, lake, table, _keys(s3, lake, table, sessions)) for table in _REFINED)


def _keys(s3: Any, lake: Lake, table: str, sessions: Collection[dt.date]) -> Iterator[str]:
    prefixes = [_REFINED[table](date) for date in sessions]
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=lake.bucket, Prefix=os.path.commonprefix(prefixes))
    wanted = set(sessions)
    for page in pages:
        for entry in page.get("Contents", []):
            # Not what else somebody put there, as a folder's marker: it would be a partition without data.
            if entry["Key"].endswith(_DATA) and layout.date_of(entry["Key"]) in wanted:
                yield entry["Key"]
