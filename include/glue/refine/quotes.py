"""Quotes: the columns that are published, and how Spark computes them."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812 - Spark's own idiom

from refine.asset_classes import with_asset_class
from refine.prices import PRICES, change_pct, unit_price
from refine.raw import RAW_COLUMNS

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


def refine_quotes(judged: DataFrame) -> DataFrame:
    """Return the columns of QUOTE_COLUMNS but `previous_session`, and what `session_files` needs beside them.

    Args:
        judged: what judge_quotes gave, of any number of sessions.
    """
    return with_asset_class(judged).select(
        "trade_date",
        *KEPT_COLUMNS,
        *(unit_price(price).alias(f"unit_{price}") for price in PRICES),
        "asset_class",
        F.datediff("expiry_date", "source_date").alias("days_to_expiry"),
        change_pct().alias("change_pct"),
        F.coalesce(F.size("breaches"), F.lit(0)).alias("finding_count"),
        "file_line",
        "breaches",
    )
