"""Ask Athena, and read its answer as Python values."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

Row = dict[str, Any]

POLL_SECONDS = 0.25
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
    execution = execute(athena, sql, database, workgroup)
    query_id, status = execution["QueryExecutionId"], execution["Status"]
    if status["State"] != "SUCCEEDED":
        raise RuntimeError(
            f"expected Athena to answer query {query_id}, found {status['State']}: "
            f"{status.get('StateChangeReason', 'no reason given')}"
        )
    return list(_rows(athena, query_id))


def execute(
    athena: Any, sql: str, database: str, workgroup: str, *, poll_seconds: float = POLL_SECONDS
) -> dict[str, Any]:
    """Run a statement and wait for its end, good or bad.

    Args:
        athena: a boto3 Athena client.
        sql: a statement.
        database: name of the Glue database.
        workgroup: name of Athena's workgroup, which says where results are kept.
        poll_seconds: how long to wait before Athena is asked again whether the statement has ended.

    Returns:
        Athena's QueryExecution, with Status, StatementType and Statistics.
    """
    started = athena.start_query_execution(
        QueryString=sql, QueryExecutionContext={"Database": database}, WorkGroup=workgroup
    )
    while True:
        answer = athena.get_query_execution(QueryExecutionId=started["QueryExecutionId"])
        execution: dict[str, Any] = answer["QueryExecution"]
        if execution["Status"]["State"] not in ("QUEUED", "RUNNING"):
            return execution
        time.sleep(poll_seconds)


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
