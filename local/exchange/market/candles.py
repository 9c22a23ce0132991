"""One-minute candles of Bitcoin: a price that is a function of market and minute, in integers alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from local.exchange.market import chance
from local.exchange.market.chance import Ints

# Purposes of random numbers, each a key's first part.
_PRICE, _WICK, _VOLUME, _TRADES, _LATE, _LATENESS, _EMPTY = range(700, 707)
# Length of a wave in minutes, and how far it moves the price, in millionths.
_WAVES = ((40_320, 150_000), (1_440, 25_000), (240, 8_000), (30, 2_500), (5, 900), (1, 300))
_ONE = 1_000_000
# In cents.
_LEVELS = {"BTCBRL": 350_000_00, "BTCUSDT": 65_000_00}
_ANY_LEVEL = 60_000_00
# Of 65,536 minutes: about nine a day come late, about five a day have no trade.
_LATE_ONES, _EMPTY_ONES = 400, 220
_SHORTEST_DELAY, _LONGEST_DELAY = 20, 100


@dataclass(frozen=True)
class Minutes:
    """The candles of some minutes of a market; an element of each array is one minute.

    Attributes:
        minute: minutes since 1970, in UTC.
        open: in cents, as high, low and close.
        volume: in hundred-millionths of a coin.
        trades: their number.
        ready: when the provider has the candle: minutes since 1970. Few come late.
        empty: whether nobody traded, as one provider leaves such minutes out.
    """

    minute: Ints
    open: Ints
    high: Ints
    low: Ints
    close: Ints
    volume: Ints
    trades: Ints
    ready: Ints
    empty: np.ndarray


def minutes(symbol: str, first: int, last: int) -> Minutes:
    """Return the candles of a market from one minute since 1970 to another, both included."""
    market = int.from_bytes(symbol.encode()[:7])
    minute = np.arange(first, last + 1, dtype=np.int64)
    opened, close = _price(symbol, market, minute), _price(symbol, market, minute + 1)
    wick = opened * chance.between(0, 400, _WICK, market, minute) // _ONE
    other = opened * chance.between(0, 400, _WICK, market, minute, 1) // _ONE
    late = chance.happens(_LATE_ONES, _LATE, market, minute)
    delay = chance.between(_SHORTEST_DELAY, _LONGEST_DELAY, _LATENESS, market, minute)
    return Minutes(
        minute=minute,
        open=opened,
        high=np.maximum(opened, close) + wick,
        low=np.minimum(opened, close) - other,
        close=close,
        volume=chance.between(20_000, 40_000_000, _VOLUME, market, minute),
        trades=chance.between(1, 900, _TRADES, market, minute),
        ready=minute + 1 + np.where(late, delay, 0),
        empty=chance.happens(_EMPTY_ONES, _EMPTY, market, minute),
    )


def _price(symbol: str, market: int, minute: Ints) -> Ints:
    level = _LEVELS.get(symbol, _ANY_LEVEL)
    moved = np.zeros_like(minute)
    for length, reach in _WAVES:
        step, along = minute // length, minute % length
        here = chance.between(-reach, reach, _PRICE, market, length, step)
        ahead = chance.between(-reach, reach, _PRICE, market, length, step + 1)
        moved += (here * (length - along) + ahead * along) // length
    return level * (_ONE + moved) // _ONE
