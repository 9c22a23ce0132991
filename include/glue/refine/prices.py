"""Prices: per unit, exact; and the change within a session, rounded."""

from __future__ import annotations

from decimal import Decimal

from pyspark.sql import Column
from pyspark.sql import functions as F  # noqa: N812 - Spark's own idiom

PRICES = ("open", "high", "low", "average", "close", "best_bid", "best_ask")

# Prices have 2 decimals and unit prices 8: these factors lose no digit. B3 has used 1 to 1000.
QUOTE_FACTORS = tuple(10**digits for digits in range(7))


def unit_price(price: str) -> Column:
    """Return `price` / quote_factor: exact, decimal(19,8); null unless the factor is of QUOTE_FACTORS.

    A product with the exact reciprocal, since Spark rounds the quotient of two decimals where it sees fit.
    """
    reciprocals = [
        item for factor in QUOTE_FACTORS for item in (F.lit(factor), F.lit(1 / Decimal(factor)).cast("decimal(7,6)"))
    ]
    return (F.col(price) * F.try_element_at(F.create_map(*reciprocals), F.col("quote_factor"))).cast("decimal(19,8)")


def change_pct() -> Column:
    """Return the change from open to close in percent, 4 decimals, rounded half up; null from 0.00, or beyond 9 digits.

    With a dividend of 4 decimals Spark gives the quotient 18: enough that rounding it once more, to 4, cannot
    turn anything below a half into one, whatever the two prices.
    """
    dividend = ((F.col("close") - F.col("open")) * 100).cast("decimal(18,4)")
    percent = F.round(dividend / F.when(F.col("open") > 0, F.col("open")), 4)
    return F.when(F.abs(percent) < 10**9, percent).cast("decimal(13,4)")
