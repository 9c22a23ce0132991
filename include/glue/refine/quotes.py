"""Quotes: the columns that are published, and how Spark computes them."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812 - Spark's own idiom

from refine.asset_classes import class_of_row
from refine.prices import PRICES, change_pct, unit_price
from refine.raw import RAW_COLUMNS
from refine.rules import breaches

# `unreadable` becomes findings.
KEPT_COLUMNS = tuple(name for name in RAW_COLUMNS if name != "unreadable")
# In the order that the catalog declares.
QUOTE_COLUMNS = (
    *KEPT_COLUMNS,
    *(f"unit_{price}" for price in PRICES),
    "asset_class",
    "days_to_expiry",
    "previous_session",
    "change_pct",
    "finding_count",
)


def refine_quotes(raw: DataFrame) -> DataFrame:
    """Return what each quote by itself tells, of any number of sessions; `session_files` adds what the others tell.

    Args:
        raw: what read_sessions gave.

    Returns:
        trade_date, file_line, the columns of QUOTE_COLUMNS that need no other quote, row_class and breaches.
    """
    return raw.select(
        "trade_date",
        *KEPT_COLUMNS,
        *(unit_price(price).alias(f"unit_{price}") for price in PRICES),
        F.datediff("expiry_date", "source_date").alias("days_to_expiry"),
        change_pct().alias("change_pct"),
        "file_line",
        class_of_row().alias("row_class"),
        breaches().alias("breaches"),
    )
