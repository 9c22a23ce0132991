"""Presto views in the Glue catalog: a JSON document, in base64, in a comment."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from local.aws.athena.catalog import View
from local.aws.athena.errors import QueryError
from local.aws.athena.types import Kind, glue_type

_PRESTO = re.compile(r"/\* Presto View: (\S+) \*/")


def read(table: dict[str, Any]) -> View:
    """The query of a view as the catalog keeps it. Raises QueryError INVALID_VIEW."""
    found = _PRESTO.search(table.get("ViewOriginalText") or "")
    try:
        if not found:
            raise ValueError("no Presto View comment")
        body = json.loads(base64.b64decode(found[1]))
        return View(str(body["originalSql"]), str(body.get("schema") or table["DatabaseName"]))
    except (ValueError, KeyError) as error:
        raise QueryError("INVALID_VIEW", f"View {table['Name']} cannot be read from the catalog: {error}") from None


def definition(name: str, sql: str, database: str, columns: list[tuple[str, Kind]]) -> dict[str, Any]:
    """The Glue TableInput of a view, as Athena writes it."""
    body = {
        "originalSql": sql,
        "catalog": "awsdatacatalog",
        "schema": database,
        "columns": [{"name": column, "type": kind.trino} for column, kind in columns],
    }
    encoded = base64.b64encode(json.dumps(body).encode()).decode()
    return {
        "Name": name,
        "TableType": "VIRTUAL_VIEW",
        "Parameters": {"presto_view": "true", "comment": "Presto View"},
        "PartitionKeys": [],
        "ViewOriginalText": f"/* Presto View: {encoded} */",
        "ViewExpandedText": "/* Presto View */",
        "StorageDescriptor": {
            "Columns": [{"Name": column, "Type": glue_type(kind.duck)} for column, kind in columns],
            "Location": "",
            "SerdeInfo": {},
        },
    }
