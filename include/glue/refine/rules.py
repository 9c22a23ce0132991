"""Rules that a quote should satisfy."""

from __future__ import annotations

import functools
import operator
from typing import NamedTuple

from pyspark.sql import Column
from pyspark.sql import functions as F  # noqa: N812 - Spark's own idiom

from refine.prices import QUOTE_FACTORS

# B3's key of a quote.
KEY_COLUMNS = ("ticker", "market_type", "forward_days")


def shown(*names: str) -> str:
    """Return the SQL of what a row has in these columns, as `low 1.00, high null`."""
    texts = (f"concat('{name} ', coalesce(string({name}), 'null'))" for name in names)
    return f"concat_ws(', ', {', '.join(texts)})"


class Rule(NamedTuple):
    """What a quote should satisfy: in words, as a condition on a row, and the SQL that tells how it does not."""

    expected: str
    condition: str
    found: str


# What a quote by itself should satisfy; `findings` adds that its key is unique. A quote that breaks one is published,
# and told. include/sql/validate/ counts the same breaches by itself, and volume_fits_quantity.sql there explains the
# slack; b3.quotes.quality counts them before raw quotes are replaced.
RULES = {
    "fields_are_readable": Rule("every field readable", "unreadable IS NULL", "concat(unreadable, ' (bytes in hex)')"),
    "prices_are_positive": Rule(
        "open, high, low, average and close above 0.00",
        "least(open, high, low, average, close) > 0",
        shown("open", "high", "low", "average", "close"),
    ),
    "prices_lie_within_low_and_high": Rule(
        "low <= open, close <= high",
        "low <= least(open, close) AND greatest(open, close) <= high",
        shown("open", "high", "low", "close"),
    ),
    "quote_factor_is_a_power_of_ten": Rule(
        f"a quote factor of {', '.join(map(str, QUOTE_FACTORS[:-1]))} or {QUOTE_FACTORS[-1]}",
        f"quote_factor IN ({', '.join(map(str, QUOTE_FACTORS))})",
        shown("quote_factor"),
    ),
    "volume_fits_quantity": Rule(
        "quantity x low <= volume x quote_factor <= quantity x high",
        """quantity > 0 AND CASE
          WHEN financial_volume = 0 THEN quantity * high * 100 < quote_factor
          ELSE financial_volume > 0
           AND (100 * financial_volume + coalesce(trade_count, 99999)) * quote_factor >= 99 * (quantity * low)
           AND (100 * financial_volume - 1) * quote_factor <= 101 * (quantity * high)
        END""",
        shown("quantity", "low", "high", "financial_volume", "quote_factor"),
    ),
}


def breaches() -> Column:
    """Return what a quote breaks of RULES, as an array of rule, expected and found; null for nothing."""
    broken = {name: ~F.coalesce(F.expr(rule.condition), F.lit(False)) for name, rule in RULES.items()}
    told = F.array(
        *(
            F.when(
                broken[name],
                F.struct(
                    F.lit(name).alias("rule"), F.lit(rule.expected).alias("expected"), F.expr(rule.found).alias("found")
                ),
            )
            for name, rule in RULES.items()
        )
    )
    # Spark interprets array_compact instead of compiling it, which costs more than all else: for the odd rows alone.
    return F.when(functools.reduce(operator.or_, broken.values()), F.array_compact(told))
