"""Refine one trade date: the raw quotes, and the portfolios of the indexes, to what analysts ask.

An AWS Glue 5.1 job (Spark 3.5, Python 3.11) that runs wherever Spark reads `s3://`. It needs no Glue library.

    --source            s3://B/raw/quotes/trade_date=D/quotes.parquet      read
    --target            s3://B/refined/quotes/trade_date=D/quotes.parquet  replaced
    --staging           s3://B/staging/refine/trade_date=D/                prefix that this job writes below
    --trade_date        D, YYYY-MM-DD: the session that every row must be of
    --previous_session  YYYY-MM-DD: the session before it
    --portfolio         s3://B/raw/index_portfolio/trade_date=D/index_portfolio.parquet  read
    --index_target      s3://B/refined/index_stocks/trade_date=D/          prefix whose objects are replaced
    --last_rebalance    YYYY-MM-DD: the session from which on the portfolios of D hold
    --JOB_RUN_ID        given by Glue: names the run's own folder below --staging (default: a random one)

--portfolio, --index_target and --last_rebalance come together or not at all; without them, or where there is no
object at --portfolio, only the quotes are refined. Other arguments are left alone, because Glue passes its own.

Quotes. A partition with a row that breaks QUALITY_RULES is refused before readers see it: what was refined before
stays. Every raw column and row is kept; `refine_quotes` adds what each analyst would otherwise compute anew:

    unit_open … unit_best_ask  price of one unit: price / quote_factor, exact
    asset_class                what the row is a quote of; ASSET_CLASS_RULES says how that is known
    days_to_expiry             calendar days from trade date to expiry, null without one
    previous_session           the session before the trade date
    change_pct                 (close - open) / open × 100, rounded half up. It is the
                               change within this session: the file does not carry the close of the one before.

Constituents. `refine_index_stocks` makes a row of each constituent of each index, from the portfolio of the day
(endpoint portfolio_day) and its raw quotes: those of its round lot, and sums over round lot, odd lot and auction. They
come after the quotes, which stay committed whatever becomes of them.

Commit. A reader must see the old partition or the new one, never half of one, and Spark by itself promises that
only of a folder that nobody reads yet. So Spark writes below the staging prefix, the rows of what it wrote are
counted, and then one PutObject puts each file at its fixed key: S3 makes that visible at once or not at all.
Quotes are one object. Constituents are one for each ticker, whose partitions readers see once the catalog has them; a
correction replaces these one after the other and deletes those that are no longer wanted last. All rows of a date
that were made from the same raw objects have the same `generation`, so a reader knows a date that is whole:
one generation, and as many rows of an index as its `constituent_count`.
Killed anywhere, a run is finished by the next. What a run staged is deleted when it ends; if it is killed, that
stays until the bucket's lifecycle rule for staging/ expires it.
What is replaced must be what lay there when the run began, else it fails (`Overtaken`): a run that
was held up cannot put old data over new. A boto3 before 1.35.69 cannot ask S3 for that; the job then does without.

Rerun. Rows are written by one task in a total order, and the one part of a file that Parquet's writer leaves
to chance is put in order (`ThriftFooter`), so the same raw bytes give the same refined bytes. Where a target
holds them already it is left alone, and a versioned bucket gains no version.

Each object carries the metadata of its raw object (`source`, `source-sha256`, …), `rows` and `content-sha256` (of its
own bytes); quotes also `raw-etag` (of the raw object they were made from), constituents `generation`.

The last line of a failure on stderr is `<Error>: expected …, found …`, and says where and what to do.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import hashlib
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any, NamedTuple

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession, Window
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
}
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

# Prices have 2 decimals and unit prices 8: these factors lose no digit. B3 has used 1 to 1000.
QUOTE_FACTORS = tuple(10**digits for digits in range(7))

# B3's key of a quote.
KEY_COLUMNS = ("ticker", "market_type", "forward_days")
QUALITY_COLUMNS = ("ticker", "market_type", *PRICES[:5], "quantity", "financial_volume", "quote_factor")

# The first condition that holds gives the class. isin_kind is the part of the ISIN that says what a security is:
# BRPETRACNPR6 is a share (ACN). The bulletin code alone does not tell: ETFs and BDRs have stood under 02 with the
# shares, and 14 holds ETFs beside FIPs, FIDCs and the tax-incentive funds of the 1970s, which only their names
# set apart.
ASSET_CLASS_RULES = (
    # What is traded is a contract, whatever lies under it.
    ("option", "market_type IN ('070', '080')"),
    ("option_exercise", "market_type IN ('012', '013')"),
    ("forward", "market_type = '030'"),
    ("future", "market_type IN ('050', '060')"),
    # Spot 010, auction 017, odd lot 020, and 021, which B3 does not document: the security itself.
    ("other", "market_type NOT IN ('010', '017', '020', '021')"),
    ("bdr", "isin_kind = 'BDR' OR specification LIKE 'DR%'"),
    # Subscription rights (DIR, D01…), warrants (BNS, N01…) and receipts (ON REC, R01…), of shares or funds.
    ("right", "isin_kind RLIKE '^[DNR][0-9][0-9]$' OR bdi_code IN ('10', '22')"),
    ("right", "specification RLIKE '^(DIR|BNS)|[ *]REC( |$)'"),
    ("unit", "isin_kind = 'UNT' OR specification LIKE 'UNT%'"),
    ("stock", "isin_kind IN ('ACN', 'ARN')"),
    ("fii", "bdi_code = '12' OR short_name LIKE 'FII %'"),
    ("fund", "isin_kind = 'CTF' AND short_name RLIKE '^(FIP|FDC|FIDC|FINAM|FINOR|FISET|FUNDES|FUNRES)( |$)'"),
    ("etf", "isin_kind = 'CTF' AND bdi_code IN ('02', '14')"),
    ("fund", "isin_kind = 'CTF'"),
    ("index", "isin_kind = 'IND'"),
)

# What every quote must satisfy before readers see it. include/sql/validate/ asks the same of what was published, and
# volume_fits_quantity.sql there explains the slack.
QUALITY_RULES = {
    "open, high, low, average and close > 0.00": "least(open, high, low, average, close) > 0",
    "low <= open, close <= high": "low <= least(open, close) AND greatest(open, close) <= high",
    "quantity x low <= volume x quote_factor <= quantity x high": """
        quantity > 0 AND CASE
          WHEN financial_volume = 0 THEN quantity * high * 100 < quote_factor
          ELSE financial_volume > 0
           AND (100 * financial_volume + trade_count) * quote_factor >= 99 * quantity * low
           AND (100 * financial_volume - 1) * quote_factor <= 101 * quantity * high
        END""",
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
INDEX_ARGUMENTS = ("portfolio", "index_target", "last_rebalance")

# Requests to S3 at a time, for objects of a few kilobytes; boto3 keeps 10 connections.
S3_REQUESTS = 8


class RefineError(Exception):
    """The partition cannot be refined; what it held before stays."""


class MissingSource(RefineError):
    """The raw object does not exist."""


class ChangedSource(RefineError):
    """The raw object was replaced while it was being read."""


class SchemaMismatch(RefineError):
    """A raw file does not have the columns and types of RAW_COLUMNS or PORTFOLIO_COLUMNS."""


class EmptySource(RefineError):
    """A raw file has no rows."""


class WrongTradeDate(RefineError):
    """A raw file has rows of another session."""


class BadQuotes(RefineError):
    """The raw file has rows that break a rule of QUALITY_RULES, or repeat a key."""


class BadQuoteFactor(RefineError):
    """A quote factor does not divide prices exactly."""


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
    """Price of one unit: `price` / quote_factor, exact, decimal(19,8).

    A product with the exact reciprocal, since Spark rounds the quotient of two decimals where it sees fit.
    """
    reciprocals = [
        item for factor in QUOTE_FACTORS for item in (F.lit(factor), F.lit(1 / Decimal(factor)).cast("decimal(7,6)"))
    ]
    return (F.col(price) * F.create_map(*reciprocals)[F.col("quote_factor")]).cast("decimal(19,8)")


def change_pct() -> Column:
    """Change from open to close in percent, 4 decimals, rounded half up; open is above 0 by QUALITY_RULES.

    With a dividend of 4 decimals Spark gives the quotient 18: enough that rounding it once more, to 4, cannot
    turn anything below a half into one, whatever the two prices.
    """
    dividend = ((F.col("close") - F.col("open")) * 100).cast("decimal(18,4)")
    return F.round(dividend / F.col("open"), 4).cast("decimal(13,4)")


def asset_class() -> Column:
    """Class of a row by ASSET_CLASS_RULES, which need a column isin_kind; `other` where none applies.

    An odd lot or an auction takes the class of its security's round lot on that day: under bulletin code 96 an
    ETF and any other fund look alike.
    """
    rules = " ".join(f"WHEN {condition} THEN '{name}'" for name, condition in ASSET_CLASS_RULES)
    own = F.expr(f"CASE {rules} ELSE 'other' END")
    of_security = Window.partitionBy("source_date", "isin")
    of_round_lot = F.min(F.when(F.col("market_type") == "010", own)).over(of_security)
    takes_it = F.col("market_type").isin("017", "020", "021") & (F.col("isin") != "")
    return F.when(takes_it, F.coalesce(of_round_lot, own)).otherwise(own)


def refine_quotes(raw: DataFrame, previous_session: Column) -> DataFrame:
    """The refined quotes of `raw`: its columns, then the ones added, in the order the catalog declares them.

    Args:
        raw: quotes with the columns of RAW_COLUMNS, of any number of trade dates (source_date).
        previous_session: the session before the row's.
    """
    return raw.withColumn("isin_kind", F.substring("isin", 7, 3)).select(
        *RAW_COLUMNS,
        *(unit_price(price).alias(f"unit_{price}") for price in PRICES),
        asset_class().alias("asset_class"),
        F.datediff("expiry_date", "source_date").alias("days_to_expiry"),
        previous_session.alias("previous_session"),
        change_pct().alias("change_pct"),
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


def read_raw(spark: SparkSession, source: str, columns: Mapping[str, str]) -> DataFrame:
    """The raw partition at `source`, in one Spark partition: one file in, one task, nothing to shuffle.

    Raises:
        SchemaMismatch: a column of `columns` is missing or of another type, or there is an unexpected one.
    """
    raw = spark.read.parquet(source).coalesce(1)
    found = {field.name: field.dataType.simpleString() for field in raw.schema.fields}
    differences = [
        f"expected {name} {columns.get(name, 'not to exist')}, found {found.get(name, 'no such column')}"
        for name in (*columns, *(name for name in found if name not in columns))
        if columns.get(name) != found.get(name)
    ]
    if differences:
        raise SchemaMismatch(f"{'; '.join(differences)}; in {source}: write the raw partition again")
    return raw


def check_raw(raw: DataFrame, trade_date: dt.date, source: str) -> int:
    """Number of rows in `raw`, all of `trade_date`, with a usable quote factor, and fit for readers.

    Raises:
        EmptySource, WrongTradeDate, BadQuoteFactor, BadQuotes: one of these does not hold.
    """
    stray = ~F.col("source_date").eqNullSafe(F.lit(trade_date))
    bad_factor = ~F.coalesce(F.col("quote_factor").isin(*QUOTE_FACTORS), F.lit(False))
    date_text = F.coalesce(F.col("source_date").cast("string"), F.lit("none"))
    broken = [~F.coalesce(F.expr(condition), F.lit(False)) for condition in QUALITY_RULES.values()]
    (seen,) = raw.agg(
        F.count(F.lit(1)).alias("rows"),
        F.count(F.when(stray, 1)).alias("stray_rows"),
        F.sort_array(F.collect_set(F.when(stray, date_text))).alias("stray_dates"),
        F.count(F.when(bad_factor, 1)).alias("bad_factor_rows"),
        F.min(F.when(bad_factor, F.struct("ticker", "quote_factor"))).alias("bad_factor"),
        *(F.count(F.when(rule, 1)).alias(f"broken_{i}") for i, rule in enumerate(broken)),
        *(F.min(F.when(rule, F.struct(*QUALITY_COLUMNS))).alias(f"example_{i}") for i, rule in enumerate(broken)),
        F.countDistinct(F.struct(*KEY_COLUMNS)).alias("keys"),
    ).collect()
    if not seen.rows:
        raise EmptySource(f"expected the quotes of {trade_date}, found no rows in {source}: write it again")
    if seen.stray_rows:
        raise WrongTradeDate(
            f"expected every source_date to be {trade_date}, found {seen.stray_rows} of {seen.rows} rows of "
            f"{', '.join(seen.stray_dates)} in {source}: write it again from B3's file of its date"
        )
    if seen.bad_factor_rows:
        raise BadQuoteFactor(
            f"expected quote_factor to be a power of ten from 1 to {QUOTE_FACTORS[-1]}, found "
            f"{seen.bad_factor.quote_factor} for {seen.bad_factor.ticker} (rows like it: {seen.bad_factor_rows}) "
            f"in {source}: compare with FATCOT in B3's file"
        )
    for i, rule in enumerate(QUALITY_RULES):
        if seen[f"broken_{i}"]:
            example = ", ".join(f"{name} {value}" for name, value in seen[f"example_{i}"].asDict().items())
            raise BadQuotes(
                f"expected {rule}, found {seen[f'broken_{i}']} of {seen.rows} rows where that fails, as {example}, "
                f"in {source}: compare with B3's file"
            )
    if seen.keys != seen.rows:
        raise BadQuotes(
            f"expected each ({', '.join(KEY_COLUMNS)}) once, found {seen.rows - seen.keys} of {seen.rows} rows that "
            f"repeat one, in {source}: compare with B3's file"
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


def stage(refined: DataFrame, folder: S3Path, order: Sequence[str], partitions: Sequence[str] = ()) -> None:
    """Write `refined` to `folder` by one task: one Parquet file, or one for each value of `partitions`.

    Args:
        order: columns that together give the rows a total order; it begins with `partitions`.
    """
    (
        refined.coalesce(1)
        .sortWithinPartitions(*order)  # nulls first
        .write.option("compression", "zstd")
        .option("parquet.block.size", ROW_GROUP_BYTES)
        .partitionBy(*partitions)
        .mode("overwrite")
        .parquet(str(folder))
    )


class StagedFile(NamedTuple):
    """A Parquet file in its final bytes, and the number of its rows."""

    content: bytes
    rows: int


def fetch_staged(s3: Any, folder: S3Path, rows: int) -> dict[str, StagedFile]:
    """The files staged below `folder`, by the partition within it: a day's are about 1 MB.

    Raises:
        RowsLost: together they do not hold `rows` rows, or a partition has several.
    """

    def fetch(key: str) -> StagedFile:
        content = bytearray(s3.get_object(Bucket=folder.bucket, Key=key)["Body"].read())
        footer = ThriftFooter(content)
        footer.sort_encodings()
        return StagedFile(bytes(content), footer.rows)

    keys = [key for key in etags_below(s3, folder) if key.endswith(".parquet")]
    partitions = [key.removeprefix(folder.key).rpartition("/")[0] for key in keys]
    staged = dict(zip(partitions, in_parallel(fetch, keys), strict=True))
    if len(staged) != len(keys):
        raise RowsLost(f"expected one file a partition, found {len(keys)} in {folder}: run the job again")
    written = sum(file.rows for file in staged.values())
    if written != rows:
        raise RowsLost(f"expected {rows} rows, found {written} in {folder}: run the job again")
    return staged


def commit(s3: Any, content: bytes, target: S3Path, metadata: dict[str, str], former: str | None) -> bool:
    """Put `content` at `target` in one request; False where it is there already, with the same metadata.

    Args:
        former: ETag of what lay there when the run began, None for nothing.

    Raises:
        Overtaken: something else lies there now.
    """
    metadata = {**metadata, "content-sha256": hashlib.sha256(content).hexdigest()}

    def is_there() -> bool:
        return (head(s3, target) or {}).get("Metadata") == metadata

    if former and is_there():
        return False
    condition = {"IfMatch": former} if former else {"IfNoneMatch": "*"}
    known = s3.meta.service_model.operation_model("PutObject").input_shape.members
    try:
        s3.put_object(
            Bucket=target.bucket,
            Key=target.key,
            Body=content,
            Metadata=metadata,
            ContentType="application/vnd.apache.parquet",
            **{name: value for name, value in condition.items() if name in known},
        )
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"):
            raise
        if is_there():  # put by another run from the same source, or by this one's first attempt
            return False
        raise Overtaken(
            f"expected {target} as this run found it ({'ETag ' + former if former else 'no object'}), found that "
            f"another run has replaced it since: run the job again if the other one did not use the newest raw objects"
        ) from error
    return True


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
    """Refine the quotes at `args.source` into `args.target`; returns what was read."""
    began = time.monotonic()
    spark, s3, args, _ = run
    former = (head(s3, args.target) or {}).get("ETag")
    source = RawObject.find(s3, args.source)
    if source is None:
        raise MissingSource(f"expected a raw partition, found no object at {args.source}: write it first")
    raw = read_raw(spark, str(args.source), RAW_COLUMNS)
    rows = check_raw(raw, args.trade_date, str(args.source))
    folder = run.folder.below("quotes/")
    stage(refine_quotes(raw, F.lit(args.previous_session)), folder, KEY_COLUMNS)  # a key, as check_raw found
    content = fetch_staged(s3, folder, rows)[""].content
    source.check_unchanged(s3)
    metadata = {**source.metadata, "rows": str(rows), "raw-etag": source.etag.strip('"')}
    changed = commit(s3, content, args.target, metadata, former)
    verdict = "committed" if changed else "unchanged"
    print(f"{verdict} {args.target}: {rows} rows from {args.source}, {time.monotonic() - began:.1f} s", flush=True)
    return source, raw


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
    folder = run.folder.below("index_stocks/")
    stage(refine_index_stocks(portfolio, raw, *dates, generation), folder, ("ticker", "index_code"), ("ticker",))
    staged = fetch_staged(s3, folder, rows)
    for read in (quotes, source):
        read.check_unchanged(s3)
    wanted = {args.index_target.below(f"{name}/index_stocks.parquet"): file for name, file in staged.items()}

    def commit_one(target: S3Path) -> bool:
        content, rows_of_ticker = wanted[target]
        metadata = {**source.metadata, "rows": str(rows_of_ticker), "generation": generation}
        return commit(s3, content, target, metadata, former.get(target.key))

    changed = sum(in_parallel(commit_one, wanted))
    unwanted = former.keys() - {target.key for target in wanted}
    delete(s3, args.index_target.bucket, sorted(unwanted))
    print(
        f"{'committed' if changed or unwanted else 'unchanged'} {args.index_target}: {rows} rows in {len(wanted)} "
        f"objects from {args.portfolio}, {changed} put, {len(unwanted)} deleted, {time.monotonic() - began:.1f} s",
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
    """Refine the quotes of a trade date, then the constituents of its indexes if `args.portfolio` is given."""
    with staging_folder(s3, args.staging.below(f"{args.JOB_RUN_ID}/")) as folder:
        run = Run(spark, s3, args, folder)
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

    parser = argparse.ArgumentParser(description="Refine one trade date", allow_abbrev=False)
    for name in ("--source", "--target", "--staging"):
        parser.add_argument(name, type=S3Path.parse, required=True)
    for name in ("--trade_date", "--previous_session"):
        parser.add_argument(name, type=session, required=True)
    for name in INDEX_ARGUMENTS:
        parser.add_argument(f"--{name}", type=session if name == "last_rebalance" else S3Path.parse)
    parser.add_argument("--JOB_RUN_ID", default=uuid.uuid4().hex)
    args, _ = parser.parse_known_args(argv)
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
        SparkSession.builder.appName(f"refine {args.trade_date}")
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
