"""Refine trade dates: the raw quotes, and the portfolios of the indexes, to what analysts ask.

An AWS Glue 5.1 job (Spark 3.5, Python 3.11) that runs wherever Spark reads `s3://`. It needs no Glue library; boto3
and pyarrow are what Glue brings.

    --sessions          D,D,…: the sessions to refine, in order: 2020-04-29,30,2020-05-04
    --previous_session  D: the session before the first of them
    --source            s3://B/raw/quotes/         prefix: trade_date=D/quotes.parquet below it is read
    --target            s3://B/refined/quotes/     prefix: trade_date=D/quotes.parquet below it is replaced
    --findings          s3://B/refined/findings/   prefix: trade_date=D/findings.parquet below it is replaced
    --portfolio         s3://B/raw/index_portfolio/trade_date=D/index_portfolio.parquet  read
    --index_target      s3://B/refined/index_stocks/trade_date=D/          prefix whose objects are replaced
    --last_rebalance    D: the session from which on the portfolios hold

A date is YYYY-MM-DD; in --sessions, a day alone is of the month before it, so that decades of sessions fit an argument:
Linux takes 128 KiB in one, AWS 260 KB in all. The session before any but the first is the one that it follows.

--portfolio, --index_target and --last_rebalance come together, with a single session, or not at all. Without them, or
where there is no object at --portfolio, only the quotes are refined. Other arguments are left alone, because Glue
passes its own.

A session gets the same bytes and metadata whatever it is refined with. All sessions pass the checks before the first is
replaced; a run killed half-way leaves whole ones.

Quotes. Every row is published as B3 wrote it, odd ones included. Every raw column is kept but `unreadable`, which is
told in the findings; `refine_quotes` adds what each analyst would otherwise compute anew:

    unit_open … unit_best_ask  price of one unit: price / quote_factor, exact
    asset_class                what the row is a quote of; ASSET_CLASS_RULES says how that is known
    days_to_expiry             calendar days from trade date to expiry, null without one
    previous_session           the session before the trade date
    change_pct                 (close - open) / open × 100, rounded half up. It is the
                               change within this session: the file does not carry the close of the one before.
    finding_count              how many of RULES the row breaks

What cannot be computed from an odd row is null: a unit price by a factor that is no power of ten, a change from 0.00.

Findings. A row for each rule of RULES that a quote breaks, with its line in B3's daily file (the header is line 1),
what was expected and what was found; and one row with rule `correction` where the raw object says which records it
replaced. A session without findings has an object without rows.

Constituents. `refine_index_stocks` makes a row of each constituent of each index, from the portfolio of the day
(endpoint portfolio_day) and its raw quotes: those of its round lot, and sums over round lot, odd lot and auction. They
come after the quotes, which stay committed whatever becomes of them.

Commit. A reader must see the old partition or the new one, never half of one. So Spark computes the rows of a session
in one task, pyarrow makes its two files there, and the driver puts each at its fixed key with one PutObject, which S3
makes visible at once or not at all. The findings of a session are put right before its quotes; between the two, a
reader may count others. The files wait on the workers' disks until all sessions are checked.
A trade date's quotes are one object. Its constituents are one for each ticker, whose partitions readers see once the
catalog has them; a correction replaces these one after the other and deletes those that are no longer wanted last.
All rows of a date that were made from the same raw objects have the same `generation`, so a reader knows a date that
is whole: one generation, and as many rows of an index as its `constituent_count`.
Killed anywhere, a run is finished by the next.
What is replaced must be what lay there when the run began, else it fails (`Overtaken`): a run that
was held up cannot put old data over new. A boto3 before 1.35.69 cannot ask S3 for that; the job says so and does
without.

Rerun. Rows are written in a total order, so the same raw bytes give the same refined bytes. Where a target
holds them already, of the same `source`, it is left alone, and a versioned bucket gains no version: it keeps naming
the file and the raw object that it was first made from.

Each object carries the metadata of its raw object (`source`, `source-sha256`, …), `rows` and `content-sha256` (of its
own bytes); quotes and findings also `raw-etag` (of the raw object they were made from), constituents `generation`.

The last line of a failure on stderr is `<Error>: expected …, found …`, and says where and what to do.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import hashlib
import io
import itertools
import json
import operator
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any, NamedTuple

import boto3
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from botocore.config import Config
from botocore.exceptions import ClientError
from py4j.protocol import Py4JError
from pyspark import StorageLevel
from pyspark.errors import PySparkException
from pyspark.rdd import PythonEvalType
from pyspark.sql import Column, DataFrame, Row, SparkSession, Window
from pyspark.sql import functions as F  # noqa: N812 - Spark's own idiom
from pyspark.sql.udf import UserDefinedFunction

RAW_COLUMNS = {
    "source_date": "date",
    "bdi_code": "string",
    "ticker": "string",
    "market_type": "string",
    "short_name": "string",
    "specification": "string",
    "forward_days": "smallint",
    "currency": "string",
    "open": "decimal(13,2)",
    "high": "decimal(13,2)",
    "low": "decimal(13,2)",
    "average": "decimal(13,2)",
    "close": "decimal(13,2)",
    "best_bid": "decimal(13,2)",
    "best_ask": "decimal(13,2)",
    "trade_count": "int",
    "quantity": "bigint",
    "financial_volume": "decimal(18,2)",
    "strike_price": "decimal(13,2)",
    "strike_correction": "string",
    "expiry_date": "date",
    "quote_factor": "int",
    "strike_points": "decimal(13,6)",
    "isin": "string",
    "distribution_number": "smallint",
    "unreadable": "string",
}
# `unreadable` becomes findings.
KEPT_COLUMNS = tuple(name for name in RAW_COLUMNS if name != "unreadable")
PRICES = ("open", "high", "low", "average", "close", "best_bid", "best_ask")
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

# The file of a constituent; its ticker is in its path alone.
INDEX_STOCKS_SCHEMA = pa.schema(
    [
        ("index_code", pa.string()),
        ("company_name", pa.string()),
        ("share_type", pa.string()),
        ("sector", pa.string()),
        ("subsector", pa.string()),
        ("weight_pct", pa.decimal128(9, 3)),
        ("theoretical_quantity", pa.int64()),
        ("open", pa.decimal128(13, 2)),
        ("high", pa.decimal128(13, 2)),
        ("low", pa.decimal128(13, 2)),
        ("close", pa.decimal128(13, 2)),
        ("quote_factor", pa.int32()),
        ("total_quantity", pa.int64()),
        ("total_financial_volume", pa.decimal128(28, 2)),
        ("market_count", pa.int32()),
        ("previous_session", pa.date32()),
        ("days_since_previous_session", pa.int32()),
        ("rebalance_date", pa.date32()),
        ("days_since_rebalance", pa.int32()),
        ("constituent_count", pa.int32()),
        ("generation", pa.string()),
    ]
)

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

# Prices have 2 decimals and unit prices 8: these factors lose no digit. B3 has used 1 to 1000.
QUOTE_FACTORS = tuple(10**digits for digits in range(7))

# B3's key of a quote.
KEY_COLUMNS = ("ticker", "market_type", "forward_days")

# Subscription rights, warrants and receipts, of shares or funds: "DIR ORD NM" (ISIN kind D01, …), "BNS*B" (N01, …),
# "ON  REC N2" (R01, …).
RIGHT = "(isin_kind RLIKE '^[DNR][0-9][0-9]$' OR specification RLIKE '^(DIR|BNS|REC)|[ *]REC( |$)')"
# Shares, by ISIN: ACN, or ARN if redeemable. An issue is A01, A02, … while its rights differ: BRPR11 was BRBRPRA01OR0,
# and JSLG3 was BRJSLGA02OR1 before it became BRJSLGACNOR2. By specification: ordinary or preferred (O, P); registered,
# endorsable, bearer or redeemable (N, E, P, R); a class (A to H), redeemable (R) or with a vote (V). Marks begin at the
# fourth character: "PP *C05", "ON  ED  NM", and "ON P" for rights that differ.
SHARE = "(isin_kind RLIKE '^A(CN|RN|[0-9][0-9])$' OR specification RLIKE '^(O[ENPR]|P[ENPR][A-HRV]?)($|[ *])')"
# Any fund, by ISIN; by specification where there is no ISIN.
FUND = "(isin_kind = 'CTF' OR specification RLIKE '^CI( |$)')"
# First words of short names that funds have and ETFs have not: funds of shares, receivables (FDC, FIDC),
# participations, infrastructure and agribusiness, and the tax-incentive funds of the 1970s.
FUND_NAMES = "^(FI|FIA|FIAGRO|FIC|FIDC|FIP|FIRF|FDC|FINAM|FINOR|FISET|FUNDES|FUNRES|INFRA|ISENTO)( |$)"
# Issuers of infrastructure funds whose names do not tell: JURO11 is "SPARTA INFRA", but "TREND INFRA" is an ETF.
# Source: B3's list of FI-Infra, September 2026, 41 funds; FUND_NAMES has the other 29.
INFRASTRUCTURE_FUNDS = ("BRZD", "CDII", "CPDI", "DIVS", "INFB", "JURO", "KDIF", "NUIF", "OGIN", "PREE", "SNID", "VANG")

# The first condition that holds gives the class. isin_kind is the part of the ISIN that says what a security is:
# BRPETRACNPR6 is a share (ACN). Before 15 May 1995 there is none: CODISI is B3's own code (MVINACPP).
#
# The bulletin code alone does not tell. ETFs and BDRs have stood under 02 with the shares. 14 holds ETFs beside other
# funds, FIAGROs moved from 13 to 14, and every odd lot is under 96.
#
# What no field tells:
# - A fund listed later, under 14 and without a word of FUND_NAMES, is etf until INFRASTRUCTURE_FUNDS has its issuer.
# - A real-estate fund that became a FIAGRO and kept its name (BTAL11, "FII BTG AGRO") stays fii.
# - An odd lot without such a word and without a round lot is etf: hardly any other fund has odd lots.
ASSET_CLASS_RULES = (
    # What is traded is a contract, whatever lies under it.
    ("option", "market_type IN ('070', '080')"),
    ("option_exercise", "market_type IN ('012', '013')"),
    ("forward", "market_type = '030'"),
    ("future", "market_type IN ('050', '060')"),
    # Spot 010, auction 017, odd lot 020, and 021, which B3 does not document: the security itself.
    ("other", "market_type NOT IN ('010', '017', '020', '021')"),
    ("bdr", "isin_kind = 'BDR' OR specification LIKE 'DR%'"),
    ("right", f"{RIGHT} OR bdi_code IN ('10', '22')"),
    ("unit", "isin_kind = 'UNT' OR specification LIKE 'UNT%'"),
    ("stock", SHARE),
    ("fund", f"{FUND} AND (short_name RLIKE '{FUND_NAMES}' OR specification LIKE 'FIDC%')"),
    ("fund", f"isin_kind = 'CTF' AND substring(isin, 3, 4) IN {INFRASTRUCTURE_FUNDS}"),
    ("fii", "bdi_code = '12' OR short_name LIKE 'FII %'"),
    ("etf", "isin_kind = 'CTF' AND (bdi_code IN ('02', '14') OR market_type <> '010')"),
    ("fund", FUND),
    ("index", "isin_kind = 'IND'"),
)


def shown(*names: str) -> str:
    """Return the SQL of what a row has in these columns, as `low 1.00, high null`."""
    texts = (f"concat('{name} ', coalesce(string({name}), 'null'))" for name in names)
    return f"concat_ws(', ', {', '.join(texts)})"


class Rule(NamedTuple):
    """What a quote should satisfy: in words, as a condition on a row, and the SQL that tells how it does not."""

    expected: str
    condition: str
    found: str


# A quote that breaks one is published, and told. include/sql/validate/ counts the same breaches by itself, and
# volume_fits_quantity.sql there explains the slack; b3.quality counts them before raw quotes are replaced.
RULES = {
    "fields_are_readable": Rule("every field readable", "unreadable IS NULL", "concat(unreadable, ' (bytes in hex)')"),
    "key_is_unique": Rule(
        "each (ticker, market_type, forward_days) once", "key_rows = 1", "concat(key_rows, ' rows of it')"
    ),
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

# What every constituent must have. Its ticker becomes a part of a path, where no character may need escaping.
PORTFOLIO_RULES = {
    "an index": "index <> ''",
    "a ticker of A-Z and 0-9": "ticker <> '' AND NOT ticker RLIKE '[^A-Z0-9]'",
    "a weight_pct": "weight_pct IS NOT NULL",
}

# The markets that a share trades on, and what B3 appends to its ticker there: round lot, odd lot, auction.
TICKER_SUFFIXES = {"010": "", "020": "F", "017": "L"}
ROUND_LOT = "010"

# A day is 4 to 12 thousand rows. Row groups of this many, sorted by ticker, let whoever wants one ticker skip the rest;
# measured on 7,808 rows, halving them again adds more to the footer than a query of a few columns saves.
ROW_GROUP_ROWS = 2_000

# Arguments that come together.
INDEX_ARGUMENTS = ("portfolio", "index_target", "last_rebalance")

# The header comes before it.
FIRST_QUOTE_LINE = 2

# Requests to S3 at a time, for objects of up to a few megabytes; boto3 keeps 10 connections.
S3_REQUESTS = 8

# Enough of a raw object's end to hold its footer, which is about 4 KB.
FOOTER_BYTES = 32 * 1024

# Tasks that many sessions are spread over: a task has few, and no executor of a small worker idles.
MAX_TASKS = 32

# Sessions whose files are in the driver's memory at a time, some 500 KB each; after each lot comes a line in the log.
SESSIONS_AT_ONCE = 64


class RefineError(Exception):
    """The partition cannot be refined; what it held before stays."""


class MissingSource(RefineError):
    """The raw object does not exist."""


class ChangedSource(RefineError):
    """A raw object was replaced while it was being read."""


class SchemaMismatch(RefineError):
    """A raw file does not have the columns and types of RAW_COLUMNS or PORTFOLIO_COLUMNS."""


class EmptySource(RefineError):
    """A raw file has no rows."""


class WrongTradeDate(RefineError):
    """A raw file has rows of another session."""


class BadPortfolio(RefineError):
    """The raw portfolio has rows that break a rule of PORTFOLIO_RULES, or a constituent twice."""


class MixedSources(RefineError):
    """The portfolio and the quotes do not come from the same exchange, real or simulated."""


class RowsLost(RefineError):
    """The written files do not hold the rows that were read."""


class Overtaken(RefineError):
    """Another run replaced a target while this one worked."""


class SparkFailed(RefineError):
    """Spark failed; its own words, on one line."""


def unit_price(price: str) -> Column:
    """Price of one unit: `price` / quote_factor, exact, decimal(19,8); null unless the factor is of QUOTE_FACTORS.

    A product with the exact reciprocal, since Spark rounds the quotient of two decimals where it sees fit.
    """
    reciprocals = [
        item for factor in QUOTE_FACTORS for item in (F.lit(factor), F.lit(1 / Decimal(factor)).cast("decimal(7,6)"))
    ]
    return (F.col(price) * F.try_element_at(F.create_map(*reciprocals), F.col("quote_factor"))).cast("decimal(19,8)")


def change_pct() -> Column:
    """Change from open to close in percent, 4 decimals, rounded half up; null from 0.00, or beyond 9 digits.

    With a dividend of 4 decimals Spark gives the quotient 18: enough that rounding it once more, to 4, cannot
    turn anything below a half into one, whatever the two prices.
    """
    dividend = ((F.col("close") - F.col("open")) * 100).cast("decimal(18,4)")
    percent = F.round(dividend / F.when(F.col("open") > 0, F.col("open")), 4)
    return F.when(F.abs(percent) < 10**9, percent).cast("decimal(13,4)")


def with_asset_class(quotes: DataFrame) -> DataFrame:
    """Return `quotes` with asset_class, by ASSET_CLASS_RULES; `other` where none of them applies.

    An odd lot, an auction or a row of market 021 takes the class of its security's round lot on that day, whose
    bulletin code says more than its own. Without a round lot it has the class that its own row says.

    Args:
        quotes: whole sessions, with trade_date, market_type, bdi_code, short_name, specification and isin.
    """
    rules = " ".join(f"WHEN {condition} THEN '{name}'" for name, condition in ASSET_CLASS_RULES)
    own = F.col("own_class")
    of_security = Window.partitionBy("trade_date", "isin")
    of_round_lot = F.min(F.when(F.col("market_type") == "010", own)).over(of_security)
    takes_it = F.col("market_type").isin("017", "020", "021") & (F.col("isin") != "")
    return (
        quotes.withColumn("isin_kind", F.substring("isin", 7, 3))
        .withColumn("own_class", F.expr(f"CASE {rules} ELSE 'other' END"))
        .withColumn("asset_class", F.when(takes_it, F.coalesce(of_round_lot, own)).otherwise(own))
        .drop("isin_kind", "own_class")
    )


def judge_quotes(raw: DataFrame) -> DataFrame:
    """Return `raw` with `key_rows`, the rows of a row's key, and `breaches`, what it breaks of RULES.

    Args:
        raw: what read_sessions gave.
    """
    keys = Window.partitionBy("trade_date", *KEY_COLUMNS)
    breaches = [
        F.when(
            ~F.coalesce(F.expr(rule.condition), F.lit(False)),
            F.struct(
                F.lit(name).alias("rule"), F.lit(rule.expected).alias("expected"), F.expr(rule.found).alias("found")
            ),
        )
        for name, rule in RULES.items()
    ]
    return raw.withColumn("key_rows", F.count(F.lit(1)).over(keys)).withColumn(
        "breaches", F.array_compact(F.array(*breaches))
    )


def refine_quotes(judged: DataFrame) -> DataFrame:
    """Return the columns of QUOTE_COLUMNS but `previous_session`, and what `encode_session` needs beside them.

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
        F.size("breaches").alias("finding_count"),
        "file_line",
        "breaches",
    )


def traded_securities(raw: DataFrame) -> DataFrame:
    """What each security traded on a session, over the markets of TICKER_SUFFIXES.

    Args:
        raw: quotes with the columns of RAW_COLUMNS.

    Returns:
        source_date, security (the ticker of its round lot), the sums and the count of markets, and the quotes of
        the round lot, null where there was none.
    """
    suffixes = F.create_map(*(F.lit(part) for item in TICKER_SUFFIXES.items() for part in item))
    suffix = suffixes[F.col("market_type")]
    stem = F.expr("left(ticker, length(ticker) - length(suffix))")
    quotes_of_round_lot = F.struct("open", "high", "low", "close", "quote_factor")
    return (
        raw.filter(F.col("market_type").isin(*TICKER_SUFFIXES))
        .withColumn("suffix", suffix)
        .filter(F.col("ticker").endswith(F.col("suffix")))
        .groupBy("source_date", stem.alias("security"))
        .agg(
            F.sum("quantity").alias("total_quantity"),
            F.sum("financial_volume").alias("total_financial_volume"),
            F.size(F.collect_set("market_type")).alias("market_count"),
            F.max(F.when(F.col("market_type") == ROUND_LOT, quotes_of_round_lot)).alias("round_lot"),
        )
        .select("source_date", "security", "total_quantity", "total_financial_volume", "market_count", "round_lot.*")
    )


def refine_index_stocks(
    portfolio: DataFrame, raw: DataFrame, previous_session: Column, rebalance_date: Column, generation: str
) -> DataFrame:
    """The constituents of `portfolio` with their quotes of the session, in the order the catalog declares, and ticker.

    Who did not trade has no prices and sums, and a market_count of 0.

    Args:
        portfolio: rows of portfolio_day with the columns of PORTFOLIO_COLUMNS, of any number of trade dates.
        raw: the quotes of these, with the columns of RAW_COLUMNS.
        previous_session: the session before the row's.
        rebalance_date: the first session of the portfolio that was in force.
        generation: names what the rows are made from.
    """
    of_index = Window.partitionBy("source_date", "index")
    constituents = portfolio.withColumn("constituent_count", F.count(F.lit(1)).over(of_index).cast("int"))
    # Both sides are one Spark partition: to merge them takes no shuffle and no job of its own.
    traded = traded_securities(raw).withColumnRenamed("security", "ticker").hint("merge")
    return constituents.join(traded, ["source_date", "ticker"], "left").select(
        F.col("index").alias("index_code"),
        F.col("company").alias("company_name"),
        "share_type",
        "sector",
        "subsector",
        "weight_pct",
        "theoretical_quantity",
        "open",
        "high",
        "low",
        "close",
        "quote_factor",
        "total_quantity",
        "total_financial_volume",
        F.coalesce("market_count", F.lit(0)).alias("market_count"),
        previous_session.alias("previous_session"),
        F.datediff("source_date", previous_session).alias("days_since_previous_session"),
        rebalance_date.alias("rebalance_date"),
        F.datediff("source_date", rebalance_date).alias("days_since_rebalance"),
        "constituent_count",
        F.lit(generation).alias("generation"),
        "ticker",
    )


def read_raw(spark: SparkSession, sources: Iterable[S3Path], columns: Mapping[str, str]) -> DataFrame:
    """Return the raw partitions `sources`, whose files have these columns."""
    schema = ", ".join(f"`{name}` {kind}" for name, kind in columns.items())
    return spark.read.schema(schema).parquet(*map(str, sources))


def read_sessions(spark: SparkSession, sources: Mapping[dt.date, S3Path]) -> DataFrame:
    """Return raw quotes with `trade_date`, the partition that a row lies in, and `file_line`, its line in B3's file.

    A session lies in one Spark partition. The first line of B3's file is the header.
    """
    folder = F.substring_index(F.substring_index(F.col("_metadata.file_path"), "/trade_date=", -1), "/", 1)
    line = (F.col("_metadata.row_index") + FIRST_QUOTE_LINE).cast("int")
    raw = read_raw(spark, sources.values(), RAW_COLUMNS)
    raw = raw.select(*RAW_COLUMNS, F.to_date(folder).alias("trade_date"), line.alias("file_line"))
    return raw.coalesce(1) if len(sources) == 1 else raw.repartition(min(len(sources), MAX_TASKS), "trade_date")


def check_portfolio(portfolio: DataFrame, trade_date: dt.date, source: str) -> int:
    """Number of rows in `portfolio`, which are those of portfolio_day: all of `trade_date`, each constituent once.

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


def spark_type(of: pa.DataType) -> str:
    """What Spark calls an Arrow type, where raw files may have it."""
    if pa.types.is_decimal(of):
        return f"decimal({of.precision},{of.scale})"
    names = {pa.int16(): "smallint", pa.int32(): "int", pa.int64(): "bigint", pa.date32(): "date"}
    return names.get(of, str(of))


class S3Path(NamedTuple):
    """An object, or a prefix of objects."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, uri: str) -> S3Path:
        """The path of an `s3://` URI."""
        scheme, _, path = uri.partition("://")
        bucket, _, key = path.partition("/")
        if scheme != "s3" or not bucket or not key:
            raise argparse.ArgumentTypeError(f"expected s3://bucket/key, found {uri}")
        return cls(bucket, key)

    def below(self, name: str) -> S3Path:
        """The path of `name` below this prefix."""
        return S3Path(self.bucket, f"{self.key.rstrip('/')}/{name}")

    def __str__(self) -> str:
        """The `s3://` URI."""
        return f"s3://{self.bucket}/{self.key}"


def head(s3: Any, path: S3Path) -> dict[str, Any] | None:
    """HeadObject of `path`, None where there is no such object."""
    try:
        return s3.head_object(Bucket=path.bucket, Key=path.key)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return None
        raise


def etag(found: dict[str, Any] | None) -> str | None:
    """Return the ETag in what head gave, None for no object."""
    return found["ETag"] if found else None


class RawObject(NamedTuple):
    """A raw object as it was when the run found it; `columns` is None where it is no Parquet file."""

    path: S3Path
    etag: str
    metadata: dict[str, str]
    columns: dict[str, str] | None

    @classmethod
    def find(cls, s3: Any, path: S3Path) -> RawObject | None:
        """Return the object at `path`, None where there is none."""
        try:
            answer = s3.get_object(Bucket=path.bucket, Key=path.key, Range=f"bytes=-{FOOTER_BYTES}")
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] not in (404, 416):  # an empty object has no range
                raise
            found = head(s3, path)
            return cls(path, found["ETag"], found["Metadata"], None) if found else None
        try:
            schema = pq.read_metadata(io.BytesIO(answer["Body"].read())).schema.to_arrow_schema()
        except pa.ArrowException:
            return cls(path, answer["ETag"], answer["Metadata"], None)
        columns = {field.name: spark_type(field.type) for field in schema}
        return cls(path, answer["ETag"], answer["Metadata"], columns)

    def check_columns(self, expected: Mapping[str, str]) -> None:
        """Raise SchemaMismatch unless the file has these columns, by name and Spark's type."""
        if self.columns is None:
            raise SchemaMismatch(f"expected a Parquet file, found none in {self.path}: write the raw partition again")
        differences = [
            f"expected {name} {expected.get(name, 'not to exist')}, found {self.columns.get(name, 'no such column')}"
            for name in (*expected, *(name for name in self.columns if name not in expected))
            if expected.get(name) != self.columns.get(name)
        ]
        if differences:
            raise SchemaMismatch(f"{'; '.join(differences)}; in {self.path}: write the raw partition again")

    def correction(self) -> list[dict[str, str]]:
        """Return the finding that tells which records it replaced, if its metadata says so; none or one."""
        if "correction" not in self.metadata:
            return []
        told = json.loads(self.metadata["correction"])
        return [{"rule": "correction", "table_name": "quotes", "expected": told["before"], "found": told["after"]}]

    def metadata_of_quotes(self, rows: int) -> dict[str, str]:
        """Metadata of the refined quotes that were made from it, and of their findings."""
        return {**self.metadata, "rows": str(rows), "raw-etag": self.etag.strip('"')}

    def check_unchanged(self, now: Mapping[S3Path, str]) -> None:
        """Raise ChangedSource unless the object is still the one that was found; `now` has the ETags by path."""
        if now.get(self.path) != self.etag:
            raise ChangedSource(f"expected one version, found a new one of {self.path}: run the job again")


def etags_of(s3: Any, paths: Collection[S3Path]) -> dict[S3Path, str]:
    """Return the ETags of those of `paths` that are there, which lie in one bucket."""
    bucket, common = next(iter(paths)).bucket, os.path.commonprefix([path.key for path in paths])
    found = etags_below(s3, S3Path(bucket, common))
    return {path: found[path.key] for path in paths if path.key in found}


def etags_below(s3: Any, prefix: S3Path) -> dict[str, str]:
    """ETags by key of the objects below `prefix`."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=prefix.bucket, Prefix=prefix.key)
    return {entry["Key"]: entry["ETag"] for page in pages for entry in page.get("Contents", [])}


def count(number: int, noun: str) -> str:
    """Return `1 session`, `2 sessions`."""
    return f"{number} {noun}{'s' * (number != 1)}"


def in_parallel(function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """What `function` gives for each of `items`, S3_REQUESTS at a time; after a failure no further one begins."""
    with ThreadPoolExecutor(S3_REQUESTS) as pool:
        return list(pool.map(function, items))


def delete(s3: Any, bucket: str, keys: Iterable[str]) -> None:
    """Delete the objects `keys`."""
    in_parallel(lambda key: s3.delete_object(Bucket=bucket, Key=key), keys)


def knows_conditions(s3: Any) -> bool:
    """Whether this boto3 can ask S3 to put an object only where the one it knows of lies; it can from 1.35.69 on."""
    members = s3.meta.service_model.operation_model("PutObject").input_shape.members
    return {"IfMatch", "IfNoneMatch"} <= members.keys()


def commit(s3: Any, content: bytes, target: S3Path, metadata: dict[str, str], former: str | None) -> bool:
    """Put `content` at `target` in one request; False where it is there already, of the same `source`.

    Args:
        former: ETag of what lay there when the run began, None for nothing.

    Raises:
        Overtaken: something else lies there now.
    """
    metadata = {**metadata, "content-sha256": hashlib.sha256(content).hexdigest()}

    def is_there() -> bool:
        found = (head(s3, target) or {}).get("Metadata", {})
        return all(found.get(name) == metadata.get(name) for name in ("content-sha256", "source"))

    if former and is_there():
        return False
    condition = {"IfMatch": former} if former else {"IfNoneMatch": "*"}
    try:
        s3.put_object(
            Bucket=target.bucket,
            Key=target.key,
            Body=content,
            Metadata=metadata,
            ContentType="application/vnd.apache.parquet",
            **(condition if knows_conditions(s3) else {}),
        )
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"):
            raise
        if is_there():  # put by another run from the same source, or by this one's first attempt
            return False
        raise overtaken(str(target), former) from error
    return True


def overtaken(target: str, former: str | None) -> Overtaken:
    """The error of a run that found `target` with this ETag, None for no object, and finds another one now."""
    return Overtaken(
        f"expected {target} as this run found it ({'ETag ' + former if former else 'no object'}), found that another "
        "run has replaced it since: run the job again if the other one did not use the newest raw objects"
    )


# What encode_sessions gives of a session.
ENCODED_SCHEMA = pa.schema(
    [
        ("trade_date", pa.date32()),
        ("rows", pa.int32()),
        ("stray_rows", pa.int32()),
        ("stray_dates", pa.string()),
        ("findings", pa.int32()),
        ("quotes_sha256", pa.string()),
        ("quotes_file", pa.binary()),
        ("findings_file", pa.binary()),
    ]
)
ENCODED = ", ".join(f"{field.name} {spark_type(field.type)}" for field in ENCODED_SCHEMA)


class Run(NamedTuple):
    """What the parts of a run share."""

    spark: SparkSession
    s3: Any
    args: argparse.Namespace


def map_in_arrow(
    frame: DataFrame, function: Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]], schema: str
) -> DataFrame:
    """Return what `function` makes of each Spark partition, as DataFrame.mapInArrow does.

    Spark 3.5 refuses mapInArrow without pandas, although only mapInPandas needs that.
    """
    mapped = UserDefinedFunction(function, schema, evalType=PythonEvalType.SQL_MAP_ARROW_ITER_UDF)(*frame.columns)
    return DataFrame(frame._jdf.pythonMapInArrow(mapped._jc.expr(), False), frame.sparkSession)


def encode_sessions(
    refined: DataFrame, sources: Mapping[dt.date, RawObject], previous: Mapping[dt.date, dt.date]
) -> DataFrame:
    """Return a row of ENCODED for each session.

    Args:
        refined: what refine_quotes gave, a session in one Spark partition.
        sources: the raw object of each session.
        previous: the session before each.
    """
    corrections = {date: source.correction() for date, source in sources.items()}

    def encode(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for date, quotes in split_sessions(batches):
            yield encode_session(date, quotes, previous[date], corrections[date])

    return map_in_arrow(refined.sortWithinPartitions("trade_date"), encode, ENCODED)


def split_sessions(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[dt.date, pa.Table]]:
    """Yield each trade date with its rows; `batches` are in the order of trade dates."""
    pieces = (
        (date, batch.filter(pc.equal(batch["trade_date"], date)))
        for batch in batches
        for date in pc.unique(batch["trade_date"])
    )
    for date, group in itertools.groupby(pieces, key=operator.itemgetter(0)):
        yield date.as_py(), pa.Table.from_batches([piece for _, piece in group]).combine_chunks()


def encode_session(
    trade_date: dt.date, quotes: pa.Table, previous_session: dt.date, correction: list[dict[str, str]]
) -> pa.RecordBatch:
    """Return the row of ENCODED of a session.

    Args:
        trade_date: the session.
        quotes: what refine_quotes made of its rows, in any order.
        previous_session: the session before it.
        correction: the finding that tells of a correction, none or one.
    """
    order = [(name, "ascending") for name in (*KEY_COLUMNS, "file_line")]
    quotes = quotes.take(pc.sort_indices(quotes, order, null_placement="at_start"))
    before = pa.repeat(pa.scalar(previous_session), len(quotes))
    columns = {name: before if name == "previous_session" else quotes[name] for name in QUOTE_COLUMNS}
    stray = quotes.filter(pc.fill_null(pc.not_equal(quotes["source_date"], pa.scalar(trade_date)), True))
    stray_dates = sorted(str(date or "none") for date in stray["source_date"].unique().to_pylist())
    findings = findings_of(quotes)
    content = quotes_file(pa.table(columns))
    row = {
        "trade_date": trade_date,
        "rows": len(quotes),
        "stray_rows": len(stray),
        "stray_dates": ", ".join(stray_dates),
        "findings": len(findings),
        "quotes_sha256": hashlib.sha256(content).hexdigest(),
        "quotes_file": content,
        "findings_file": small_file(pa.Table.from_pylist([*correction, *findings], FINDINGS_SCHEMA)),
    }
    return pa.RecordBatch.from_pylist([row], ENCODED_SCHEMA)


def findings_of(quotes: pa.Table) -> list[dict[str, Any]]:
    """Return a finding for each rule that a quote breaks, by the line of the quote and the rule."""
    odd = quotes.filter(pc.greater(quotes["finding_count"], 0)).select([*KEY_COLUMNS, "file_line", "breaches"])
    findings = [
        {"table_name": "quotes", **quote, **breach} for quote in odd.to_pylist() for breach in quote.pop("breaches")
    ]
    return sorted(findings, key=operator.itemgetter("file_line", "rule"))


def commit_quotes(run: Run) -> dict[dt.date, RawObject]:
    """Refine the quotes of `args.sessions` into `args.findings` and `args.target`; return the raw objects."""
    began = time.monotonic()
    spark, s3, args = run
    dates = list(args.sessions)
    targets = {date: object_of(args.target, date) for date in dates}
    findings = {date: object_of(args.findings, date, "findings") for date in dates}
    formers = {**etags_of(s3, targets.values()), **etags_of(s3, findings.values())}
    sources = find_sources(s3, {date: object_of(args.source, date) for date in dates})
    paths = {date: source.path for date, source in sources.items()}
    refined = refine_quotes(judge_quotes(read_sessions(spark, paths)))
    encoded = encode_sessions(refined, sources, args.sessions).persist(StorageLevel.DISK_ONLY)
    seen = {row.trade_date: row for row in encoded.drop("quotes_file", "findings_file").collect()}
    for date, source in sources.items():
        check_session(date, seen.get(date), source)
    rows, told = sum(row.rows for row in seen.values()), sum(row.findings for row in seen.values())
    now = etags_of(s3, paths.values())
    for source in sources.values():
        source.check_unchanged(now)
    print(
        f"checked {count(len(dates), 'session')}, {rows} rows, {told} findings, {time.monotonic() - began:.1f} s",
        flush=True,
    )

    def commit_one(session: Row) -> bool:
        date, source = session.trade_date, sources[session.trade_date]
        # A worker that was lost since has its sessions encoded anew.
        if session.quotes_sha256 != seen[date].quotes_sha256:
            raise ChangedSource(f"expected one version, found a new one of {source.path}: run the job again")
        told_rows = session.findings + len(source.correction())
        commit(
            s3, session.findings_file, findings[date], source.metadata_of_quotes(told_rows), formers.get(findings[date])
        )
        return commit(
            s3, session.quotes_file, targets[date], source.metadata_of_quotes(session.rows), formers.get(targets[date])
        )

    done, changed = 0, 0
    sessions = encoded.toLocalIterator()
    while lot := list(itertools.islice(sessions, SESSIONS_AT_ONCE)):
        changed += sum(in_parallel(commit_one, lot))
        done += len(lot)
        print(f"{done} of {count(len(dates), 'session')}, {time.monotonic() - began:.1f} s", flush=True)
    encoded.unpersist()
    print(
        f"{'committed' if changed else 'unchanged'} {args.target}: {count(len(dates), 'session')}, {rows} rows "
        f"from {args.source}, {told} findings, {changed} put, {len(dates) - changed} left alone, "
        f"{time.monotonic() - began:.1f} s",
        flush=True,
    )
    return sources


def find_sources(s3: Any, paths: Mapping[dt.date, S3Path]) -> dict[dt.date, RawObject]:
    """Return the raw quotes of each session.

    Raises:
        MissingSource, SchemaMismatch: there is no such object, or it has other columns.
    """
    found = dict(zip(paths, in_parallel(lambda path: RawObject.find(s3, path), paths.values()), strict=True))
    missing = [str(paths[date]) for date, source in found.items() if source is None]
    if missing:
        raise MissingSource(
            f"expected {count(len(paths), 'raw partition')}, found no object at {missing[0]} "
            f"({len(missing)} like it): write them first"
        )
    for source in found.values():
        source.check_columns(RAW_COLUMNS)
    return found


def check_session(trade_date: dt.date, found: Row | None, source: RawObject) -> None:
    """Raise EmptySource or WrongTradeDate unless the raw object has rows, all of its trade date.

    Args:
        trade_date: the session.
        found: what encode_sessions tells of it, None where it read no row.
        source: the raw object.
    """
    if found is None:
        raise EmptySource(f"expected the quotes of {trade_date}, found no rows in {source.path}: write it again")
    if found.stray_rows:
        raise WrongTradeDate(
            f"expected every source_date to be {trade_date}, found {found.stray_rows} of {found.rows} rows of "
            f"{found.stray_dates} in {source.path}: write it again from B3's file of its date"
        )


def quotes_file(quotes: pa.Table) -> bytes:
    """Return the sorted quotes of a session as a Parquet file; the same rows give the same bytes.

    Dictionaries do not pay in row groups this small: measured on a real day, they make the file 17 % larger.
    """
    sink = io.BytesIO()
    pq.write_table(
        quotes,
        sink,
        row_group_size=ROW_GROUP_ROWS,
        compression="zstd",
        compression_level=3,
        use_dictionary=False,
        store_schema=False,
    )
    return sink.getvalue()


def small_file(table: pa.Table) -> bytes:
    """Return a table of some rows as a Parquet file; the same rows give the same bytes."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", store_schema=False)
    return sink.getvalue()


def index_stocks_file(rows: Iterable[Row]) -> bytes:
    """The Parquet file of a ticker's constituents, by INDEX_STOCKS_SCHEMA."""
    return small_file(pa.Table.from_pylist([row.asDict() for row in rows], INDEX_STOCKS_SCHEMA))


def commit_index_stocks(run: Run, quotes: RawObject) -> None:
    """Refine the portfolios at `args.portfolio`, with the raw `quotes`, into objects below `args.index_target`."""
    began = time.monotonic()
    spark, s3, args = run
    ((trade_date, previous_session),) = args.sessions.items()
    former = etags_below(s3, args.index_target)
    source = RawObject.find(s3, args.portfolio)
    if source is None:
        print(f"no index portfolio at {args.portfolio}: only quotes were refined", flush=True)
        return
    if source.metadata.get("source") != quotes.metadata.get("source"):
        raise MixedSources(
            f"expected a portfolio of source {quotes.metadata.get('source')!r}, as {quotes.path} is, found "
            f"{source.metadata.get('source')!r} at {source.path}: real and simulated data never share a bucket"
        )
    source.check_columns(PORTFOLIO_COLUMNS)
    raw = read_sessions(spark, {trade_date: quotes.path})
    portfolio = read_raw(spark, [source.path], PORTFOLIO_COLUMNS).filter("endpoint = 'portfolio_day'").coalesce(1)
    rows = check_portfolio(portfolio, trade_date, str(source.path))
    generation = hashlib.sha256(f"{quotes.etag} {source.etag}".encode()).hexdigest()[:16]
    dates = F.lit(previous_session), F.lit(args.last_rebalance)
    refined = refine_index_stocks(portfolio, raw, *dates, generation).sort("ticker", "index_code").collect()
    if len(refined) != rows:
        raise RowsLost(f"expected {rows} rows, found {len(refined)} joined with {quotes.path}: run the job again")
    by_ticker = {ticker: list(of) for ticker, of in itertools.groupby(refined, key=operator.attrgetter("ticker"))}
    now = etags_of(s3, [quotes.path, source.path])
    for read in (quotes, source):
        read.check_unchanged(now)
    wanted = {args.index_target.below(f"ticker={name}/index_stocks.parquet"): of for name, of in by_ticker.items()}

    def commit_one(target: S3Path) -> bool:
        metadata = {**source.metadata, "rows": str(len(wanted[target])), "generation": generation}
        return commit(s3, index_stocks_file(wanted[target]), target, metadata, former.get(target.key))

    changed = sum(in_parallel(commit_one, wanted))
    unwanted = former.keys() - {target.key for target in wanted}
    # The deletes carry no condition: look once more, right before.
    now = etags_below(s3, args.index_target) if unwanted else {}
    unwanted &= now.keys()
    for key in sorted(unwanted):
        if now[key] != former[key]:
            raise overtaken(f"s3://{args.index_target.bucket}/{key}", former[key])
    delete(s3, args.index_target.bucket, sorted(unwanted))
    print(
        f"{'committed' if changed or unwanted else 'unchanged'} {args.index_target}: {rows} rows in {len(wanted)} "
        f"objects from {args.portfolio}, {changed} put, {len(unwanted)} deleted, {time.monotonic() - began:.1f} s",
        flush=True,
    )


def object_of(prefix: S3Path, date: dt.date, name: str = "quotes") -> S3Path:
    """The object of a trade date below the prefix of its table."""
    return prefix.below(f"trade_date={date}/{name}.parquet")


@contextlib.contextmanager
def naming_spark_failures(source: S3Path) -> Iterator[None]:
    """Raise SparkFailed for what Spark raises within."""
    try:
        yield
    except (PySparkException, Py4JError) as error:
        raise SparkFailed(
            f"expected Spark to refine {source}, found {cause_of(error)}: the log has the rest"
        ) from error


def refine(spark: SparkSession, s3: Any, args: argparse.Namespace) -> None:
    """Refine the quotes of `args.sessions`, and with `args.portfolio` the constituents of the indexes."""
    if not knows_conditions(s3):
        print(
            f"boto3 {boto3.__version__} cannot put on a condition: this run would replace what a newer one puts "
            f"meanwhile; from 1.35.69 on it can",
            flush=True,
        )
    run = Run(spark, s3, args)
    with naming_spark_failures(args.source):
        sources = commit_quotes(run)
    if args.portfolio:
        (quotes,) = sources.values()
        with naming_spark_failures(args.portfolio):
            commit_index_stocks(run, quotes)


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the arguments of the module docstring; unknown ones are Glue's.

    `sessions` becomes the session before each, by session.
    """
    parser = argparse.ArgumentParser(description="Refine trade dates", allow_abbrev=False)
    parser.add_argument("--sessions", type=parse_sessions, required=True)
    parser.add_argument("--previous_session", type=parse_date, required=True)
    for name in ("source", "target", "findings"):
        parser.add_argument(f"--{name}", type=S3Path.parse, required=True)
    for name in INDEX_ARGUMENTS:
        parser.add_argument(f"--{name}", type=parse_date if name == "last_rebalance" else S3Path.parse)
    args, _ = parser.parse_known_args(argv)
    first = args.sessions[0]
    if args.previous_session >= first:
        parser.error(f"expected --previous_session before {first}, found {args.previous_session}")
    for name in ("source", "target", "findings"):
        if not getattr(args, name).key.endswith("/"):
            parser.error(f"expected --{name} to end with /, found {getattr(args, name)}")
    given = [name for name in INDEX_ARGUMENTS if getattr(args, name)]
    if given and len(given) < len(INDEX_ARGUMENTS):
        parser.error(f"expected {', '.join(INDEX_ARGUMENTS)} or none of them, found {', '.join(given)}")
    if given and len(args.sessions) > 1:
        parser.error(f"expected one session beside {', '.join(given)}, found {len(args.sessions)}")
    if given and args.last_rebalance > first:
        parser.error(f"expected --last_rebalance up to {first}, found {args.last_rebalance}")
    # Everything below it that is no constituent is deleted.
    if given and not args.index_target.key.endswith(f"/trade_date={first}/"):
        parser.error(f"expected --index_target to end with /trade_date={first}/, found {args.index_target}")
    args.sessions = dict(zip(args.sessions, [args.previous_session, *args.sessions], strict=False))
    return args


def parse_date(text: str) -> dt.date:
    """Return the date of YYYY-MM-DD."""
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected YYYY-MM-DD, found {text}") from None


def parse_sessions(text: str) -> list[dt.date]:
    """Return the sessions of `2020-04-29,30,2020-05-04`: a day alone is of the month before it."""
    found: list[dt.date] = []
    for part in text.split(","):
        date = parse_date(f"{found[-1]:%Y-%m}-{part}" if found and len(part) == 2 else part)
        if found and date <= found[-1]:
            raise argparse.ArgumentTypeError(f"expected a session after {found[-1]}, found {date}")
        found.append(date)
    return found


def cause_of(error: Exception) -> str:
    """The innermost cause that Spark gives for an error, on one line."""
    innermost = str(error).rpartition("Caused by: ")[2]
    return " ".join(innermost.split("\n\tat ")[0].split())[:1000]


def main(argv: Sequence[str] | None = None) -> None:
    """Run the job with `argv`, by default the command line's."""
    args = parse_arguments(argv)
    # boto3 honours AWS_ENDPOINT_URL; path-style addressing is what both S3 and its emulators understand.
    s3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}))
    spark = (
        SparkSession.builder.appName(f"refine {len(args.sessions)} sessions from {next(iter(args.sessions))}")
        .config("spark.sql.ansi.enabled", "true")  # a number too large is an error, not a null
        .config("spark.sql.shuffle.partitions", "1")
        .getOrCreate()
    )
    try:
        refine(spark, s3, args)
    finally:
        spark.stop()


if __name__ == "__main__":
    main()
