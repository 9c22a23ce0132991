"""Refine trade dates: the raw quotes, and the portfolios of the indexes, to what analysts ask.

An AWS Glue 5.1 job (Spark 3.5, Python 3.11) that runs wherever Spark reads `s3://`. It needs no Glue library; boto3
and pyarrow are what Glue brings.

    --source            s3://B/raw/quotes/trade_date=D/quotes.parquet      read
    --target            s3://B/refined/quotes/trade_date=D/quotes.parquet  replaced
    --findings          s3://B/refined/findings/trade_date=D/findings.parquet  replaced
    --staging           s3://B/staging/refine/trade_date=D/                prefix that this job writes below
    --trade_date        D, YYYY-MM-DD: the session that every row must be of
    --previous_session  YYYY-MM-DD: the session before it
    --portfolio         s3://B/raw/index_portfolio/trade_date=D/index_portfolio.parquet  read
    --index_target      s3://B/refined/index_stocks/trade_date=D/          prefix whose objects are replaced
    --last_rebalance    YYYY-MM-DD: the session from which on the portfolios of D hold
    --JOB_RUN_ID        given by Glue: names the run's own folder below --staging (default: a random one)

--portfolio, --index_target and --last_rebalance come together or not at all; without them, or where there is no
object at --portfolio, only the quotes are refined. Other arguments are left alone, because Glue passes its own.

Many trade dates take one run, which refines their quotes only:

    --sessions          D:P,D:P,…: sessions, each with the one before it; no --trade_date, no --previous_session
    --source            s3://B/raw/quotes/      prefix: trade_date=D/quotes.parquet below it is read for each
    --target            s3://B/refined/quotes/  prefix: trade_date=D/quotes.parquet below it is replaced for each
    --findings          s3://B/refined/findings/  prefix: trade_date=D/findings.parquet below it is replaced for each
    --staging, --JOB_RUN_ID  as above

Each object gets the bytes and the metadata that a run of its own would have given it. All sessions pass the checks
before the first is replaced; they are then replaced one after the other, so a run killed half-way leaves whole ones.

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

Commit. The findings of a session are put right before its quotes; between the two, a reader may count others. A reader
must see the old partition or the new one, never half of one, and Spark by itself promises that
only of a folder that nobody reads yet. So Spark writes quotes below the staging prefix, the rows of what it wrote
are counted, and then one PutObject puts each file at its fixed key: S3 makes that visible at once or not at all.
Constituents are a few rows for each ticker: pyarrow makes their files in memory, because Spark sends S3 some thirty
requests for each folder that it writes.
A trade date's quotes are one object. Its constituents are one for each ticker, whose partitions readers see once the
catalog has them; a correction replaces these one after the other and deletes those that are no longer wanted last.
All rows of a date that were made from the same raw objects have the same `generation`, so a reader knows a date that
is whole: one generation, and as many rows of an index as its `constituent_count`.
Killed anywhere, a run is finished by the next. What a run staged is deleted when it ends; if it is killed, that
stays until the bucket's lifecycle rule for staging/ expires it.
What is replaced must be what lay there when the run began, else it fails (`Overtaken`): a run that
was held up cannot put old data over new. A boto3 before 1.35.69 cannot ask S3 for that; the job says so and does
without.

Rerun. Rows are written by one task in a total order, and the one part of a file that Parquet's writer leaves
to chance is put in order (`ThriftFooter`), so the same raw bytes give the same refined bytes. Where a target
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
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any, NamedTuple

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, Row, SparkSession, Window
from pyspark.sql import functions as F  # noqa: N812 - Spark's own idiom

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
QUOTE_COLUMNS = tuple(name for name in RAW_COLUMNS if name != "unreadable")
PRICES = ("open", "high", "low", "average", "close", "best_bid", "best_ask")

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
# volume_fits_quantity.sql there explains the slack; b3.quotes.quality counts them before raw quotes are replaced.
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

# A day is 4 to 12 thousand rows. Row groups of about 2,000, sorted by ticker, let whoever wants one ticker skip the
# rest; measured on 7,808 rows, halving them again adds more to the footer than a query of a few columns saves.
ROW_GROUP_BYTES = 512 * 1024

# Arguments that come together.
OF_ONE_DATE = ("trade_date", "previous_session")
INDEX_ARGUMENTS = ("portfolio", "index_target", "last_rebalance")

# The header comes before it.
FIRST_QUOTE_LINE = 2

# Findings in the job's memory at a time: a session of which all are odd is some 20,000.
FINDINGS_AT_ONCE = 50_000

# Requests to S3 at a time, for objects of up to a few megabytes; boto3 keeps 10 connections.
S3_REQUESTS = 8

# Enough of a raw object's end to hold its footer, which is about 4 KB.
FOOTER_BYTES = 32 * 1024

# Tasks that many sessions are spread over: a task has few, and no executor of a small worker idles.
MAX_TASKS = 32

# A line in the log after that many sessions.
PROGRESS = 25


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
        quotes: whole sessions, with source_date, market_type, bdi_code, short_name, specification and isin.
    """
    rules = " ".join(f"WHEN {condition} THEN '{name}'" for name, condition in ASSET_CLASS_RULES)
    own = F.col("own_class")
    of_security = Window.partitionBy("source_date", "isin")
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
        raw: what read_quotes or read_sessions gave.
    """
    keys = Window.partitionBy("source_date", *KEY_COLUMNS)
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


def refine_quotes(judged: DataFrame, previous_session: Column) -> DataFrame:
    """Return the refined quotes: the raw columns, then the ones added, in the order the catalog declares them.

    Last comes `file_line`, which is no column of the table: with the key it gives the rows a total order.

    Args:
        judged: what judge_quotes gave, of any number of trade dates (source_date).
        previous_session: the session before the row's.
    """
    return with_asset_class(judged).select(
        *QUOTE_COLUMNS,
        *(unit_price(price).alias(f"unit_{price}") for price in PRICES),
        "asset_class",
        F.datediff("expiry_date", "source_date").alias("days_to_expiry"),
        previous_session.alias("previous_session"),
        change_pct().alias("change_pct"),
        F.size("breaches").alias("finding_count"),
        "file_line",
    )


def quote_findings(judged: DataFrame) -> DataFrame:
    """Return a row for each rule that a quote breaks, by FINDINGS_SCHEMA, with its source_date."""
    return judged.select("*", F.explode("breaches").alias("breach")).select(
        "source_date",
        "breach.rule",
        F.lit("quotes").alias("table_name"),
        *KEY_COLUMNS,
        "file_line",
        "breach.expected",
        "breach.found",
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


def read_raw(spark: SparkSession, source: str, columns: Mapping[str, str], *more: Column) -> DataFrame:
    """The raw partition at `source` and `more` columns, in one Spark partition: one file in, one task, no shuffle.

    Raises:
        SchemaMismatch: a column of `columns` is missing or of another type, or there is an unexpected one.
    """
    raw = spark.read.parquet(source)
    check_schema({field.name: field.dataType.simpleString() for field in raw.schema.fields}, columns, source)
    return raw.select("*", *more).coalesce(1)


def read_quotes(spark: SparkSession, source: str) -> DataFrame:
    """Return the raw quotes at `source`, as read_raw does, with `file_line`, their line in B3's daily file.

    Raises:
        SchemaMismatch: as read_raw.
    """
    return read_raw(spark, source, RAW_COLUMNS, file_line())


def file_line() -> Column:
    """Return the line of a raw row in B3's daily file, whose first line is the header."""
    return (F.col("_metadata.row_index") + FIRST_QUOTE_LINE).cast("int").alias("file_line")


def check_schema(found: Mapping[str, str], columns: Mapping[str, str], source: str) -> None:
    """Raise SchemaMismatch unless `found` has the names and types of `columns`."""
    differences = [
        f"expected {name} {columns.get(name, 'not to exist')}, found {found.get(name, 'no such column')}"
        for name in (*columns, *(name for name in found if name not in columns))
        if columns.get(name) != found.get(name)
    ]
    if differences:
        raise SchemaMismatch(f"{'; '.join(differences)}; in {source}: write the raw partition again")


def check_raw(raw: DataFrame, trade_date: dt.date, source: str) -> int:
    """Return the number of rows in `raw`, all of `trade_date`.

    Raises:
        EmptySource, WrongTradeDate: there are none, or others.
    """
    stray = ~F.col("source_date").eqNullSafe(F.lit(trade_date))
    date_text = F.coalesce(F.col("source_date").cast("string"), F.lit("none"))
    (seen,) = raw.agg(
        F.count(F.lit(1)).alias("rows"),
        F.count(F.when(stray, 1)).alias("stray_rows"),
        F.sort_array(F.collect_set(F.when(stray, date_text))).alias("stray_dates"),
    ).collect()
    if not seen.rows:
        raise EmptySource(f"expected the quotes of {trade_date}, found no rows in {source}: write it again")
    if seen.stray_rows:
        raise WrongTradeDate(
            f"expected every source_date to be {trade_date}, found {seen.stray_rows} of {seen.rows} rows of "
            f"{', '.join(seen.stray_dates)} in {source}: write it again from B3's file of its date"
        )
    return seen.rows


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
    """A raw object as it was when the run found it."""

    path: S3Path
    etag: str
    metadata: dict[str, str]

    @classmethod
    def find(cls, s3: Any, path: S3Path) -> RawObject | None:
        """The object at `path`, None where there is none."""
        found = head(s3, path)
        return cls(path, found["ETag"], found["Metadata"]) if found else None

    def correction(self) -> list[dict[str, str]]:
        """Return the finding that tells which records it replaced, if its metadata says so; none or one."""
        if "correction" not in self.metadata:
            return []
        told = json.loads(self.metadata["correction"])
        return [{"rule": "correction", "table_name": "quotes", "expected": told["before"], "found": told["after"]}]

    def metadata_of_quotes(self, rows: int) -> dict[str, str]:
        """Metadata of the refined quotes that were made from it, and of their findings."""
        return {**self.metadata, "rows": str(rows), "raw-etag": self.etag.strip('"')}

    def check_unchanged(self, s3: Any) -> None:
        """Raise ChangedSource unless the object is still the one that was found."""
        if (head(s3, self.path) or {}).get("ETag") != self.etag:
            raise ChangedSource(f"expected one version, found a new one of {self.path}: run the job again")


def etags_below(s3: Any, prefix: S3Path) -> dict[str, str]:
    """ETags by key of the objects below `prefix`."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=prefix.bucket, Prefix=prefix.key)
    return {entry["Key"]: entry["ETag"] for page in pages for entry in page.get("Contents", [])}


def in_parallel(function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """What `function` gives for each of `items`, S3_REQUESTS at a time; after a failure no further one begins."""
    with ThreadPoolExecutor(S3_REQUESTS) as pool:
        return list(pool.map(function, items))


def delete(s3: Any, bucket: str, keys: Iterable[str]) -> None:
    """Delete the objects `keys`."""
    in_parallel(lambda key: s3.delete_object(Bucket=bucket, Key=key), keys)


@contextlib.contextmanager
def staging_folder(s3: Any, folder: S3Path) -> Iterator[S3Path]:
    """`folder`, empty at first and empty again afterwards, whatever happened in between."""
    delete(s3, folder.bucket, etags_below(s3, folder))
    try:
        yield folder
    except BaseException:
        with contextlib.suppress(BotoCoreError, ClientError):  # what led here is the failure to report
            delete(s3, folder.bucket, etags_below(s3, folder))
        raise
    delete(s3, folder.bucket, etags_below(s3, folder))


def stage(refined: DataFrame, folder: S3Path, partition: str | None = None) -> None:
    """Write the quotes of each Spark partition to `folder`: a Parquet file, or one for each value of `partition`.

    Args:
        refined: what refine_quotes gave, and the column `partition`.
        folder: where to.
        partition: the column that names folders, and is left out of the files.
    """
    first = [partition] if partition else []
    (
        refined.sortWithinPartitions(*first, *KEY_COLUMNS, "file_line")  # nulls first
        .drop("file_line")
        .write.option("compression", "zstd")
        .option("parquet.block.size", ROW_GROUP_BYTES)
        .partitionBy(*first)
        .mode("overwrite")
        .parquet(str(folder))
    )


def staged_keys(s3: Any, folder: S3Path, partitions: Iterable[str]) -> dict[str, str]:
    """Keys of the files staged below `folder`, by the partition within it ("" for the folder itself).

    Raises:
        RowsLost: they are not one file for each of `partitions`.
    """
    keys = [key for key in etags_below(s3, folder) if key.endswith(".parquet")]
    found = {key.removeprefix(folder.key).rpartition("/")[0]: key for key in keys}
    if len(found) != len(keys) or found.keys() != set(partitions):
        raise RowsLost(
            f"expected one file for each of {len(set(partitions))} partitions, found {len(keys)} in "
            f"{len(found)} of {folder}: run the job again"
        )
    return found


def fetch_staged(s3: Any, bucket: str, key: str, rows: int) -> bytes:
    """The final bytes of a staged file: a day's are about 1 MB.

    Raises:
        RowsLost: it does not hold `rows` rows.
    """
    content = bytearray(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    footer = ThriftFooter(content)
    footer.sort_encodings()
    if footer.rows != rows:
        raise RowsLost(f"expected {rows} rows, found {footer.rows} in s3://{bucket}/{key}: run the job again")
    return bytes(content)


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


class ThriftFooter:
    """Just enough of Thrift's compact protocol to walk through the footer of a Parquet file, in place.

    Parquet's Java writer notes the encodings of a column chunk in the order of a hash set, which differs from one
    JVM to the next; no other byte does. https://github.com/apache/parquet-format describes the format.
    """

    # FileMetaData.row_groups, RowGroup.columns, ColumnChunk.meta_data, ColumnMetaData.encodings
    ENCODINGS = (4, 1, 3, 2)
    # FileMetaData.num_rows
    ROWS = (3,)
    BOOLEANS, BYTE, INTEGERS, DOUBLE, BINARY, LISTS, STRUCT = (1, 2), 3, (4, 5, 6), 7, 8, (9, 10), 12

    def __init__(self, parquet: bytearray) -> None:
        """Stand at the beginning of the footer of `parquet`, whose length lies before the closing magic."""
        self.data = parquet
        self.rows = 0
        self.at = len(parquet) - 8 - int.from_bytes(parquet[-8:-4], "little")

    def sort_encodings(self) -> None:
        """Sort the encodings of every column chunk; each is one byte, so nothing moves. Take note of the rows."""
        self._walk(self.STRUCT, ())

    def _byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def _varint(self) -> int:
        value, shift = 0, 0
        while (byte := self._byte()) & 0x80:
            value, shift = value | (byte & 0x7F) << shift, shift + 7
        return value | byte << shift

    def _walk(self, kind: int, path: tuple[int, ...]) -> None:
        if kind in self.INTEGERS:
            value = self._varint()
            if path == self.ROWS:
                self.rows = value >> 1  # zigzag: even numbers are the positive ones
        elif kind == self.BYTE:
            self.at += 1
        elif kind == self.DOUBLE:
            self.at += 8
        elif kind == self.BINARY:
            length = self._varint()
            self.at += length
        elif kind in self.LISTS:
            self._walk_list(path)
        elif kind == self.STRUCT:
            self._walk_struct(path)
        elif kind not in self.BOOLEANS:  # a boolean field has its value in its kind
            raise ValueError(f"expected a Thrift type that Parquet footers use, found {kind} at byte {self.at}")

    def _walk_list(self, path: tuple[int, ...]) -> None:
        header = self._byte()
        size = header >> 4 if header >> 4 < 15 else self._varint()
        first = self.at
        for _ in range(size):
            self._walk(header & 0x0F, path)
        if path == self.ENCODINGS:
            self.data[first : self.at] = sorted(self.data[first : self.at])

    def _walk_struct(self, path: tuple[int, ...]) -> None:
        field = 0
        while header := self._byte():
            field = field + (header >> 4) if header >> 4 else self._varint() // 2
            self._walk(header & 0x0F, (*path, field))


class Run(NamedTuple):
    """What the parts of a run share; `folder` is its own below the staging prefix."""

    spark: SparkSession
    s3: Any
    args: argparse.Namespace
    folder: S3Path


def commit_quotes(run: Run) -> tuple[RawObject, DataFrame]:
    """Refine the quotes at `args.source` into `args.findings` and `args.target`; returns what was read."""
    began = time.monotonic()
    spark, s3, args, _ = run
    former, former_findings = etag(head(s3, args.target)), etag(head(s3, args.findings))
    source = RawObject.find(s3, args.source)
    if source is None:
        raise MissingSource(f"expected a raw partition, found no object at {args.source}: write it first")
    raw = read_quotes(spark, str(args.source))
    rows = check_raw(raw, args.trade_date, str(args.source))
    judged = judge_quotes(raw)
    folder = run.folder.below("quotes/")
    stage(refine_quotes(judged, F.lit(args.previous_session)), folder)
    content = fetch_staged(s3, folder.bucket, staged_keys(s3, folder, [""])[""], rows)
    findings = quote_findings(judged).sort("file_line", "rule").collect()
    source.check_unchanged(s3)
    commit_findings(s3, args.findings, source, findings, former_findings)
    changed = commit(s3, content, args.target, source.metadata_of_quotes(rows), former)
    verdict = "committed" if changed else "unchanged"
    print(
        f"{verdict} {args.target}: {rows} rows from {args.source}, {len(findings)} findings, "
        f"{time.monotonic() - began:.1f} s",
        flush=True,
    )
    return source, raw


def commit_findings(s3: Any, target: S3Path, source: RawObject, findings: Sequence[Row], former: str | None) -> bool:
    """Put the findings of a session, and the correction that its raw object tells of; as commit."""
    rows = [{name: row[name] for name in FINDINGS_SCHEMA.names} for row in findings]
    rows = [*source.correction(), *rows]
    content = parquet_file(pa.Table.from_pylist(rows, FINDINGS_SCHEMA))
    return commit(s3, content, target, source.metadata_of_quotes(len(rows)), former)


def parquet_file(table: pa.Table) -> bytes:
    """Return a small table as a Parquet file."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", store_schema=False)
    return sink.getvalue()


def index_stocks_file(rows: Iterable[Row]) -> bytes:
    """The Parquet file of a ticker's constituents, by INDEX_STOCKS_SCHEMA."""
    return parquet_file(pa.Table.from_pylist([row.asDict() for row in rows], INDEX_STOCKS_SCHEMA))


def commit_index_stocks(run: Run, quotes: RawObject, raw: DataFrame) -> None:
    """Refine the portfolios at `args.portfolio`, with the quotes of `raw`, into objects below `args.index_target`."""
    began = time.monotonic()
    spark, s3, args, _ = run
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
    portfolio = read_raw(spark, str(args.portfolio), PORTFOLIO_COLUMNS).filter("endpoint = 'portfolio_day'")
    rows = check_portfolio(portfolio, args.trade_date, str(args.portfolio))
    generation = hashlib.sha256(f"{quotes.etag} {source.etag}".encode()).hexdigest()[:16]
    dates = F.lit(args.previous_session), F.lit(args.last_rebalance)
    refined = refine_index_stocks(portfolio, raw, *dates, generation).sort("ticker", "index_code").collect()
    if len(refined) != rows:
        raise RowsLost(f"expected {rows} rows, found {len(refined)} joined with {quotes.path}: run the job again")
    by_ticker = {ticker: list(of) for ticker, of in itertools.groupby(refined, key=operator.attrgetter("ticker"))}
    for read in (quotes, source):
        read.check_unchanged(s3)
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


class RawFooter(NamedTuple):
    """What the end of a raw file says of it; no columns where that is no whole footer."""

    source: RawObject
    columns: dict[str, str]

    @classmethod
    def find(cls, s3: Any, path: S3Path) -> RawFooter | None:
        """The footer of the object at `path`, None where there is none."""
        try:
            answer = s3.get_object(Bucket=path.bucket, Key=path.key, Range=f"bytes=-{FOOTER_BYTES}")
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] not in (404, 416):  # an empty object has no range
                raise
            empty = RawObject.find(s3, path)
            return cls(empty, {}) if empty else None
        source = RawObject(path, answer["ETag"], answer["Metadata"])
        try:
            schema = pq.read_metadata(io.BytesIO(answer["Body"].read())).schema.to_arrow_schema()
        except pa.ArrowException:
            return cls(source, {})
        return cls(source, {field.name: spark_type(field.type) for field in schema})


def spark_type(of: pa.DataType) -> str:
    """What Spark calls an Arrow type, where raw files may have it."""
    if pa.types.is_decimal(of):
        return f"decimal({of.precision},{of.scale})"
    names = {pa.int16(): "smallint", pa.int32(): "int", pa.int64(): "bigint", pa.date32(): "date"}
    return names.get(of, str(of))


def object_of(prefix: S3Path, date: dt.date, name: str = "quotes") -> S3Path:
    """The object of a trade date below the prefix of its table."""
    return prefix.below(f"trade_date={date}/{name}.parquet")


def read_sessions(spark: SparkSession, sources: Mapping[dt.date, S3Path]) -> DataFrame:
    """The raw partitions `sources`, with `folder`, the date of a row's object; a date lies in one Spark partition."""
    schema = ", ".join(f"`{name}` {kind}" for name, kind in RAW_COLUMNS.items())
    folder = F.substring_index(F.substring_index(F.col("_metadata.file_path"), "/trade_date=", -1), "/", 1)
    return (
        spark.read.schema(schema)
        .parquet(*map(str, sources.values()))
        .select(*RAW_COLUMNS, file_line(), F.to_date(folder).alias("folder"))
        .repartition(min(len(sources), MAX_TASKS), "source_date")
    )


def judge(spark: SparkSession, source: S3Path, trade_date: dt.date) -> None:
    """Check the raw partition of `trade_date` alone, to raise its precise error.

    Raises:
        What read_raw and check_raw raise; ChangedSource where they no longer find anything.
    """
    with naming_spark_failures(source):
        check_raw(read_quotes(spark, str(source)), trade_date, str(source))
    raise ChangedSource(f"expected one version, found one that is right after one that was not of {source}: run again")


def check_sessions(judged: DataFrame, sources: Mapping[dt.date, S3Path]) -> dict[dt.date, Row]:
    """Return how many rows and findings each session has, if all its rows are of its date.

    Args:
        judged: what judge_quotes made of what `read_sessions` gave.
        sources: the raw partitions.

    Raises:
        What judge raises.
    """
    seen = (
        judged.groupBy("folder", "source_date")
        .agg(F.count(F.lit(1)).alias("rows"), F.sum(F.size("breaches")).alias("findings"))
        .collect()
    )
    bad = {row.folder for row in seen if row.source_date != row.folder}
    found = {row.folder: row for row in seen}
    for date, source in sources.items():
        if date in bad or date not in found:
            judge(judged.sparkSession, source, date)
    return found


def findings_by_date(judged: DataFrame, counts: Mapping[dt.date, int]) -> Iterator[dict[dt.date, list[Row]]]:
    """Yield the sessions with their findings, some FINDINGS_AT_ONCE together.

    Args:
        judged: what judge_quotes gave.
        counts: how many findings each session has.
    """
    dates: list[dt.date] = []
    for date in counts:
        if dates and sum(counts[other] for other in (*dates, date)) > FINDINGS_AT_ONCE:
            yield collect_findings(judged, dates, counts)
            dates = []
        dates.append(date)
    yield collect_findings(judged, dates, counts)


def collect_findings(
    judged: DataFrame, dates: Sequence[dt.date], counts: Mapping[dt.date, int]
) -> dict[dt.date, list[Row]]:
    """Return the findings of each of these sessions; Spark looks only at those that have any."""
    found: dict[dt.date, list[Row]] = {date: [] for date in dates}
    odd = [date for date in dates if counts[date]]
    if odd:
        findings = quote_findings(judged.filter(F.col("source_date").isin(odd)))
        for row in findings.sort("source_date", "file_line", "rule").collect():
            found[row.source_date].append(row)
    return found


def commit_sessions(run: Run) -> None:
    """Refine the quotes of `args.sessions` from below `args.source` to below `args.target`."""
    began = time.monotonic()
    spark, s3, args, _ = run
    dates = list(args.sessions)
    targets = {date: object_of(args.target, date) for date in dates}
    told_at = {date: object_of(args.findings, date, "findings") for date in dates}
    formers = dict(zip(dates, in_parallel(lambda date: head(s3, targets[date]), dates), strict=True))
    former_findings = dict(zip(dates, in_parallel(lambda date: head(s3, told_at[date]), dates), strict=True))
    paths = {date: object_of(args.source, date) for date in dates}
    found = dict(zip(dates, in_parallel(lambda date: RawFooter.find(s3, paths[date]), dates), strict=True))
    missing = [str(paths[date]) for date in dates if found[date] is None]
    if missing:
        raise MissingSource(
            f"expected {len(dates)} raw partitions, found no object at {missing[0]} "
            f"({len(missing)} like it): write them first"
        )
    for date, footer in found.items():
        if footer.columns != RAW_COLUMNS:
            with naming_spark_failures(paths[date]):
                read_raw(spark, str(paths[date]), RAW_COLUMNS)
    judged = judge_quotes(read_sessions(spark, paths))
    seen = check_sessions(judged, paths)
    rows = {date: seen[date].rows for date in dates}
    findings = {date: seen[date].findings for date in dates}
    print(
        f"checked {len(dates)} sessions, {sum(rows.values())} rows, {sum(findings.values())} findings, "
        f"{time.monotonic() - began:.1f} s",
        flush=True,
    )

    folder = run.folder.below("quotes/")
    befores = spark.createDataFrame(list(args.sessions.items()), "source_date date NOT NULL, before date NOT NULL")
    refined = refine_quotes(judged.join(F.broadcast(befores), "source_date"), F.col("before"))
    # A copy names the folders: Spark leaves the column that does out of the files.
    stage(refined.withColumn("trade_date", F.col("source_date")), folder, "trade_date")
    staged = staged_keys(s3, folder, [f"trade_date={date}" for date in dates])
    in_parallel(lambda footer: footer.source.check_unchanged(s3), found.values())
    print(f"staged {len(dates)} sessions, {time.monotonic() - began:.1f} s", flush=True)

    done = itertools.count(1)

    def commit_one(told: tuple[dt.date, list[Row]]) -> bool:
        date, of_session = told
        content = fetch_staged(s3, folder.bucket, staged[f"trade_date={date}"], rows[date])
        source = found[date].source
        commit_findings(s3, told_at[date], source, of_session, etag(former_findings[date]))
        changed = commit(s3, content, targets[date], source.metadata_of_quotes(rows[date]), etag(formers[date]))
        if (number := next(done)) % PROGRESS == 0:
            print(f"{number} of {len(dates)} sessions, {time.monotonic() - began:.1f} s", flush=True)
        return changed

    changed = sum(sum(in_parallel(commit_one, batch.items())) for batch in findings_by_date(judged, findings))
    print(
        f"{'committed' if changed else 'unchanged'} {args.target}: {len(dates)} sessions, {sum(rows.values())} rows "
        f"from {args.source}, {changed} put, {len(dates) - changed} left alone, {time.monotonic() - began:.1f} s",
        flush=True,
    )


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
    """Refine the quotes of `args.sessions`, or of a trade date and its indexes' constituents, if `args.portfolio`."""
    if not knows_conditions(s3):
        print(
            f"boto3 {boto3.__version__} cannot put on a condition: this run would replace what a newer one puts "
            f"meanwhile; from 1.35.69 on it can",
            flush=True,
        )
    with staging_folder(s3, args.staging.below(f"{args.JOB_RUN_ID}/")) as folder:
        run = Run(spark, s3, args, folder)
        if args.sessions:
            with naming_spark_failures(args.source):
                commit_sessions(run)
            return
        with naming_spark_failures(args.source):
            quotes, raw = commit_quotes(run)
        if args.portfolio:
            with naming_spark_failures(args.portfolio):
                commit_index_stocks(run, quotes, raw)


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The arguments of the module docstring; unknown ones are Glue's."""

    def session(text: str) -> dt.date:
        try:
            return dt.date.fromisoformat(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"expected YYYY-MM-DD, found {text}") from None

    def sessions(text: str) -> dict[dt.date, dt.date]:
        given = [pair.partition(":") for pair in text.split(",")]
        pairs = [(session(date), session(before)) for date, _, before in given]
        for date, before in pairs:
            if before >= date:
                raise argparse.ArgumentTypeError(f"expected the session before {date}, found {before}")
        if len(dict(pairs)) != len(pairs):
            raise argparse.ArgumentTypeError(f"expected each session once, found {len(pairs) - len(dict(pairs))} twice")
        return dict(sorted(pairs))

    parser = argparse.ArgumentParser(description="Refine trade dates", allow_abbrev=False)
    for name in ("--source", "--target", "--findings", "--staging"):
        parser.add_argument(name, type=S3Path.parse, required=True)
    parser.add_argument("--sessions", type=sessions)
    for name in OF_ONE_DATE:
        parser.add_argument(f"--{name}", type=session)
    for name in INDEX_ARGUMENTS:
        parser.add_argument(f"--{name}", type=session if name == "last_rebalance" else S3Path.parse)
    parser.add_argument("--JOB_RUN_ID", default=uuid.uuid4().hex)
    args, _ = parser.parse_known_args(argv)
    if args.sessions:
        alone = [name for name in (*OF_ONE_DATE, *INDEX_ARGUMENTS) if getattr(args, name)]
        if alone:
            parser.error(f"expected --sessions without {', '.join(alone)}: these are of one trade date")
        for name in ("source", "target", "findings"):
            if not getattr(args, name).key.endswith("/"):
                parser.error(f"expected --{name} to end with / beside --sessions, found {getattr(args, name)}")
        return args
    missing = [name for name in OF_ONE_DATE if not getattr(args, name)]
    if missing:
        parser.error(f"expected --sessions, or {' and '.join(OF_ONE_DATE)}, found no {', '.join(missing)}")
    if args.previous_session >= args.trade_date:
        parser.error(f"expected --previous_session before {args.trade_date}, found {args.previous_session}")
    given = [name for name in INDEX_ARGUMENTS if getattr(args, name)]
    if given and len(given) < len(INDEX_ARGUMENTS):
        parser.error(f"expected {', '.join(INDEX_ARGUMENTS)} or none of them, found {', '.join(given)}")
    if given and args.last_rebalance > args.trade_date:
        parser.error(f"expected --last_rebalance up to {args.trade_date}, found {args.last_rebalance}")
    # Everything below it that is no constituent is deleted.
    if given and not args.index_target.key.endswith(f"/trade_date={args.trade_date}/"):
        parser.error(f"expected --index_target to end with /trade_date={args.trade_date}/, found {args.index_target}")
    return args


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
        SparkSession.builder.appName(f"refine {args.trade_date or f'{len(args.sessions)} sessions'}")
        .config("spark.sql.ansi.enabled", "true")  # a number too large is an error, not a null
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs", "false")
        # One task, into a folder that nobody reads: its files may be moved to their place as soon as it ends.
        .config("spark.hadoop.mapreduce.fileoutputcommitter.algorithm.version", "2")
        .getOrCreate()
    )
    try:
        refine(spark, s3, args)
    finally:
        spark.stop()


if __name__ == "__main__":
    main()
