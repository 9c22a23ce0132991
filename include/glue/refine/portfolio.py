"""Index portfolios: their columns, and what every constituent must have."""

from __future__ import annotations

import datetime as dt

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812 - Spark's own idiom

from refine.errors import BadPortfolio, EmptySource, WrongTradeDate

PORTFOLIO_COLUMNS = {
    "source_date": "date",
    "index": "string",
    "endpoint": "string",
    "ticker": "string",
    "company": "string",
    "share_type": "string",
    "sector": "string",
    "subsector": "string",
    "weight_pct": "decimal(9,3)",
    "theoretical_quantity": "bigint",
    "reductor": "decimal(28,8)",
}

# What every constituent must have. Its ticker becomes a part of a path, where no character may need escaping.
PORTFOLIO_RULES = {
    "an index": "index <> ''",
    "a ticker of A-Z and 0-9": "ticker <> '' AND NOT ticker RLIKE '[^A-Z0-9]'",
    "a weight_pct": "weight_pct IS NOT NULL",
}


def check_portfolio(portfolio: DataFrame, trade_date: dt.date, source: str) -> int:
    """Return the number of rows in `portfolio`, the rows of portfolio_day: all of `trade_date`, each constituent once.

    Raises:
        EmptySource, WrongTradeDate, BadPortfolio: one of these does not hold.
    """
    stray = ~F.col("source_date").eqNullSafe(F.lit(trade_date))
    date_text = F.coalesce(F.col("source_date").cast("string"), F.lit("none"))
    broken = [~F.coalesce(F.expr(condition), F.lit(False)) for condition in PORTFOLIO_RULES.values()]
    constituent = F.struct("index", "ticker")
    (seen,) = portfolio.agg(
        F.count(F.lit(1)).alias("rows"),
        F.count(F.when(stray, 1)).alias("stray_rows"),
        F.sort_array(F.collect_set(F.when(stray, date_text))).alias("stray_dates"),
        *(F.count(F.when(rule, 1)).alias(f"broken_{i}") for i, rule in enumerate(broken)),
        *(F.min(F.when(rule, constituent)).alias(f"example_{i}") for i, rule in enumerate(broken)),
        F.size(F.collect_set(constituent)).alias("constituents"),
    ).collect()
    if not seen.rows:
        raise EmptySource(
            f"expected the portfolios of {trade_date}, found no row of endpoint portfolio_day in {source}: "
            f"write it again"
        )
    if seen.stray_rows:
        raise WrongTradeDate(
            f"expected every source_date of portfolio_day to be {trade_date}, found {seen.stray_rows} of {seen.rows} "
            f"rows of {', '.join(seen.stray_dates)} in {source}: write it again from the portfolio of its date"
        )
    for i, rule in enumerate(PORTFOLIO_RULES):
        if seen[f"broken_{i}"]:
            example = ", ".join(f"{name} {value!r}" for name, value in seen[f"example_{i}"].asDict().items())
            raise BadPortfolio(
                f"expected {rule} in every row of portfolio_day, found {seen[f'broken_{i}']} of {seen.rows} without, "
                f"as {example}, in {source}: compare with B3's portfolio in landing/"
            )
    if seen.constituents != seen.rows:
        raise BadPortfolio(
            f"expected each (index, ticker) once, found {seen.rows - seen.constituents} of {seen.rows} rows of "
            f"portfolio_day that repeat one, in {source}: compare with B3's portfolio in landing/"
        )
    return seen.rows
