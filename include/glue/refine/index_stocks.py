"""Constituents of the indexes, with their quotes of the session: refined and committed."""

from __future__ import annotations

import hashlib
import itertools
import operator
import time
from collections.abc import Iterable

import pyarrow as pa
from pyspark.sql import Column, DataFrame, Row, Window
from pyspark.sql import functions as F  # noqa: N812 - Spark's own idiom

from refine.asset_classes import ROUND_LOT
from refine.commit import commit, overtaken
from refine.errors import MixedSources, RowsLost
from refine.parquet import small_file
from refine.portfolio import PORTFOLIO_COLUMNS, check_portfolio
from refine.raw import RAW_COLUMNS, RawObject, check_unchanged, read_raw
from refine.run import Run
from refine.s3 import S3Path, delete, etags_below, in_parallel

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

# The markets that a share trades on, and what B3 appends to its ticker there: round lot, odd lot, auction.
TICKER_SUFFIXES = {ROUND_LOT: "", "020": "F", "017": "L"}


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
    raw = read_raw(spark, [quotes.path], RAW_COLUMNS).coalesce(1)
    portfolio = read_raw(spark, [source.path], PORTFOLIO_COLUMNS).filter("endpoint = 'portfolio_day'").coalesce(1)
    rows = check_portfolio(portfolio, trade_date, str(source.path))
    generation = hashlib.sha256(f"{quotes.etag} {source.etag}".encode()).hexdigest()[:16]
    dates = F.lit(previous_session), F.lit(args.last_rebalance)
    refined = refine_index_stocks(portfolio, raw, *dates, generation).sort("ticker", "index_code").collect()
    if len(refined) != rows:
        raise RowsLost(f"expected {rows} rows, found {len(refined)} joined with {quotes.path}: run the job again")
    by_ticker = {ticker: list(of) for ticker, of in itertools.groupby(refined, key=operator.attrgetter("ticker"))}
    for read in (quotes, source):
        check_unchanged(s3, [read])
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


def traded_securities(raw: DataFrame) -> DataFrame:
    """Return what each security traded on a session, over the markets of TICKER_SUFFIXES.

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
    """Return the constituents of `portfolio` with their quotes of the session, in the order of the catalog, and ticker.

    A constituent that did not trade has no prices and sums, and a market_count of 0.

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


def index_stocks_file(rows: Iterable[Row]) -> bytes:
    """Return the Parquet file of a ticker's constituents, by INDEX_STOCKS_SCHEMA."""
    return small_file(pa.Table.from_pylist([row.asDict() for row in rows], INDEX_STOCKS_SCHEMA))
