"""Refine the quotes of one trade date: a raw partition in, a refined partition out.

An AWS Glue 5.1 job (Spark 3.5, Python 3.11) that runs wherever Spark reads `s3://`. It needs no Glue library.

    --source            s3://B/raw/quotes/trade_date=D/quotes.parquet      read
    --target            s3://B/refined/quotes/trade_date=D/quotes.parquet  replaced
    --staging           s3://B/staging/refine/trade_date=D/                prefix that this job writes below
    --trade_date        D, YYYY-MM-DD: the session that every row must be of
    --previous_session  YYYY-MM-DD: the session before it
    --JOB_RUN_ID        given by Glue: names the run's own folder below --staging (default: a random one)

Other arguments are left alone, because Glue passes its own.

A partition with a row that breaks QUALITY_RULES is refused before readers see it: what was refined before stays.

Every raw column and row is kept; `refine_quotes` adds what each analyst would otherwise compute anew:

    unit_open … unit_best_ask  price of one unit: price / quote_factor, exact
    asset_class                what the row is a quote of; ASSET_CLASS_RULES says how that is known
    days_to_expiry             calendar days from trade date to expiry, null without one
    previous_session           the session before the trade date
    change_pct                 (close - open) / open × 100, rounded half up. It is the
                               change within this session: the file does not carry the close of the one before.

Commit. A reader must see the old partition or the new one, never half of one, and Spark by itself promises that
only of a folder that nobody reads yet. So Spark writes its file below the staging prefix, its rows are counted
there, and then one PutObject puts it at the target's fixed key: S3 makes that visible at once or not at all.
Killed before it, the run has changed nothing; killed after it, nothing is left to do. What a run staged is
deleted when it ends; if it is killed, that stays until the bucket's lifecycle rule for staging/ expires it.

Rerun. Rows are written by one task in a total order, and the one part of the file that Parquet's writer leaves
to chance is put in order (`ThriftFooter`), so the same raw bytes give the same refined bytes. Where the target
holds them already it is left alone, and a versioned bucket gains no version.

The target carries the metadata of the raw object (`source`, `source-sha256`, …) and three entries of its own:
`rows`, `raw-etag` (of the raw object it was made from) and `content-sha256` (of its own bytes).

The last line of a failure on stderr is `<Error>: expected …, found …`, and says where and what to do.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import hashlib
import time
import uuid
from collections.abc import Iterator, Sequence
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

# A day is 4 to 12 thousand rows. Row groups of about 2,000, sorted by ticker, let whoever wants one ticker skip the
# rest; measured on 7,808 rows, halving them again adds more to the footer than a query of a few columns saves.
ROW_GROUP_BYTES = 512 * 1024


class RefineError(Exception):
    """The partition cannot be refined; the target is as it was."""


class MissingSource(RefineError):
    """The raw object does not exist."""


class ChangedSource(RefineError):
    """The raw object was replaced while it was being read."""


class SchemaMismatch(RefineError):
    """The raw file does not have the columns and types of RAW_COLUMNS."""


class EmptySource(RefineError):
    """The raw file has no rows."""


class WrongTradeDate(RefineError):
    """The raw file has rows of another session."""


class BadQuotes(RefineError):
    """The raw file has rows that break a rule of QUALITY_RULES, or repeat a key."""


class BadQuoteFactor(RefineError):
    """A quote factor does not divide prices exactly."""


class RowsLost(RefineError):
    """The written file does not hold the rows that were read."""


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


def read_raw(spark: SparkSession, source: str) -> DataFrame:
    """The raw partition at `source`, in one Spark partition: one file in, one file out, nothing to shuffle.

    Raises:
        SchemaMismatch: a column is missing, unexpected or of another type.
    """
    raw = spark.read.parquet(source).coalesce(1)
    found = {field.name: field.dataType.simpleString() for field in raw.schema.fields}
    differences = [
        f"expected {name} {RAW_COLUMNS.get(name, 'not to exist')}, found {found.get(name, 'no such column')}"
        for name in (*RAW_COLUMNS, *(name for name in found if name not in RAW_COLUMNS))
        if RAW_COLUMNS.get(name) != found.get(name)
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


def keys_below(s3: Any, prefix: S3Path) -> list[str]:
    """Keys that start with `prefix`."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=prefix.bucket, Prefix=prefix.key)
    return [entry["Key"] for page in pages for entry in page.get("Contents", [])]


def remove(s3: Any, prefix: S3Path) -> None:
    """Delete every object below `prefix`."""
    for key in keys_below(s3, prefix):
        s3.delete_object(Bucket=prefix.bucket, Key=key)


@contextlib.contextmanager
def staging_folder(s3: Any, folder: S3Path) -> Iterator[S3Path]:
    """`folder`, empty at first and empty again afterwards, whatever happened in between."""
    remove(s3, folder)
    try:
        yield folder
    except BaseException:
        with contextlib.suppress(BotoCoreError, ClientError):  # what led here is the failure to report
            remove(s3, folder)
        raise
    remove(s3, folder)


def stage(refined: DataFrame, folder: S3Path) -> None:
    """Write `refined` to `folder` as one Parquet file, sorted by the key, which check_raw found to be one."""
    (
        refined.coalesce(1)
        .sortWithinPartitions(*KEY_COLUMNS)  # nulls first
        .write.option("compression", "zstd")
        .option("parquet.block.size", ROW_GROUP_BYTES)
        .mode("overwrite")
        .parquet(str(folder))
    )


def fetch_staged(s3: Any, folder: S3Path) -> bytearray:
    """The one file staged in `folder`: a day's is less than 1 MB."""
    files = [key for key in keys_below(s3, folder) if key.endswith(".parquet")]
    if len(files) != 1:
        raise RowsLost(f"expected one staged file, found {len(files)} in {folder}: run the job again")
    return bytearray(s3.get_object(Bucket=folder.bucket, Key=files[0])["Body"].read())


def commit(s3: Any, content: bytes, target: S3Path, metadata: dict[str, str]) -> bool:
    """Put `content` at `target` in one request; False where it is there already, with the same metadata."""
    metadata = {**metadata, "content-sha256": hashlib.sha256(content).hexdigest()}
    present = head(s3, target)
    if present and present["Metadata"] == metadata:
        return False
    s3.put_object(
        Bucket=target.bucket,
        Key=target.key,
        Body=content,
        Metadata=metadata,
        ContentType="application/vnd.apache.parquet",
    )
    return True


class ThriftFooter:
    """Just enough of Thrift's compact protocol to walk through the footer of a Parquet file, in place.

    Parquet's Java writer notes the encodings of a column chunk in the order of a hash set, which differs from one
    JVM to the next; no other byte does. https://github.com/apache/parquet-format describes the format.
    """

    # FileMetaData.row_groups, RowGroup.columns, ColumnChunk.meta_data, ColumnMetaData.encodings
    ENCODINGS = (4, 1, 3, 2)
    BOOLEANS, BYTE, INTEGERS, DOUBLE, BINARY, LISTS, STRUCT = (1, 2), 3, (4, 5, 6), 7, 8, (9, 10), 12

    def __init__(self, parquet: bytearray) -> None:
        """Stand at the beginning of the footer of `parquet`, whose length lies before the closing magic."""
        self.data = parquet
        self.at = len(parquet) - 8 - int.from_bytes(parquet[-8:-4], "little")

    def sort_encodings(self) -> None:
        """Sort the encodings of every column chunk; each is one byte, so nothing moves."""
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
            self._varint()
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


def refine(spark: SparkSession, s3: Any, args: argparse.Namespace) -> None:
    """Refine the partition at `args.source` into `args.target`."""
    began = time.monotonic()
    raw_object = head(s3, args.source)
    if raw_object is None:
        raise MissingSource(f"expected a raw partition, found no object at {args.source}: write it first")
    raw = read_raw(spark, str(args.source))
    rows = check_raw(raw, args.trade_date, str(args.source))
    refined = refine_quotes(raw, F.lit(args.previous_session))
    run_folder = S3Path(args.staging.bucket, f"{args.staging.key.rstrip('/')}/{args.JOB_RUN_ID}/")
    with staging_folder(s3, run_folder) as folder:
        stage(refined, folder)
        written = spark.read.schema(refined.schema).parquet(str(folder)).count()  # from the file's footer
        if written != rows:
            raise RowsLost(f"expected {rows} rows, found {written} in {folder}: run the job again")
        if (head(s3, args.source) or {}).get("ETag") != raw_object["ETag"]:
            raise ChangedSource(f"expected one version, found a new one of {args.source}: run the job again")
        metadata = {**raw_object["Metadata"], "rows": str(rows), "raw-etag": raw_object["ETag"].strip('"')}
        content = fetch_staged(s3, folder)
        ThriftFooter(content).sort_encodings()
        changed = commit(s3, bytes(content), args.target, metadata)
    verdict = "committed" if changed else "unchanged"
    print(f"{verdict} {args.target}: {rows} rows from {args.source}, {time.monotonic() - began:.1f} s")


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The arguments of the module docstring; unknown ones are Glue's."""

    def session(text: str) -> dt.date:
        try:
            return dt.date.fromisoformat(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"expected YYYY-MM-DD, found {text}") from None

    parser = argparse.ArgumentParser(description="Refine the quotes of one trade date", allow_abbrev=False)
    for name in ("--source", "--target", "--staging"):
        parser.add_argument(name, type=S3Path.parse, required=True)
    for name in ("--trade_date", "--previous_session"):
        parser.add_argument(name, type=session, required=True)
    parser.add_argument("--JOB_RUN_ID", default=uuid.uuid4().hex)
    args, _ = parser.parse_known_args(argv)
    if args.previous_session >= args.trade_date:
        parser.error(f"expected --previous_session before {args.trade_date}, found {args.previous_session}")
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
        SparkSession.builder.appName(f"refine quotes {args.trade_date}")
        .config("spark.sql.ansi.enabled", "true")  # a number too large is an error, not a null
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs", "false")
        .getOrCreate()
    )
    try:
        refine(spark, s3, args)
    except (PySparkException, Py4JError) as error:
        raise SparkFailed(
            f"expected Spark to refine {args.source}, found {cause_of(error)}: the log has the rest"
        ) from error
    finally:
        spark.stop()


if __name__ == "__main__":
    main()
