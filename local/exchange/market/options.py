"""Option series on the most traded shares and on two indexes, and their exercises."""

from __future__ import annotations

import datetime as dt
from functools import cache, lru_cache
from math import isqrt

import numpy as np

from local.exchange.market import chance, names, trading, trading_days
from local.exchange.market.chance import Ints
from local.exchange.market.trading import Columns
from local.exchange.market.universe import Texts, instruments, listed

_MONTHS_AHEAD = (0, 1, 2, 3, 4, 5, 8)
_STRIKES_EACH_SIDE = 18
_REFERENCE_DAYS = 150
_NICE_STEPS = np.array([n * 10**e for e in range(7) for n in (1, 2, 5)])
_SQUARE_ROOTS = np.array([isqrt(days * 10_000) for days in range(800)])  # in hundredths
_MONDAYS_UNTIL = (2021, 4)

# Root, ISIN, level in an ordinary year, strike correction.
_INDEXES = (("QXIB", 100_000, 0), ("QXSC", 40_000, 6))


@cache
def expiry(year: int, month: int) -> dt.date:
    """Return the session on which options on shares expire: the third Friday, until April 2021 the third Monday."""
    first = dt.date(year, month, 1)
    if (year, month) <= _MONDAYS_UNTIL:
        monday = first + dt.timedelta((0 - first.weekday()) % 7 + 14)
        return monday if trading_days.is_session(monday) else trading_days.next_session(monday)
    friday = first + dt.timedelta((4 - first.weekday()) % 7 + 14)
    return friday if trading_days.is_session(friday) else trading_days.previous_session(friday)


@cache
def index_expiry(year: int, month: int) -> dt.date:
    """Return the session on which options on indexes expire: the Wednesday nearest to the 15th."""
    fifteenth = dt.date(year, month, 15)
    wednesday = fifteenth + dt.timedelta((2 - fifteenth.weekday() + 3) % 7 - 3)
    return wednesday if trading_days.is_session(wednesday) else trading_days.next_session(wednesday)


def _index_levels(day: int) -> Ints:
    return np.array([trading.index_level(base, day) for _, base, _ in _INDEXES]) * 100


# Cached, because neighbouring sessions have the same expiries. A year has 12 of shares and 12 of indexes.
@lru_cache(maxsize=64)
def _when_opened(expiry_day: int) -> tuple[Ints, Ints]:
    """Return the closes of every share with options, listed or not, and the index levels, when an expiry opened."""
    shares = instruments()
    day = expiry_day - _REFERENCE_DAYS
    return trading.closes(shares.take(shares.option), day), _index_levels(day)


class _Underlyings:
    """The underlyings of the options: the price now, and the prices when each expiry opened."""

    def __init__(self, session: dt.date, months: list[tuple[int, int]]) -> None:
        day = session.toordinal()
        of = listed(session)
        self.shares = of = of.take(of.option)
        indexes, dtype = len(_INDEXES), np.int64
        self.is_index = np.arange(len(of) + indexes) >= len(of)
        self.key = np.concatenate([of.id, np.arange(indexes, dtype=dtype) + 900_000])
        self.root: Texts = np.concatenate([of.root, np.array([root.encode() for root, _, _ in _INDEXES])])
        self.now = np.concatenate([trading.closes(of, day), _index_levels(day)])
        self.weight = np.concatenate([65536 * 10 // (10 + np.arange(len(of))), np.full(indexes, 16_000)])
        self.isin = np.concatenate([of.isin, [names.isin(f"BR{root}INDM1").encode() for root, _, _ in _INDEXES]])
        self.specification = np.concatenate([trading.ex_marks(of, day), [b"IBO"] * indexes])
        self.distribution = np.concatenate([trading.distribution_numbers(of, day), np.full(indexes, 100, dtype=dtype)])
        self.correction = np.concatenate([np.zeros(len(of), dtype), [c for _, _, c in _INDEXES]])
        dates = [(expiry(*month), index_expiry(*month)) for month in months]
        self.expiry = np.array([[index if i else share for share, index in dates] for i in self.is_index])
        self.expiry_day = np.array([[date.toordinal() for date in row] for row in self.expiry])
        with_options = instruments().option
        is_listed = np.isin(instruments().id[with_options], of.id)
        opened = [
            np.concatenate([_when_opened(share.toordinal())[0][is_listed], _when_opened(index.toordinal())[1]])
            for share, index in dates
        ]
        self.opened = np.stack(opened, axis=1)

    def steps(self) -> Ints:
        """Return the distance between strikes in cents, per underlying and expiry."""
        fraction = np.where(self.is_index, 120, 40)[:, None]
        wanted = np.maximum(1, self.opened // fraction)
        return _NICE_STEPS[np.searchsorted(_NICE_STEPS, wanted)]


class Series:
    """The option series listed on a session, one element each."""

    def __init__(self, session: dt.date) -> None:
        first = session.year * 12 + session.month - 1
        numbers = [first + ahead for ahead in _MONTHS_AHEAD]
        months = [(number // 12, number % 12 + 1) for number in numbers]
        of = _Underlyings(session, months)
        steps = of.steps()
        each_side = np.arange(-_STRIKES_EACH_SIDE, _STRIKES_EACH_SIDE + 1)
        shape = (len(of.key), len(months), 2, len(each_side))
        under, month, put, offset = (axis.ravel() for axis in np.indices(shape))
        number = of.opened[under, month] // steps[under, month] + each_side[offset]
        days = of.expiry_day[under, month] - session.toordinal()
        alive = (number >= 1) & (days >= 0)
        under, month, put, number, days = (a[alive] for a in (under, month, put, number, days))
        self.session, self.day = session, session.toordinal()
        self.of = of
        self.under, self.month, self.put, self.number, self.days = under, month, put == 1, number, days
        self.strike = number * steps[under, month]
        self.step = steps[under, month]
        self.letter = np.array([m - 1 for _, m in months])[month] + 12 * put
        self.key = (of.key[under] * 24 + self.letter) * 1000 + number
        self.lot = np.where(of.is_index[under], 1, 100)
        self.inside = np.where(self.put, self.strike - of.now[under], of.now[under] - self.strike)

    def _identity(self, which: Ints, suffix: bytes = b"") -> Columns:
        of, under = self.of, self.under[which]
        letters = (self.letter[which] + ord("A")).astype(np.uint8).view("S1")
        numbers = self.number[which].astype("S4")
        ticker = np.char.add(np.char.add(np.char.add(of.root[under], letters), numbers), suffix)
        european = self.put[which] | (self.number[which] % 2 == 0) | of.is_index[under]
        dates = of.expiry[under, self.month[which]]
        return {
            "ticker": ticker,
            "short_name": np.char.add(of.root[under], np.where(european, b"E", b"")),
            "specification": of.specification[under],
            "isin": of.isin[under],
            "distribution_number": of.distribution[under],
            "strike_price": self.strike[which],
            "strike_correction": of.correction[under],
            "strike_points": np.where(of.is_index[under], self.strike[which] * 10_000, 0),
            "expiry_date": np.array([int(f"{date:%Y%m%d}") for date in dates], np.int64),
        }

    def _codes(self, which: Ints, share: tuple[bytes, bytes], index: tuple[bytes, bytes]) -> Columns:
        put, is_index = self.put[which], self.of.is_index[self.under[which]]
        call_code, put_code = (np.where(is_index, i, s) for s, i in zip(share, index, strict=True))
        return {"bdi_code": np.where(put, put_code, call_code)}

    def traded(self) -> Columns:
        """Return the series that trade. Those near the money and near expiry are more likely to."""
        distance = self.inside * 6 // self.step
        near = 65536 * 1296 // (1296 + distance * distance)
        soon = 65536 * 25 // (25 + self.days)
        likely = (near * self.of.weight[self.under] >> 16) * soon * 3 >> 16
        likely = likely * trading.era_percent(self.session) // 100
        which = np.flatnonzero((self.days > 0) & chance.happens(likely, 81, self.key, self.day))
        key, now, days = self.key[which], self.of.now[self.under[which]], self.days[which]
        # The time value of a series: it is highest at the money, and grows with the time to expiry.
        most = now * _SQUARE_ROOTS[days] // 100_00 + 1
        away = np.abs(self.inside[which]) * 2
        time_value = most * most // (most + away)
        close = np.maximum(1, np.maximum(0, self.inside[which]) + time_value)
        trades = 1 + chance.below(6, 82, key, self.day) * chance.below(12, 83, key, self.day)
        trades *= 1 + 30 * chance.happens(3000, 84, key, self.day)
        figures = trading.figures(
            key,
            7,
            self.day,
            open=np.maximum(1, close + close * chance.between(-6000, 6000, 85, key, self.day) // 65536),
            close=close,
            trades=trades,
            quantity=trades * self.lot[which] * chance.between(1, 40, 86, key, self.day),
            spread=5000,
            quoted=34_000,
        )
        codes = self._codes(which, (b"78", b"82"), (b"74", b"75"))
        market = {"market_type": np.where(self.put[which], b"080", b"070")}
        return trading.complete(self._identity(which) | figures | codes | market, forward_days=b"000")

    def exercised(self) -> Columns:
        """Return exercises (ticker + E): series in the money on their last day, and a few calls before it."""
        in_the_money = self.inside > 0
        last_day = self.days == 0
        likely = np.where(last_day, 12_000, np.where(self.put, 0, 60))
        which = np.flatnonzero(in_the_money & chance.happens(likely, 87, self.key, self.day))
        key, strike = self.key[which], self.strike[which]
        trades = chance.between(1, 30, 88, key, self.day)
        figures = trading.figures(
            key,
            8,
            self.day,
            open=strike,
            close=strike,
            trades=np.ones_like(trades),
            quantity=trades * self.lot[which] * chance.between(1, 200, 89, key, self.day),
            quoted=0,
        ) | {"trade_count": trades}
        codes = self._codes(which, (b"38", b"42"), (b"32", b"33"))
        market = {"market_type": np.where(self.put[which], b"013", b"012")}
        return trading.complete(self._identity(which, b"E") | figures | codes | market, forward_days=b"000")
