"""Put the last closed minutes of each symbol into the stream, one record for each minute and symbol.

Each poll asks for some minutes more than the last one, so that the next poll makes good a failed one. A minute thus
comes several times: a reader takes each once, see b3.bitcoin.stream. Prices and volumes stay the provider's text.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from infra.lambdas import messages
from infra.lambdas.messages import Event

_MINUTE = 60_000
_TIMEOUT_SECONDS = 8
_MOST_BYTES = 1 << 20
_DECIMAL = re.compile(r"\d{1,20}(\.\d{1,18})?")
# Positions in a candle of the provider, by the name in a record.
_FIELDS = {"open": 1, "high": 2, "low": 3, "close": 4, "volume": 5, "quote_volume": 7}
_OPEN_TIME, _CLOSE_TIME, _TRADES = 0, 6, 8
PROVIDER = "binance"
# How often records that Firehose did not take are put again, and the first pause before that.
_PUTS = 4
_PAUSE_SECONDS = 0.2
# The most records that Firehose takes in one call.
_LOT = 500
# Too many requests (429), a block for going on (418), and a region that is not served: of every symbol alike.
_REFUSALS = (418, 429, 451)


class BadAnswer(Exception):
    """The provider's answer holds no candles."""


class NotPolled(Exception):
    """Some symbols could not be asked for, or some records not put. The others are in the stream."""


def handler(event: Event, context: object) -> dict[str, int]:
    """Put the minutes before the event's time into the stream, and return how many records; Lambda calls this.

    Raises:
        NotPolled: a symbol or a record is missing. So the function counts as failed.
    """
    now = dt.datetime.fromisoformat(event["time"])
    records, missing = [], []
    symbols = os.environ["B3_BTC_SYMBOLS"].split(",")
    for number, symbol in enumerate(symbols, 1):
        try:
            records += list(closed(ask(symbol, now), symbol, now))
        except Exception as error:
            missing.append(f"{symbol}: {type(error).__name__}: {error}")
            if isinstance(error, urllib.error.HTTPError) and error.code in _REFUSALS:
                missing += [f"{unasked}: not asked after that" for unasked in symbols[number:]]
                break
    missing += put(records)
    messages.log(f"{len(records)} records until {now.isoformat()}")
    if missing:
        raise NotPolled(f"expected the minutes of every symbol, found {'; '.join(missing)}")
    return {"records": len(records)}


def ask(symbol: str, now: dt.datetime) -> list[Any]:
    """Return the provider's candles of the minutes before `now`; the last may not be closed.

    Raises:
        BadAnswer: the answer is no list.
        HTTPError: the provider refuses: 429 and 418 for too many requests, 451 for the region.
    """
    first = int(now.timestamp()) // 60 * _MINUTE - int(os.environ["MINUTES"]) * _MINUTE
    query = {"symbol": symbol, "interval": "1m", "startTime": first, "endTime": _milliseconds(now), "limit": 1000}
    url = f"{os.environ['KLINES_URL']}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as answer:
        found = json.loads(answer.read(_MOST_BYTES))
    if not isinstance(found, list):
        raise BadAnswer(f"expected a list of candles from {url}, found {str(found)[:200]}")
    return found


def closed(candles: Iterable[Any], symbol: str, now: dt.datetime) -> Iterator[dict[str, str]]:
    """Yield the records of the candles that were closed at `now`.

    Raises:
        BadAnswer: a candle does not have the provider's form, or its prices are no text.
    """
    for candle in candles:
        try:
            opened, ended = int(candle[_OPEN_TIME]), int(candle[_CLOSE_TIME])
            values = {name: candle[position] for name, position in _FIELDS.items()}
            trades = str(int(candle[_TRADES]))
            whole = opened % _MINUTE == 0 and ended == opened + _MINUTE - 1
            if not whole or not all(_DECIMAL.fullmatch(value) for value in values.values()):
                raise ValueError
        except (ValueError, TypeError, IndexError, KeyError):
            raise BadAnswer(
                f"expected a candle of one minute, prices as text, of {symbol}, found {str(candle)[:200]}"
            ) from None
        if ended < _milliseconds(now):
            told = {"trades": trades, "provider": PROVIDER, "polled_at": _text(_milliseconds(now))}
            yield {"symbol": symbol, "minute": _text(opened), **values, **told}


def put(records: list[dict[str, str]]) -> list[str]:
    """Put records into the stream, again where Firehose did not take them.

    Return a sentence for each lot of which records were never taken.
    """
    entries = [{"Data": (json.dumps(record, separators=(",", ":")) + "\n").encode()} for record in records]
    missing = []
    for first in range(0, len(entries), _LOT):
        lot = entries[first : first + _LOT]
        try:
            missing += _put_lot(lot)
        except Exception as error:
            # Raised, it would hide which symbols are missing.
            missing.append(f"{len(lot)} records that Firehose did not take ({type(error).__name__}: {error})")
    return missing


def _put_lot(entries: list[dict[str, bytes]]) -> list[str]:
    why = ""
    for attempt in range(_PUTS):
        if not entries:
            return []
        if attempt:
            time.sleep(_PAUSE_SECONDS * 2 ** (attempt - 1))
        answer = _firehose().put_record_batch(DeliveryStreamName=os.environ["STREAM"], Records=entries)
        refused = [
            (entry, one) for entry, one in zip(entries, answer["RequestResponses"], strict=True) if one.get("ErrorCode")
        ]
        entries = [entry for entry, _ in refused]
        why = refused[0][1]["ErrorCode"] if refused else ""
    return [f"{len(entries)} records that Firehose did not take ({why})"] if entries else []


def _milliseconds(time_: dt.datetime) -> int:
    return int(time_.timestamp()) * 1000 + time_.microsecond // 1000


def _text(milliseconds: int) -> str:
    return dt.datetime.fromtimestamp(milliseconds // 1000, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@cache
def _firehose() -> Any:
    import boto3

    return boto3.client("firehose")
