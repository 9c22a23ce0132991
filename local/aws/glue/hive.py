"""Hive-style partition folders: key=value below a table's location."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import unquote

from local.aws.glue.parquet import is_data
from local.aws.ministack.emulator import S3Object


def folder(uri: str) -> str:
    """The address with exactly one slash at its end."""
    return uri.rstrip("/") + "/"


def partition_folders(
    location: str, keys: Sequence[str], objects: Iterable[S3Object]
) -> tuple[dict[tuple[str, ...], str], dict[str, list[S3Object]], list[S3Object]]:
    """Sort the objects below a table's location into its partitions.

    Returns the locations by partition values, the data objects by location, and the data objects that lie in no
    folder of the table's keys. A folder's key is compared without regard to case; its value is percent-decoded.
    """
    base = folder(location)
    locations: dict[tuple[str, ...], str] = {}
    by_location: dict[str, list[S3Object]] = {}
    strays = []
    for item in objects:
        if not is_data(item):
            continue
        parts = item.uri[len(base) :].split("/")[:-1]
        values = []
        for key, part in zip(keys, parts, strict=False):
            name, equals, value = part.partition("=")
            if not equals or name.lower() != key.lower():
                break
            values.append(unquote(value))
        if len(values) != len(keys):
            strays.append(item)
            continue
        where = base + "".join(f"{part}/" for part in parts[: len(keys)])
        locations.setdefault(tuple(values), where)
        by_location.setdefault(where, []).append(item)
    return locations, by_location, strays


def inherited(table: dict[str, Any], values: Iterable[str], location: str) -> dict[str, Any]:
    """A PartitionInput that inherits the table's columns, format and SerDe."""
    storage = {**table["StorageDescriptor"], "Location": location}
    parameters = {k: v for k, v in (table.get("Parameters") or {}).items() if k == "classification"}
    return {"Values": list(values), "StorageDescriptor": storage, "Parameters": parameters}
