"""Put back the tables that somebody dropped from a local lake's catalog.

CloudFormation does not look whether what it made is still there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from b3.lake.layout import Lake
from b3.verify import catalog, inventory

TABLE = "AWS::Glue::Table"


def put_back(glue: Any, s3: Any, template: Mapping[str, Any], database: str, bucket: str) -> list[str]:
    """Make the tables of the template that the catalog lacks, and register the partitions of the objects.

    `visual_index_stocks`, `run_metrics` and Bitcoin's tables come back without partitions. Whoever runs for a session
    or an hour once more registers its own.

    Args:
        glue: a boto3 Glue client.
        s3: a boto3 S3 client.
        template: the content of infra/lake.yaml.
        database: name of the Glue database.
        bucket: name of the lake's bucket.

    Returns:
        The names of these tables.
    """
    pages = glue.get_paginator("get_tables").paginate(DatabaseName=database)
    present = {table["Name"] for page in pages for table in page["TableList"]}
    wanted = [of["Properties"]["TableInput"] for of in template["Resources"].values() if of["Type"] == TABLE]
    lost = [table for table in wanted if table["Name"] not in present]
    for table in lost:
        glue.create_table(DatabaseName=database, TableInput=_resolved(table, {"LakeBucket": bucket}))
    if lost:
        lake = Lake(bucket)
        catalog.register(glue, database, lake, inventory.take(s3, lake, inventory.Days()))
    return [table["Name"] for table in lost]


def _resolved(value: Any, parameters: Mapping[str, str]) -> Any:
    """Return a part of the template with the parameters in place; a table needs no other function than Sub."""
    if isinstance(value, dict):
        if value.keys() == {"Fn::Sub"}:
            text = value["Fn::Sub"]
            for name, given in parameters.items():
                text = text.replace(f"${{{name}}}", given)
            return text
        return {name: _resolved(part, parameters) for name, part in value.items()}
    if isinstance(value, list):
        return [_resolved(part, parameters) for part in value]
    return value
