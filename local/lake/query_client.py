"""Queries on the local lake through Athena's API, and their results as text."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import boto3

from local.lake.servers import Lake

_NUMBERS = {"tinyint", "smallint", "integer", "bigint", "decimal", "double", "float", "real"}


class QueryFailed(Exception):
    """Athena's own reason why a query failed."""


@dataclass(frozen=True)
class Result:
    """A query's answer: values as Athena prints them, None for null."""

    columns: list[str]
    types: list[str]
    rows: list[list[str | None]]
    bytes_scanned: int
    milliseconds: int


def query(lake: Lake, sql: str) -> Result:
    """Run one statement in the lake's workgroup and database, and wait for it.

    Raises:
        QueryFailed: Athena refused or failed it.
    """
    client = boto3.client("athena", endpoint_url=lake.endpoint)
    try:
        started = client.start_query_execution(
            QueryString=sql,
            QueryExecutionContext={"Database": lake.outputs["GlueDatabase"]},
            WorkGroup=lake.outputs["AthenaWorkgroup"],
        )
    except client.exceptions.InvalidRequestException as error:
        raise QueryFailed(error.response["Error"]["Message"]) from error
    execution = _wait(client, started["QueryExecutionId"])
    if execution["Status"]["State"] != "SUCCEEDED":
        raise QueryFailed(execution["Status"].get("StateChangeReason", execution["Status"]["State"]))
    return _result(client, execution)


def _wait(client: Any, query_id: str) -> dict[str, Any]:
    while True:
        execution = client.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
        if execution["Status"]["State"] not in ("QUEUED", "RUNNING"):
            return execution
        time.sleep(0.05)


def _result(client: Any, execution: dict[str, Any]) -> Result:
    pages = list(client.get_paginator("get_query_results").paginate(QueryExecutionId=execution["QueryExecutionId"]))
    info = pages[0]["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
    rows = [[cell.get("VarCharValue") for cell in row["Data"]] for page in pages for row in page["ResultSet"]["Rows"]]
    columns = [column["Label"] for column in info]
    if execution["StatementType"] == "DML":
        rows = rows[1:]
    statistics = execution.get("Statistics", {})
    return Result(
        columns,
        [column["Type"] for column in info],
        rows,
        statistics.get("DataScannedInBytes", 0),
        statistics.get("TotalExecutionTimeInMillis", 0),
    )


def table(result: Result) -> str:
    """The result as an aligned text table, numbers to the right."""
    cells = [result.columns, *[["" if value is None else value for value in row] for row in result.rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(result.columns))]
    right = [kind in _NUMBERS for kind in result.types]

    def line(row: list[str]) -> str:
        aligned = (
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(row, widths, right, strict=True)
        )
        return "  ".join(aligned).rstrip()

    return "\n".join([line(cells[0]), "  ".join("-" * width for width in widths), *map(line, cells[1:])])
