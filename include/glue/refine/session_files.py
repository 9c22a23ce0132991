"""The two files of a session, made in the task that has its rows."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import itertools
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.rdd import PythonEvalType
from pyspark.sql import DataFrame
from pyspark.sql.udf import UserDefinedFunction

from refine.asset_classes import classes_of_session
from refine.findings import FINDINGS_SCHEMA, correction_of, finding_counts, findings_of, rows_of_key
from refine.parquet import quotes_file, small_file, spark_type
from refine.quotes import QUOTE_COLUMNS
from refine.raw import RawObject
from refine.rules import KEY_COLUMNS

# What make_files tells of a session, and its files.
SESSION_FILES = pa.schema(
    [
        ("trade_date", pa.date32()),
        ("rows", pa.int32()),
        ("stray_rows", pa.int32()),
        ("stray_dates", pa.string()),
        ("findings", pa.int32()),
        ("finding_rows", pa.int32()),
        ("sha256", pa.string()),
        ("quotes_file", pa.binary()),
        ("findings_file", pa.binary()),
    ]
)


def make_files(
    refined: DataFrame, sources: Mapping[dt.date, RawObject], previous: Mapping[dt.date, dt.date]
) -> DataFrame:
    """Return a row of SESSION_FILES for each session.

    Args:
        refined: what refine_quotes gave; a session's rows are contiguous in one Spark partition.
        sources: the raw object of each session.
        previous: the session before each.
    """
    corrections = {date: correction_of(source.metadata) for date, source in sources.items()}

    def make(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for date, quotes in split_sessions(batches):
            yield session_files(date, quotes, previous[date], corrections[date])

    schema = ", ".join(f"{field.name} {spark_type(field.type)}" for field in SESSION_FILES)
    return map_in_arrow(refined, make, schema)


def split_sessions(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[dt.date, pa.Table]]:
    """Yield each trade date with its rows, which are contiguous in `batches`."""
    pieces = itertools.chain.from_iterable(map(runs_of_a_date, batches))
    for date, group in itertools.groupby(pieces, key=operator.itemgetter(0)):
        yield date, pa.Table.from_batches([piece for _, piece in group]).combine_chunks()


def runs_of_a_date(batch: pa.RecordBatch) -> Iterator[tuple[dt.date, pa.RecordBatch]]:
    """Yield the rows of `batch` in their order, cut where the trade date changes."""
    runs = pc.run_end_encode(batch["trade_date"])
    begin = 0
    for date, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
        yield date, batch.slice(begin, end - begin)
        begin = end


def session_files(
    trade_date: dt.date, quotes: pa.Table, previous_session: dt.date, correction: list[dict[str, str]]
) -> pa.RecordBatch:
    """Return the row of SESSION_FILES of a session.

    Args:
        trade_date: the session.
        quotes: what refine_quotes made of its rows, in any order.
        previous_session: the session before it.
        correction: the finding that tells of a correction, none or one.
    """
    order = [(name, "ascending") for name in (*KEY_COLUMNS, "file_line")]
    quotes = quotes.take(pc.sort_indices(quotes, order, null_placement="at_start"))
    quotes = quotes.append_column("asset_class", classes_of_session(quotes))
    quotes = quotes.append_column("previous_session", pa.repeat(pa.scalar(previous_session), len(quotes)))
    quotes = quotes.append_column("key_rows", rows_of_key(quotes))
    quotes = quotes.append_column("finding_count", finding_counts(quotes))
    stray = quotes.filter(pc.fill_null(pc.not_equal(quotes["source_date"], pa.scalar(trade_date)), True))
    stray_dates = sorted(str(date or "none") for date in stray["source_date"].unique().to_pylist())
    findings = findings_of(quotes)
    content = quotes_file(quotes.select(QUOTE_COLUMNS))
    told = small_file(pa.Table.from_pylist([*correction, *findings], FINDINGS_SCHEMA))
    row = {
        "trade_date": trade_date,
        "rows": pq.read_metadata(io.BytesIO(content)).num_rows,
        "stray_rows": len(stray),
        "stray_dates": ", ".join(stray_dates),
        "findings": len(findings),
        "finding_rows": len(correction) + len(findings),
        "sha256": hashlib.sha256(told + content).hexdigest(),
        "quotes_file": content,
        "findings_file": told,
    }
    return pa.RecordBatch.from_pylist([row], SESSION_FILES)


def map_in_arrow(
    frame: DataFrame, function: Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]], schema: str
) -> DataFrame:
    """Return what `function` makes of each Spark partition, as DataFrame.mapInArrow does.

    Spark 3.5 refuses mapInArrow without pandas, although only mapInPandas needs that.
    """
    mapped = UserDefinedFunction(function, schema, evalType=PythonEvalType.SQL_MAP_ARROW_ITER_UDF)(*frame.columns)
    return DataFrame(frame._jdf.pythonMapInArrow(mapped._jc.expr(), False), frame.sparkSession)
