"""Queries on the local lake through Athena's API, and their results as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import boto3

from b3.lake import athena
from local.lake.stack import Stack

_NUMBERS = {"tinyint", "smallint", "integer", "bigint", "decimal", "double", "float", "real"}
# A local query ends sooner than one on AWS.
_POLL_SECONDS = 0.05
Row = list[str | None]


class QueryFailed(Exception):
    """Athena's own reason why a query failed."""


@dataclass(frozen=True)
class Result:
    """A query's answer: values as Athena prints them, None for null."""

    columns: list[str]
    types: list[str]
    rows: list[Row]
    bytes_scanned: int
    milliseconds: int


@dataclass(frozen=True)
class Column:
    """A column of an answer, as Athena describes it."""

    name: str
    type: str
    precision: int = 0
    scale: int = 0


class Answer:
    """A finished query, whose rows are fetched a page at a time and never held together.

    Attributes:
        columns: the columns of its rows.
        bytes_scanned: bytes that Athena read.
        milliseconds: time that the query took.
    """

    def __init__(self, client: Any, execution: dict[str, Any]) -> None:
        self._client = client
        self._id = execution["QueryExecutionId"]
        self._header = 1 if execution["StatementType"] == "DML" else 0
        # The first page, which also has the columns, is not asked for twice.
        self._first = client.get_query_results(QueryExecutionId=self._id)
        self.columns = [
            Column(info["Label"], info["Type"], info.get("Precision", 0), info.get("Scale", 0))
            for info in self._first["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
        ]
        statistics = execution.get("Statistics", {})
        self.bytes_scanned: int = statistics.get("DataScannedInBytes", 0)
        self.milliseconds: int = statistics.get("TotalExecutionTimeInMillis", 0)

    def rows(self) -> Iterator[Row]:
        """Fetch the rows in order: values as Athena prints them, None for null. May be called again."""
        page, skip = self._first, self._header
        while True:
            for row in page["ResultSet"]["Rows"][skip:]:
                yield [cell.get("VarCharValue") for cell in row["Data"]]
            if not page.get("NextToken"):
                return
            page, skip = self._client.get_query_results(QueryExecutionId=self._id, NextToken=page["NextToken"]), 0


def ask(lake: Stack, sql: str) -> Answer:
    """Run one statement in the lake's workgroup and database, and wait for its end.

    Raises:
        QueryFailed: Athena refused or failed it.
    """
    client = boto3.client("athena", endpoint_url=lake.endpoint)
    try:
        execution = athena.execute(
            client, sql, lake.outputs["GlueDatabase"], lake.outputs["AthenaWorkgroup"], poll_seconds=_POLL_SECONDS
        )
    except client.exceptions.InvalidRequestException as error:
        raise QueryFailed(error.response["Error"]["Message"]) from error
    if execution["Status"]["State"] != "SUCCEEDED":
        raise QueryFailed(execution["Status"].get("StateChangeReason", execution["Status"]["State"]))
    return Answer(client, execution)


def query(lake: Stack, sql: str) -> Result:
    """Run one statement, as `ask` does, and fetch all its rows.

    Raises:
        QueryFailed: Athena refused or failed it.
    """
    answer = ask(lake, sql)
    return Result(
        [column.name for column in answer.columns],
        [column.type for column in answer.columns],
        list(answer.rows()),
        answer.bytes_scanned,
        answer.milliseconds,
    )


def table(result: Result) -> str:
    """Return the result as an aligned text table, numbers to the right."""
    return "\n".join(table_lines(result.columns, result.types, result.rows, widths(result.columns, result.rows)))


def widths(columns: list[str], rows: Iterable[Row]) -> list[int]:
    """Return the width of each column of a text table: that of its name or its longest value."""
    found = [len(name) for name in columns]
    for row in rows:
        for i, value in enumerate(row):
            if value is not None and len(value) > found[i]:
                found[i] = len(value)
    return found


def table_lines(columns: list[str], types: list[str], rows: Iterable[Row], wide: list[int]) -> Iterator[str]:
    """Yield the lines of a text table: its head, a rule, then a line for each row.

    Args:
        columns: their names.
        types: their types; numbers stand to the right.
        rows: values, None for null.
        wide: width of each column.
    """
    right = [kind in _NUMBERS for kind in types]

    def line(row: Sequence[str | None]) -> str:
        aligned = (
            (cell or "").rjust(width) if number else (cell or "").ljust(width)
            for cell, width, number in zip(row, wide, right, strict=True)
        )
        return "  ".join(aligned).rstrip()

    yield line(columns)
    yield "  ".join("-" * width for width in wide)
    yield from map(line, rows)
