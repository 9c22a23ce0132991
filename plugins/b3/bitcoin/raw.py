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
    """Return the hours before `until` that are to be asked for again, in order.

    They are those of the last `hours.MINUTES_ASKED_AGAIN` that lack minutes, and those of the last
    `hours.HOURS_ASKED_AGAIN` that are missing whole: their runs failed, or there was none. A lake that is younger
    begins at its first hour.

    Args:
        s3: a boto3 S3 client.
        lake: the lake.
        symbol: the market.
        until: the hour after the last one to look at.
    """
    count = hours.HOURS_ASKED_AGAIN // hours.HOUR
    looked_at = [Hour(symbol, until - number * hours.HOUR) for number in range(count, 0, -1)]
    keys = {layout.raw_btc_minutes_key(each.trade_date, symbol, each.begin.hour): each for each in looked_at}
    dates = sorted({each.trade_date for each in looked_at})
    present = {key for date in dates for key in keys_below(s3, lake, layout.raw_btc_minutes_prefix(date, symbol))}
    recent = {key for key in present & keys.keys() if keys[key].begin >= until - hours.MINUTES_ASKED_AGAIN}
    short = {key for key, answer in heads(s3, lake, recent).items() if int(answer["Metadata"]["rows"]) < hours.MINUTES}
    if not _begun_before(s3, lake, dates[0]):
        begun = min((each.begin for key, each in keys.items() if key in present), default=until)
        keys = {key: each for key, each in keys.items() if each.begin >= begun}
    return [each for key, each in keys.items() if key not in present or key in short]


def _begun_before(s3: Any, lake: Lake, date: dt.date) -> bool:
    """Return whether the lake has minutes of a trade date before `date`, of any market."""
    first = s3.list_objects_v2(Bucket=lake.bucket, Prefix=layout.RAW_BTC_MINUTES_PREFIX, MaxKeys=1).get("Contents", [])
    return bool(first) and first[0]["Key"] < layout.raw_btc_minutes_prefix(date, "")


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
