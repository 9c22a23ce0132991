"""From landing/bitcoin/ to raw_bitcoin/: the minutes of an hour as typed Parquet, one object per hour and market."""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from b3.bitcoin import candles, hours
from b3.bitcoin.land import Hour
from b3.errors import NotPublished
from b3.lake import layout, parquet
from b3.lake.commit import head, heads, keys_below, put_if_changed, until_committed
from b3.lake.landed import FETCHED_AT, landed_file, read_landed, with_fetch_time
from b3.lake.layout import Lake

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RawHour:
    """The raw object of an hour: URI, and number of minutes."""

    uri: str
    rows: int


def write_hour(s3: Any, lake: Lake, hour: Hour) -> RawHour:
    """Write the raw object of an hour from all its answers in landing/bitcoin/.

    A minute that several answers have is that of the answer fetched last. One PUT is the commit, see `b3.lake.commit`.

    Raises:
        NotPublished: landing/ has no answer for that hour.
        SourceError: or a subclass: a landed file is damaged.
    """
    key = layout.raw_btc_minutes_key(hour.trade_date, hour.symbol, hour.begin.hour)

    def write() -> RawHour:
        former = head(s3, lake, key)
        table, metadata = _merged(s3, lake, hour)
        put_if_changed(s3, lake, key, parquet.encode(table), metadata, former)
        return RawHour(lake.uri(key), table.num_rows)

    return until_committed(write, lake.uri(key))


def hours_with_gaps(s3: Any, lake: Lake, symbol: str, until: dt.datetime) -> list[Hour]:
    """Return the hours of the last day that lack minutes, in order.

    The first hour that raw_bitcoin/ has of that time is where the lake begins: hours before it were never asked for.
    From there on, an hour that lacks minutes, or is missing whole since its run failed, is returned.

    Args:
        s3: a boto3 S3 client.
        lake: the lake.
        symbol: the market.
        until: the hour after the last one to look at.
    """
    first = until - hours.ASKED_AGAIN
    looked_at = [Hour(symbol, first + number * hours.HOUR) for number in range(hours.ASKED_AGAIN // hours.HOUR)]
    keys = {layout.raw_btc_minutes_key(each.trade_date, symbol, each.begin.hour): each for each in looked_at}
    dates = sorted({each.trade_date for each in looked_at})
    present = {key for date in dates for key in keys_below(s3, lake, layout.raw_btc_minutes_prefix(date, symbol))}
    rows = {key: int(answer["Metadata"]["rows"]) for key, answer in heads(s3, lake, present & keys.keys()).items()}
    begun = min((keys[key].begin for key in rows), default=until)
    return [each for key, each in keys.items() if each.begin >= begun and rows.get(key, 0) < hours.MINUTES]


def _merged(s3: Any, lake: Lake, hour: Hour) -> tuple[pa.Table, dict[str, str]]:
    """Return the minutes of all landed answers for an hour, and the metadata of their object."""
    prefix = layout.landing_bitcoin_prefix(hour.trade_date, hour.symbol, hour.begin.hour)
    found = heads(s3, lake, keys_below(s3, lake, prefix))
    metadata = {key: with_fetch_time(answer) for key, answer in found.items()}
    if not metadata:
        raise NotPublished(
            source=lake.uri(prefix),
            expected=f"an answer with the candles of {hour}",
            found="none",
            hint="Run scrape for that hour first.",
        )
    minutes: dict[dt.datetime, dict[str, Any]] = {}
    # The key decides between answers of one second.
    for key in sorted(metadata, key=lambda key: (metadata[key][FETCHED_AT], key)):
        landed = landed_file(lake, key, metadata[key])
        provider = key.removeprefix(prefix).partition(".")[0]
        table = candles.read_table(read_landed(s3, lake, landed), provider=provider, hour=hour.begin, source=landed.uri)
        for row in table.to_pylist():
            former = minutes.get(row["minute"])
            if former is not None and former != row:
                log.warning("%s of %s differs between answers: the last fetched wins", row["minute"], hour)
            minutes[row["minute"]] = row
    rows = [minutes[minute] for minute in sorted(minutes)]
    return pa.Table.from_pylist(rows, candles.SCHEMA), {**landed.metadata(), "rows": str(len(rows))}
