"""Findings: what is odd in the quotes of a session."""

from __future__ import annotations

import functools
import json
import operator
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from refine.rules import KEY_COLUMNS

KEY_IS_UNIQUE = {"rule": "key_is_unique", "expected": "each (ticker, market_type, forward_days) once"}

# The file of a session's findings; its trade date is in its path alone.
FINDINGS_SCHEMA = pa.schema(
    [
        ("rule", pa.string()),
        ("table_name", pa.string()),
        ("ticker", pa.string()),
        ("market_type", pa.string()),
        ("forward_days", pa.int16()),
        ("file_line", pa.int32()),
        ("expected", pa.string()),
        ("found", pa.string()),
    ]
)


def rows_of_key(quotes: pa.Table) -> pa.Array:
    """Return how many quotes of a session have the key of each; `quotes` are in the order of KEY_COLUMNS."""
    alike = functools.reduce(pc.and_, (_is_as_before(quotes[name]) for name in KEY_COLUMNS))
    first = pa.concat_arrays([pa.array([True]), pc.invert(alike)])
    begins = pc.indices_nonzero(first).cast(pa.int32())
    ends = pa.concat_arrays([begins[1:], pa.array([len(quotes)], pa.int32())])
    return pc.run_end_decode(pa.RunEndEncodedArray.from_arrays(ends, pc.subtract(ends, begins)))


def _is_as_before(column: pa.ChunkedArray) -> pa.Array:
    """Return for each value but the first whether it equals the one before; a null equals a null."""
    values = column.combine_chunks()
    before, now = values[:-1], values[1:]
    return pc.or_(pc.fill_null(pc.equal(before, now), False), pc.and_(pc.is_null(before), pc.is_null(now)))


def finding_counts(quotes: pa.Table) -> pa.ChunkedArray:
    """Return how many rules each quote breaks; `quotes` with `breaches` and `key_rows`."""
    of_row = pc.fill_null(pc.list_value_length(quotes["breaches"]), 0)
    return pc.add(of_row, pc.greater(quotes["key_rows"], 1).cast(pa.int32()))


def findings_of(quotes: pa.Table) -> list[dict[str, Any]]:
    """Return a finding for each rule that a quote breaks, by the line of the quote and the rule.

    Args:
        quotes: those of a session, with `breaches`, `key_rows` and `finding_count`.
    """
    odd = quotes.filter(pc.greater(quotes["finding_count"], 0))
    findings = []
    for quote in odd.select([*KEY_COLUMNS, "file_line", "breaches", "key_rows"]).to_pylist():
        breaches, rows = quote.pop("breaches") or [], quote.pop("key_rows")
        if rows > 1:
            breaches.append({**KEY_IS_UNIQUE, "found": f"{rows} rows of it"})
        findings += [{"table_name": "quotes", **quote, **breach} for breach in breaches]
    return sorted(findings, key=operator.itemgetter("file_line", "rule"))


def correction_of(metadata: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the finding that tells which records a raw object replaced, if its metadata says so; none or one."""
    if "correction" not in metadata:
        return []
    told = json.loads(metadata["correction"])
    return [{"rule": "correction", "table_name": "quotes", "expected": told["before"], "found": told["after"]}]
