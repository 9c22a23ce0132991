"""From raw_bitcoin/ to refined_bitcoin/: the minutes of a day and market as one object.

A few kilobytes an hour need no Spark: a run of a Glue job is billed as a minute at least, and starts for longer than
this takes.
"""

from __future__ import annotations

import datetime as dt
import io
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from b3.bitcoin import candles, hours
from b3.errors import BadLayout, NotPublished
from b3.lake import layout, parquet
from b3.lake.commit import head, keys_below, put_if_changed, until_committed
from b3.lake.layout import Lake


@dataclass(frozen=True)
class RefinedDay:
    """The refined object of a day and market.

    Attributes:
        uri: of the object.
        rows: its minutes.
        missing: the minutes that it lacks up to the last hour that raw_bitcoin/ has, as `13:07`; a market that has
            nothing of the day before begins at its first hour.
    """

    uri: str
    rows: int
    missing: list[str]


def write_day(s3: Any, lake: Lake, symbol: str, trade_date: dt.date) -> RefinedDay:
    """Write the refined object of a day from all raw objects of that day, in order of the minutes.

    Runs for several hours of a day may do so at once. The PUT is on the condition that nobody replaced the object since
    the raw objects were listed. A run that is overtaken reads them again, so that no hour is lost.

    Raises:
        NotPublished: the day has no raw object.
        BadLayout: a minute stands twice, or lies on another day.
    """
    key = layout.btc_minutes_key(trade_date, symbol)

    def write() -> RefinedDay:
        # Before the listing: what is put after it must fail the condition.
        former = head(s3, lake, key)
        table, sources, begins = _day(s3, lake, symbol, trade_date)
        day_before = layout.raw_btc_minutes_prefix(trade_date - dt.timedelta(days=1), symbol)
        begun = begins[0] if not keys_below(s3, lake, day_before) else hours.of_day(trade_date)[0]
        metadata = {"source": "+".join(sorted(sources)), "rows": str(table.num_rows)}
        put_if_changed(s3, lake, key, parquet.encode(table), metadata, former)
        return RefinedDay(lake.uri(key), table.num_rows, _missing(table, begun, begins[-1]))

    return until_committed(write, lake.uri(key))


def _day(s3: Any, lake: Lake, symbol: str, trade_date: dt.date) -> tuple[pa.Table, set[str], list[dt.datetime]]:
    """Return the minutes of a day, the sources of its raw objects, and the hours of these objects."""
    prefix = layout.raw_btc_minutes_prefix(trade_date, symbol)
    present = set(keys_below(s3, lake, prefix))
    tables, sources, begins = [], set(), []
    for begin in hours.of_day(trade_date):
        key = layout.raw_btc_minutes_key(trade_date, symbol, begin.hour)
        if key in present:
            answer = s3.get_object(Bucket=lake.bucket, Key=key)
            tables.append(pq.read_table(io.BytesIO(answer["Body"].read()), schema=candles.SCHEMA))
            sources.add(answer["Metadata"]["source"])
            begins.append(begin)
    if not tables:
        raise NotPublished(
            source=lake.uri(prefix),
            expected=f"raw minutes of {symbol} on {trade_date}",
            found="none",
            hint="Run upload for an hour of that day first.",
        )
    table = pa.concat_tables(tables)
    _check(table, symbol, trade_date, lake.uri(prefix))
    return table, sources, begins


def _check(table: pa.Table, symbol: str, trade_date: dt.date, source: str) -> None:
    minutes = table["minute"].to_pylist()
    if any(later <= former for former, later in pairwise(minutes)):
        found = "a minute that repeats or goes back"
    elif any(minute.date() != trade_date for minute in minutes):
        found = "a minute of another day"
    else:
        return
    raise BadLayout(
        source=source,
        expected=f"each minute of {symbol} on {trade_date} once, in order",
        found=found,
        hint="An object there was put by hand: delete it, and run upload for its hour.",
    )


def _missing(table: pa.Table, first: dt.datetime, last: dt.datetime) -> list[str]:
    """Return the minutes from the hour `first` to the hour `last` that a table lacks, as `13:07`."""
    present = set(table["minute"].to_pylist())
    begins = [begin for begin in hours.of_day(first.date()) if first <= begin <= last]
    return [f"{minute:%H:%M}" for begin in begins for minute in hours.minutes_of(begin) if minute not in present]
