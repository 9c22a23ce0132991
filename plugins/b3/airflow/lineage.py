"""Lineage: which data sets a task read and wrote, for whoever collects that; docs/metrics.md, OpenLineage.

Airflow's collector of lineage takes it. It keeps nothing unless a plugin reads it, such as that of the OpenLineage
provider. A data set is a folder of the lake, without its partitions: so the one that a task writes is the one that the
next task, and Athena, read.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from b3.airflow import clients

log = logging.getLogger(__name__)


def record(ti: Any, *, read: Iterable[str] = (), written: Iterable[str] = ()) -> None:
    """Record what a task read and wrote. What cannot be recorded is logged, and fails no task.

    Args:
        ti: the task instance of the task's context.
        read: URIs of objects or folders of the lake.
        written: URIs of objects or folders of the lake.
    """
    try:
        from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

        collector = get_hook_lineage_collector()
        for uri in _data_sets(read):
            collector.add_input_asset(ti, uri=uri)
        for uri in _data_sets(written):
            collector.add_output_asset(ti, uri=uri)
    except Exception:  # lineage is no reason to fail a run
        log.exception("could not record what the task read and wrote")


def _data_sets(uris: Iterable[str]) -> list[str]:
    return sorted(set(map(data_set, uris)))


def data_set(uri: str) -> str:
    """Return the URI of the data set that an object or a folder belongs to, without a slash at its end.

    Args:
        uri: of an object or of a partition; of a folder, with a slash at its end.
    """
    folder, partition, _ = uri.partition("/trade_date=")
    return folder if partition else folder.rpartition("/")[0]


def of_table(athena: Any, catalog: str, database: str, table: str) -> Any:
    """Return a table of Glue's catalog as OpenLineage's data set; None, and a line in the log, if Glue has none.

    Args:
        athena: Airflow's hook of Athena.
        catalog: as Athena names it.
        database: name of the database.
        table: name of a table or view. A view has no folder: its data set has its name in Athena.
    """
    from airflow.providers.common.compat.openlineage import facet

    try:
        found = clients.glue_client().get_table(DatabaseName=database, Name=table)["Table"]
    except Exception:  # lineage is no reason to fail a run
        log.exception("the lineage lacks %s.%s: expected it in Glue's catalog, found this error", database, table)
        return None
    storage = found["StorageDescriptor"]
    fields = [
        facet.SchemaDatasetFacetFields(name=column["Name"], type=column["Type"], description=column.get("Comment"))
        for column in [*storage["Columns"], *found.get("PartitionKeys", [])]
    ]
    named = {
        "namespace": f"awsathena://athena.{athena.region_name}.amazonaws.com",
        "name": f"{catalog}.{database}.{table}",
    }
    facets: dict[str, Any] = {"schema": facet.SchemaDatasetFacet(fields=fields)}
    if not storage.get("Location"):
        return facet.Dataset(**named, facets=facets)
    facets["symlinks"] = facet.SymlinksDatasetFacet(identifiers=[facet.Identifier(**named, type="TABLE")])
    bucket, _, folder = storage["Location"].removeprefix("s3://").partition("/")
    return facet.Dataset(namespace=f"s3://{bucket}", name=folder.rstrip("/"), facets=facets)
