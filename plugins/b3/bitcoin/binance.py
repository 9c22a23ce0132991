"""Binance's one-minute candles: where they are, and how to read them.

https://developers.binance.com/docs/binance-spot-api-docs/rest-api/market-data-endpoints: a kline is an array of twelve
fields, prices and volumes are strings. A minute without a trade has a candle too, with a volume of zero.
"""

from __future__ import annotations

import datetime as dt
from urllib.parse import urlencode

from b3.bitcoin.candle import Candle, amount_of, bad, count_of, minute_of, rows_of
from b3.bitcoin.hours import HOUR

HOST = "https://data-api.binance.vision"
_PATH = "/api/v3/klines"
_FIELDS = 12
_MILLISECONDS = 1_000
_MINUTE = 60 * _MILLISECONDS


def path(symbol: str, hour: dt.datetime) -> str:
    """Return the path of an hour's candles. Both ends of the range are included."""
    begin = int(hour.timestamp()) * _MILLISECONDS
    end = int((hour + HOUR).timestamp()) * _MILLISECONDS - 1
    query = {"symbol": symbol, "interval": "1m", "startTime": begin, "endTime": end, "limit": 1000}
    return f"{_PATH}?{urlencode(query)}"


def candles(body: bytes, source: str) -> list[Candle]:
    """Return the candles of an answer, in its order.

    Raises:
        SourceError: a subclass, see `b3.bitcoin.candle`.
    """
    found = []
    for row in rows_of(body, _FIELDS, source):
        opened, first, high, low, last, volume, closed, quote_volume, trades = row[:9]
        minute = minute_of(opened, _MILLISECONDS, source)
        if closed != opened + _MINUTE - 1:
            raise bad(source, f"a candle of one minute, which closes at {opened + _MINUTE - 1}", closed)
        found.append(
            Candle(
                minute=minute,
                open=amount_of(first, source),
                high=amount_of(high, source),
                low=amount_of(low, source),
                close=amount_of(last, source),
                volume=amount_of(volume, source),
                quote_volume=amount_of(quote_volume, source),
                trades=count_of(trades, source),
            )
        )
    return found
