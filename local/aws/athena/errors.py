"""Query failures, with the reasons that Athena shows."""

from __future__ import annotations

import re

import duckdb


class QueryError(Exception):
    """A query fails; str() is its StateChangeReason: `CODE: words`."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(f"{code}: {words}")
        self.code = code


def not_supported(words: str) -> QueryError:
    """For what Athena does and this does not: never a made-up result."""
    return QueryError("NOT_SUPPORTED", f"{words} (the local Athena does not do this; AWS may)")


def syntax(words: str, line: int = 1, column: int = 1) -> QueryError:
    """For what Trino's grammar does not have."""
    return QueryError("SYNTAX_ERROR", f"line {line}:{column}: {words}")


TRINO_NAMES = {
    "INT8": "TINYINT", "INT16": "SMALLINT", "INT32": "INT", "INT64": "BIGINT", "INT128": "BIGINT", "FLOAT": "REAL",
    "BOOL": "BOOLEAN",
}  # fmt: skip
_OWN = re.compile(r"^[A-Z_]+: ")
_STRING_CAST = re.compile(r"Could not convert string '(.*)' to (\w+)", re.DOTALL)
_DECIMAL_CAST = re.compile(
    r'Could not (?:convert|cast) (?:string |value )?"?\'?(.*?)\'?"? to (DECIMAL\([\d, ]+\))', re.DOTALL
)
_DATE_CAST = re.compile(
    r"(?:invalid|date|timestamp) (?:date |timestamp )?field (?:format|value).*?\"(.*?)\"", re.DOTALL
)
_UNGROUPED = re.compile(r'column "?([^"]+?)"? must appear in the GROUP BY clause', re.IGNORECASE)


def from_duckdb(error: duckdb.Error) -> QueryError:
    """The Athena reason for an error of the engine."""
    text = str(error)
    body = text.partition(": ")[2] if text.startswith(type(error).__name__.removesuffix("Exception")) else text
    for prefix in ("Invalid Input Error: ", "Invalid Error: "):
        if text.startswith(prefix):
            own = text.removeprefix(prefix)
            if _OWN.match(own):
                code, _, words = own.partition(": ")
                return QueryError(code, words)
    first = body.split("\n\nLINE ")[0].splitlines()[0] if body else text
    found = _STRING_CAST.search(text)
    if found:
        return QueryError("INVALID_CAST_ARGUMENT", f"Cannot cast '{found[1]}' to {TRINO_NAMES.get(found[2], found[2])}")
    found = _DECIMAL_CAST.search(text)
    if found and isinstance(error, duckdb.ConversionException):
        return QueryError("INVALID_CAST_ARGUMENT", f"Cannot cast '{found[1]}' to {found[2].replace(' ', '')}")
    found = _DATE_CAST.search(text)
    if found:
        return QueryError("INVALID_CAST_ARGUMENT", f"Value cannot be cast to date: {found[1]}")
    found = _UNGROUPED.search(text)
    if found:
        return QueryError(
            "EXPRESSION_NOT_AGGREGATE", f"'{found[1]}' must be an aggregate expression or appear in GROUP BY clause"
        )
    if "More than one row returned by a subquery" in text:
        return QueryError("SUBQUERY_MULTIPLE_ROWS", "Scalar sub-query has returned multiple rows")
    if isinstance(error, duckdb.OutOfRangeException) or "out of range" in text.lower() or "verflow" in text:
        return QueryError("NUMERIC_VALUE_OUT_OF_RANGE", first)
    if isinstance(error, duckdb.ConversionException):
        return QueryError("INVALID_CAST_ARGUMENT", first)
    if "No function matches" in text or "Cannot compare" in text or "Cannot mix" in text:
        return QueryError("TYPE_MISMATCH", first)
    if isinstance(error, duckdb.InterruptException):
        return QueryError("USER_CANCELED", "Query was canceled")
    if isinstance(error, duckdb.OutOfMemoryException):
        return QueryError("EXCEEDED_MEMORY_LIMIT", first)
    if isinstance(error, duckdb.BinderException | duckdb.CatalogException | duckdb.ParserException):
        return QueryError("SYNTAX_ERROR", first)
    return QueryError("GENERIC_INTERNAL_ERROR", f"{type(error).__name__}: {first}")
