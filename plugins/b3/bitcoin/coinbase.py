"""Coinbase's one-minute candles: where they are, and how to read them.

https://docs.cdp.coinbase.com/exchange/reference/exchangerestapi_getproductcandles: a candle is an array of six numbers,
the newest first, at most 300 in an answer. A minute without a trade has no candle.
"""

from __future__ import annotations

import datetime as dt
from urllib.parse import urlencode

from b3.bitcoin.candle import Candle, amount_of, minute_of, rows_of
from b3.bitcoin.hours import HOUR

HOST = "https://api.exchange.coinbase.com"
_FIELDS = 6
_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def path(symbol: str, hour: dt.datetime) -> str:
    """Return the path of an hour's candles. Coinbase writes BTCUSDT as BTC-USDT."""
    last = hour + HOUR - dt.timedelta(minutes=1)
    query = {"granularity": 60, "start": hour.strftime(_FORMAT), "end": last.strftime(_FORMAT)}
    return f"/products/{symbol[:3]}-{symbol[3:]}/candles?{urlencode(query)}"


def candles(body: bytes, source: str) -> list[Candle]:
    """Return the candles of an answer, the oldest first.

    Raises:
        SourceError: a subclass, see `b3.bitcoin.candle`.
    """
    found = []
    for moment, *numbers in reversed(rows_of(body, _FIELDS, source)):
        low, high, opened, close, volume = (amount_of(each, source) for each in numbers)
        found.append(Candle(minute_of(moment, 1, source), opened, high, low, close, volume, None, None))
    return found
