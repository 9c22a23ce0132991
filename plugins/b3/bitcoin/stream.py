"""The stream of infra/stream.yaml: its records, and how they differ from the candles of btc_minutes.

The stream is at least once: a minute comes as often as it was polled. Who reads it takes each once, the one that was
polled last. Firehose puts an object below the hour in which its first record came.
"""

from __future__ import annotations

import datetime as dt
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import pyarrow.parquet as pq

from b3.bitcoin.hours import trade_date
from b3.errors import BadLayout
from b3.lake import layout
from b3.lake.commit import head, keys_below
from b3.lake.layout import Lake

# What a record and a candle both have.
AMOUNTS = ("open", "high", "low", "close", "volume")
_HOUR = dt.timedelta(hours=1)
# Objects with an hour's minutes lie below three hours, counted from it. An object that was begun in the hour before
# takes the first minutes of this one, and the last minutes come in the next hour.
_CAME = (-1, 0, 1)
# A symbol, and the beginning of its minute in UTC, without a time zone as in btc_minutes.
Minute = tuple[str, dt.datetime]
Amounts = tuple[Decimal, ...]


@dataclass(frozen=True)
class Comparison:
    """The minutes of the stream against those of btc_minutes.

    Attributes:
        equal: how many minutes both have, with equal amounts.
        lacking: minutes that only btc_minutes has, in order.
        beyond: minutes that only the stream has, in order.
        differing: a text for each minute whose amounts differ, in order.
    """

    equal: int
    lacking: list[Minute]
    beyond: list[Minute]
    differing: list[str]


def is_there(s3: Any, lake: Lake) -> bool:
    """Return whether the lake has a stream: any object of it."""
    answer = s3.list_objects_v2(Bucket=lake.bucket, Prefix=layout.BITCOIN_STREAM_PREFIX, MaxKeys=1)
    return bool(answer.get("KeyCount"))


def read(s3: Any, lake: Lake, hours: Iterable[dt.datetime]) -> dict[Minute, Amounts]:
    """Return the stream's minutes of some hours, each once: the amounts that were polled last.

    Args:
        s3: a boto3 S3 client.
        lake: the lake.
        hours: beginnings of hours, with their zone.

    Raises:
        BadLayout: an object holds something other than the poller's records.
    """
    wanted = {hour.astimezone(dt.UTC).replace(tzinfo=None) for hour in hours}
    came = {hour + number * _HOUR for hour in wanted for number in _CAME}
    keys = [
        key
        for hour in sorted(came)
        for key in keys_below(s3, lake, layout.bitcoin_stream_prefix(hour.replace(tzinfo=dt.UTC)))
    ]
    latest: dict[Minute, tuple[str, Amounts]] = {}
    for key in keys:
        body = s3.get_object(Bucket=lake.bucket, Key=key)["Body"].read()
        for minute, polled_at, amounts in _records(body, lake.uri(key)):
            of_hour = minute[1].replace(minute=0) in wanted
            if of_hour and (minute not in latest or polled_at >= latest[minute][0]):
                latest[minute] = polled_at, amounts
    return {minute: amounts for minute, (_, amounts) in latest.items()}


def compare_hours(s3: Any, lake: Lake, symbols: Iterable[str], hours: Iterable[dt.datetime]) -> Comparison:
    """Compare the stream's minutes of some hours with those of btc_minutes.

    Args:
        s3: a boto3 S3 client.
        lake: the lake.
        symbols: the markets of btc_minutes.
        hours: beginnings of hours, with their zone.

    Raises:
        BadLayout: an object of the stream holds something other than the poller's records.
    """
    asked, markets = list(hours), list(symbols)
    candles: dict[Minute, Amounts] = {}
    for symbol in markets:
        for date in sorted({trade_date(hour) for hour in asked}):
            key = layout.btc_minutes_key(date, symbol)
            if head(s3, lake, key) is not None:
                body = s3.get_object(Bucket=lake.bucket, Key=key)["Body"].read()
                candles |= candles_of(pq.read_table(io.BytesIO(body)).to_pylist(), symbol, asked)
    streamed = {minute: amounts for minute, amounts in read(s3, lake, asked).items() if minute[0] in markets}
    return compare(streamed, candles)


def compare(streamed: Mapping[Minute, Amounts], candles: Mapping[Minute, Amounts]) -> Comparison:
    """Compare the stream's minutes with candles of the same hours."""
    both = sorted(streamed.keys() & candles.keys())
    differing = [
        f"{_text(minute)}: expected {_amounts(candles[minute])}, found {_amounts(streamed[minute])}"
        for minute in both
        if candles[minute] != streamed[minute]
    ]
    return Comparison(
        equal=len(both) - len(differing),
        lacking=sorted(candles.keys() - streamed.keys()),
        beyond=sorted(streamed.keys() - candles.keys()),
        differing=differing,
    )


def candles_of(rows: Iterable[Mapping[str, Any]], symbol: str, hours: Iterable[dt.datetime]) -> dict[Minute, Amounts]:
    """Return rows of btc_minutes of one symbol as `compare` takes them, those of some hours alone."""
    wanted = {hour.astimezone(dt.UTC).replace(tzinfo=None) for hour in hours}
    return {
        (symbol, row["minute"]): tuple(row[name] for name in AMOUNTS)
        for row in rows
        if row["minute"].replace(minute=0) in wanted
    }


def _records(body: bytes, source: str) -> Iterator[tuple[Minute, str, Amounts]]:
    for line in body.splitlines():
        try:
            record = json.loads(line)
            minute = dt.datetime.fromisoformat(record["minute"]).astimezone(dt.UTC).replace(tzinfo=None)
            amounts = tuple(_decimal(record[name]) for name in AMOUNTS)
            yield (str(record["symbol"]), minute), str(record["polled_at"]), amounts
        except (ValueError, TypeError, KeyError, AttributeError, InvalidOperation) as error:
            raise BadLayout(
                source=source,
                expected="records of the poller, a JSON object a line, amounts as text",
                found=line[:200].decode(errors="replace"),
                hint="Compare with the object's copy in backup/, and see infra/lambdas/poll.py.",
            ) from error


def _decimal(text: Any) -> Decimal:
    # A JSON number has been a float on its way.
    if not isinstance(text, str):
        raise TypeError
    return Decimal(text)


def _text(minute: Minute) -> str:
    return f"{minute[0]} {minute[1]:%Y-%m-%dT%H:%M}"


def _amounts(amounts: Amounts) -> str:
    return " ".join(f"{name} {value:f}" for name, value in zip(AMOUNTS, amounts, strict=True))
