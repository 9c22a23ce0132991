"""Compute the figures of a session's row from price levels: prices, trades, quantity, volume."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from local.exchange.market import chance, price_levels, universe
from local.exchange.market.chance import Ints
from local.exchange.market.universe import Instruments

Columns = dict[str, NDArray[Any]]

DIVIDENDS = price_levels.Cycle(salt=1, period=360)
INCOME = price_levels.Cycle(salt=2, period=30)
SPLITS = price_levels.Cycle(salt=3, period=3650)
NO_EXPIRY = 99991231

_TRADE_COUNT_WRAPS_AT = 100_000


def era_percent(session: dt.date) -> int:
    """Return the activity of the market, in percent of a session in 2020 or later."""
    return min(100, max(2, 4 * (session.year - 1995)))


def _log_level(of: Instruments, day: int) -> Ints:
    return (
        of.own_weight * price_levels.noise(of.id, day)
        + of.market * price_levels.noise(np.array([universe.MARKET]), day)
        + of.sector_weight * price_levels.noise(universe.sector_series(of.sector, of.asset), day)
    ) >> 8


def _income_events(of: Instruments) -> NDArray[np.bool_]:
    return of.asset == b"fii"


def _climb(of: Instruments, day: int) -> Ints:
    income = np.where(
        _income_events(of),
        INCOME.climb(of.issuer, of.dividend, day),
        DIVIDENDS.climb(of.issuer, of.dividend, day),
    )
    return income + SPLITS.climb(of.issuer, of.split, day)


def closes(of: Instruments, day: int) -> Ints:
    """Return closing prices on `day` (an ordinal), in cents per quote factor, unadjusted."""
    return price_levels.scaled(of.base, _log_level(of, day) + _climb(of, day))


def opens(of: Instruments, day: int, previous: int) -> Ints:
    """Return opening prices on `day`: near the close of `previous`, adjusted for corporate actions in between."""
    gap = chance.between(-350, 350, 51, of.id, day)
    return price_levels.scaled(of.base, _log_level(of, previous) + _climb(of, day) + gap)


def index_level(base: int, day: int) -> int:
    """Return the level of a whole-market index on `day`; `base` is its level in an ordinary year."""
    return int(price_levels.scaled(base, price_levels.noise(np.array([universe.MARKET]), day))[0])


def ex_marks(of: Instruments, day: int) -> NDArray[np.bytes_]:
    """Return the specification, ten characters: kind, mark of a recent corporate action, and segment."""
    dividend_age = DIVIDENDS.age(of.issuer, day)
    split_age = SPLITS.age(of.issuer, day)
    mark = np.full(len(of), b"", "S3")
    mark[(of.dividend > 0) & (dividend_age >= 0) & (dividend_age < 8)] = b"ED"
    interest = of.id % 5 == 2
    mark[(mark == b"ED") & interest] = b"EJ"
    income_age = INCOME.age(of.issuer, day)
    mark[_income_events(of)] = b""
    mark[_income_events(of) & (income_age >= 0) & (income_age < 6)] = b"ER"
    split_recent = (split_age >= 0) & (split_age < 8)
    mark[(of.split > 0) & split_recent] = b"EB"
    mark[(of.split < 0) & split_recent] = b"EG"
    head = np.char.add(np.char.ljust(of.kind, 4), np.char.ljust(mark, 4))
    return np.char.add(head, of.segment)


def distribution_numbers(of: Instruments, day: int) -> Ints:
    """Return DISMES, which grows by one with every corporate action since the listing."""
    dividends = np.where(
        _income_events(of),
        INCOME.count(of.issuer, of.listed, day),
        DIVIDENDS.count(of.issuer, of.listed, day),
    )
    splits = SPLITS.count(of.issuer, of.listed, day)
    return 100 + np.where(of.dividend > 0, dividends, 0) + np.where(of.split != 0, splits, 0)


def busy(of: Instruments, session: dt.date) -> Ints:
    """Return the number of trades of the session, before the count wraps."""
    spread = price_levels.scaled(
        of.trades * era_percent(session), price_levels.noise(of.id + 500_000, session.toordinal())
    )
    return np.maximum(1, spread // 100)


def figures(
    key: Ints,
    salt: int,
    day: int,
    *,
    open: Ints,
    close: Ints,
    trades: Ints,
    quantity: Ints,
    quote_factor: Ints | int = 1,
    spread: int = 900,
    quoted: int = 58_000,
) -> Columns:
    """Return the columns from open to financial volume. `key` identifies the rows.

    `spread` widens the day's range beyond open and close. `quoted` is the chance, in 65,536ths, that a row has a
    best bid at the close, and separately that it has a best ask.
    """
    single = trades == 1
    open = np.where(single, close, open)

    def reach(part: int) -> Ints:
        return np.where(single, 0, close * chance.below(spread, 61, salt, part, key, day) >> 16)

    high = np.maximum(open, close) + reach(1)
    low = np.maximum(1, np.minimum(open, close) - reach(2))
    average = (open + high + low + 2 * close) // 5
    # A few averages lie outside the range, as in B3's files.
    average = np.where(~single & chance.happens(300, 62, salt, key, day), high + 1, average)
    # B3 truncates the average to the cent, but not the volume. No trade lies outside the range.
    cut = np.where(single, 0, chance.below(np.maximum(1, quantity), 63, salt, key, day))
    volume = np.clip(quantity * average + cut, quantity * low, quantity * high)
    tick = 1 + close // 500
    bid = np.where(chance.happens(quoted, 64, salt, key, day), np.maximum(1, close - tick), 0)
    ask = np.where(chance.happens(quoted, 65, salt, key, day), close + tick, 0)
    return {
        "open": open,
        "high": high,
        "low": low,
        "average": average,
        "close": close,
        "best_bid": bid,
        "best_ask": ask,
        "trade_count": trades % _TRADE_COUNT_WRAPS_AT,
        "quantity": quantity,
        "financial_volume": volume // quote_factor,
    }


def complete(columns: Columns, **defaults: Any) -> Columns:
    """Return `columns`, completed by the values of an ordinary spot row, or by `defaults`."""
    count = len(columns["ticker"])
    ordinary: dict[str, Any] = {
        "forward_days": b"   ",
        "strike_price": 0,
        "strike_correction": 0,
        "expiry_date": NO_EXPIRY,
        "quote_factor": 1,
        "strike_points": 0,
    } | defaults
    filled = {name: np.full(count, value) for name, value in ordinary.items() if name not in columns}
    return columns | filled
