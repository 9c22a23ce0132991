"""The answers of two providers of candles, Binance and Coinbase, and how they refuse.

A range of minutes is refused with 429 at its first request in some cases, and served at the next one. BTCRUB is not
served here (451). Candles come once they are closed, and a few of them come late.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import threading
from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import parse_qsl

import numpy as np

from local.exchange.answers import JSON, Answer
from local.exchange.market import candles, chance

_SYMBOL = re.compile(r"BTC[A-Z]{3,5}")
_ELSEWHERE = "BTCRUB"
_RETRY_AFTER = 1
# Of 65,536 ranges.
_BUSY = 1_000
_BUSY_PURPOSE = 710
_MOST = {"binance": 1000, "coinbase": 300}
_COIN = 100_000_000


class CandleService:
    """Both providers at the instant that `now` returns; it remembers whom it told to come again."""

    def __init__(self, now: Callable[[], dt.datetime]) -> None:
        self._now = now
        self._told: set[tuple[str, int]] = set()
        self._lock = threading.Lock()

    def klines(self, query: str) -> Answer:
        """Return Binance's answer: arrays of twelve fields, the oldest candle first."""
        given = dict(parse_qsl(query))
        symbol = given.get("symbol", "")
        if not _SYMBOL.fullmatch(symbol) or given.get("interval") != "1m":
            return _json(HTTPStatus.BAD_REQUEST, {"code": -1121, "msg": "Invalid symbol or interval."})
        try:
            first, last = -(-int(given["startTime"]) // 60_000), int(given["endTime"]) // 60_000
            most = min(int(given.get("limit", 500)), _MOST["binance"])
        except (KeyError, ValueError):
            return _json(HTTPStatus.BAD_REQUEST, {"code": -1102, "msg": "A mandatory parameter is missing."})
        found = self._ready(symbol, first, min(last, first + most - 1))
        return self._refusal("binance", symbol, first) or _json(HTTPStatus.OK, _klines(found))

    def product_candles(self, product: str, query: str) -> Answer:
        """Return Coinbase's answer: arrays of six numbers, the newest candle first; none of a minute without trade."""
        given = dict(parse_qsl(query))
        symbol = product.replace("-", "", 1)
        if not _SYMBOL.fullmatch(symbol):
            return _json(HTTPStatus.NOT_FOUND, {"message": "NotFound"})
        try:
            first, last = (_minute(given[name]) for name in ("start", "end"))
        except (KeyError, ValueError):
            return _json(HTTPStatus.BAD_REQUEST, {"message": "start and end are needed"})
        if last - first >= _MOST["coinbase"] or given.get("granularity") != "60":
            return _json(HTTPStatus.BAD_REQUEST, {"message": "too many candles, or another granularity"})
        found = self._ready(symbol, first, last, with_empty=False)
        return self._refusal("coinbase", symbol, first) or Answer(HTTPStatus.OK, JSON, _product_candles(found))

    def _refusal(self, provider: str, symbol: str, first: int) -> Answer | None:
        if symbol == _ELSEWHERE:
            text = {"code": 0, "msg": "Service unavailable from a restricted location."}
            return _json(HTTPStatus.UNAVAILABLE_FOR_LEGAL_REASONS, text)
        with self._lock:
            asked_before = (provider + symbol, first) in self._told
            self._told.add((provider + symbol, first))
        market = int.from_bytes(symbol.encode()[:7])
        if asked_before or not chance.happens(_BUSY, _BUSY_PURPOSE, len(provider), market, first)[0]:
            return None
        busy = _json(HTTPStatus.TOO_MANY_REQUESTS, {"code": -1003, "msg": "Too many requests."})
        return Answer(busy.status, busy.content_type, busy.body, retry_after=_RETRY_AFTER)

    def _ready(self, symbol: str, first: int, last: int, *, with_empty: bool = True) -> list[tuple[int, ...]]:
        found = candles.minutes(symbol, first, last)
        shown = found.ready * 60 <= self._now().timestamp()
        if not with_empty:
            shown &= ~found.empty
        columns = (found.minute, found.open, found.high, found.low, found.close, found.volume, found.trades)
        return [tuple(row) for row in np.stack([column[shown] for column in columns], axis=1).tolist()]


def _klines(rows: list[tuple[int, ...]]) -> list[list[object]]:
    return [
        [
            minute * 60_000,
            *(_amount(cents, 100) for cents in prices),
            _amount(volume, _COIN),
            minute * 60_000 + 59_999,
            _amount(prices[3] * volume // 100, _COIN),
            trades,
            _amount(volume // 2, _COIN),
            _amount(prices[3] * (volume // 2) // 100, _COIN),
            "0",
        ]
        for minute, *prices, volume, trades in rows
    ]


def _product_candles(rows: list[tuple[int, ...]]) -> bytes:
    texts = []
    for minute, *prices, volume, _ in reversed(rows):
        opened, high, low, close = (_amount(cents, 100)[:-6] for cents in prices)
        texts.append(f"[{minute * 60},{low},{high},{opened},{close},{_amount(volume, _COIN)}]")
    return f"[{','.join(texts)}]".encode()


def _amount(value: int, unit: int) -> str:
    whole, part = divmod(value * (_COIN // unit), _COIN)
    return f"{whole}.{part:08}"


def _minute(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).timestamp()) // 60


def _json(status: HTTPStatus, content: object) -> Answer:
    return Answer(status, JSON, json.dumps(content, separators=(",", ":")).encode())
