"""Findings: what is odd in the quotes of a session."""

from __future__ import annotations

import json
import operator
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from refine.rules import KEY_COLUMNS

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


def findings_of(quotes: pa.Table) -> list[dict[str, Any]]:
    """Return a finding for each rule that a quote breaks, by the line of the quote and the rule."""
    odd = quotes.filter(pc.greater(quotes["finding_count"], 0)).select([*KEY_COLUMNS, "file_line", "breaches"])
    findings = [
        {"table_name": "quotes", **quote, **breach} for quote in odd.to_pylist() for breach in quote.pop("breaches")
    ]
    return sorted(findings, key=operator.itemgetter("file_line", "rule"))


def correction_of(metadata: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the finding that tells which records a raw object replaced, if its metadata says so; none or one."""
    if "correction" not in metadata:
        return []
    told = json.loads(metadata["correction"])
    return [{"rule": "correction", "table_name": "quotes", "expected": told["before"], "found": told["after"]}]
