"""The part of a crawl that makes tables for S3 folders of Parquet files."""

from __future__ import annotations

import fnmatch
import json
import re
from typing import TYPE_CHECKING, Any

from local.aws.errors import AwsError
from local.aws.glue import hive
from local.aws.glue.parquet import Footers, is_data
from local.aws.glue.partitions import Partitions
from local.aws.ministack.emulator import Emulator, S3Object

if TYPE_CHECKING:
    from local.aws.glue.crawler import Crawl

FORMAT: dict[str, Any] = {
    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "SerdeInfo": {
        "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
        "Parameters": {"serialization.format": "1"},
    },
}
WIDER = ["tinyint", "smallint", "int", "bigint"]


def crawl(emulator: Emulator, partitions: Partitions, footers: Footers, run: Crawl, target: dict[str, Any]) -> None:
    """Make or update the tables of one S3 target. Raises NotParquetError for an object that is not Parquet."""
    path = hive.folder(target["Path"])
    excluded = target.get("Exclusions") or []
    items = [
        item
        for item in emulator.list_objects(run.caller, path)
        if is_data(item) and not any(fnmatch.fnmatch(item.uri[len(path) :], pattern) for pattern in excluded)
    ]
    level = _table_level(run.crawler)
    groups: dict[str, list[S3Object]] = {}
    for item in items:
        folders = item.uri.split("/")[:-1]
        # s3: and the empty part before the bucket come first, so that the bucket is level 1.
        depth = level + 2 if level else next((i for i, part in enumerate(folders) if "=" in part), len(folders))
        groups.setdefault("/".join(folders[:depth]) + "/", []).append(item)
    for root, members in sorted(groups.items()):
        run.check()
        _crawl_group(emulator, partitions, footers, run, root, members)


def _table_level(crawler: dict[str, Any]) -> int:
    configuration = json.loads(crawler.get("Configuration") or "{}")
    return int((configuration.get("Grouping") or {}).get("TableLevelConfiguration") or 0)


def _crawl_group(
    emulator: Emulator, partitions: Partitions, footers: Footers, run: Crawl, root: str, members: list[S3Object]
) -> None:
    caller, database = run.caller, run.crawler.get("DatabaseName") or ""
    columns: dict[str, str] = {}
    for item in members:
        for name, kind in footers.read(caller, item).columns:
            columns[name] = _merged(columns.get(name, kind), kind)
    first = members[0].uri[len(root) :].split("/")[:-1]
    keys = [part.split("=", 1)[0].lower() if "=" in part else f"partition_{i}" for i, part in enumerate(first)]
    base = re.sub(r"[^a-z0-9_]", "_", root.rstrip("/").rsplit("/", 1)[-1].lower())
    name = f"{run.crawler.get('TablePrefix') or ''}{base}"
    definition: dict[str, Any] = {
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "PartitionKeys": [{"Name": key, "Type": "string"} for key in keys],
        "Parameters": {"classification": "parquet", "typeOfData": "file", "UPDATED_BY_CRAWLER": run.crawler["Name"]},
        "StorageDescriptor": {
            **FORMAT,
            "Columns": [{"Name": k, "Type": v} for k, v in columns.items() if k not in keys],
            "Location": root,
        },
    }
    try:
        table = partitions.table(caller, database, name)
    except AwsError as error:
        if error.code != "EntityNotFoundException":
            raise
        emulator.call(caller, "AWSGlue.CreateTable", {"DatabaseName": database, "TableInput": definition})
        run.counts.tables_created += 1
        run.say(f"Created table {name} in database {database}")
        table = partitions.table(caller, database, name)
    policy = (run.crawler.get("SchemaChangePolicy") or {}).get("UpdateBehavior", "UPDATE_IN_DATABASE")
    if table["StorageDescriptor"].get("Columns") != definition["StorageDescriptor"]["Columns"] and policy != "LOG":
        emulator.call(caller, "AWSGlue.UpdateTable", {"DatabaseName": database, "TableInput": definition})
        run.counts.tables_updated += 1
        table = partitions.table(caller, database, name)
    if keys:
        found: dict[tuple[str, ...], str] = {}
        for item in members:
            parts = item.uri[len(root) :].split("/")[:-1][: len(keys)]
            if len(parts) == len(keys):
                values = tuple(hive.unquote(part.split("=", 1)[-1]) for part in parts)
                found.setdefault(values, root + "".join(f"{part}/" for part in parts))
        known = {p.values for p in partitions.all(caller, database, name)}
        new = [hive.inherited(table, values, where) for values, where in found.items() if values not in known]
        partitions.add(caller, table, new)
        run.counts.partitions_added += len(new)
        _drop_gone(partitions, run, table, known - set(found))


def _drop_gone(partitions: Partitions, run: Crawl, table: dict[str, Any], gone: set[tuple[str, ...]]) -> None:
    policy = (run.crawler.get("SchemaChangePolicy") or {}).get("DeleteBehavior", "DEPRECATE_IN_DATABASE")
    if policy == "DELETE_FROM_DATABASE":
        for values in gone:
            partitions.remove(run.caller, table, values)
    elif gone:
        run.say(f"No objects any more for partitions {sorted(gone)[:20]} of {table['Name']}; they are left", "WARN")


def _merged(one: str, other: str) -> str:
    if one == other:
        return one
    if one in WIDER and other in WIDER:
        return max(one, other, key=WIDER.index)
    if {one, other} <= {*WIDER, "float", "double"}:
        return "double"
    return "string"
