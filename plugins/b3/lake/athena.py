"""Ask Athena, and read its answer as Python values."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

Row = dict[str, Any]

_POLL_SECONDS = 0.25
_READ: dict[str, Callable[[str], Any]] = {
    "tinyint": int,
    "smallint": int,
    "integer": int,
    "bigint": int,
    "decimal": Decimal,
    "double": float,
    "date": dt.date.fromisoformat,
    "boolean": lambda text: text == "true",
}


def ask(athena: Any, sql: str, database: str, workgroup: str) -> list[Row]:
    """Run a query, wait for it, and return its rows.

    Args:
        athena: a boto3 Athena client.
        sql: a SELECT.
        database: name of the Glue database.
        workgroup: name of Athena's workgroup, which says where results are kept.

    Returns:
        A dict per row, by column name. Decimals stay exact; a type that Python lacks stays text; null is None.

    Raises:
        RuntimeError: Athena refused, failed or cancelled the query; the message has Athena's reason.
    """
    started = athena.start_query_execution(
        QueryString=sql, QueryExecutionContext={"Database": database}, WorkGroup=workgroup
    )
    query_id = started["QueryExecutionId"]
    status = _end_of(athena, query_id)
    if status["State"] != "SUCCEEDED":
        raise RuntimeError(
            f"expected Athena to answer query {query_id}, found {status['State']}: "
            f"{status.get('StateChangeReason', 'no reason given')}"
        )
    return list(_rows(athena, query_id))


def _end_of(athena: Any, query_id: str) -> dict[str, Any]:
    while True:
        status = athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]["Status"]
        if status["State"] not in ("QUEUED", "RUNNING"):
            return status
        time.sleep(_POLL_SECONDS)


def _rows(athena: Any, query_id: str) -> Iterator[Row]:
    header = True
    for page in athena.get_paginator("get_query_results").paginate(QueryExecutionId=query_id):
        columns = [
            (column["Name"], _READ.get(column["Type"], str))
            for column in page["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
        ]
        for row in page["ResultSet"]["Rows"]:
            if header:
                header = False
                continue
            texts = [cell.get("VarCharValue") for cell in row["Data"]]
            yield {
                name: None if text is None else read(text) for (name, read), text in zip(columns, texts, strict=True)
            }
