"""The indexes of the simulated exchange: constituents on a date, their quantities and weights.

A portfolio keeps its constituents and quantities between two rebalances. A rebalance is on the first Monday of January,
May and September, or the first session after it. All arithmetic is on integers, so a date has the same portfolio on
every machine.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from local.exchange.market import chance, spot, trading, trading_days, universe
from local.exchange.market.chance import Ints
from local.exchange.market.universe import Instruments

FIRST_DATE = dt.date(1987, 1, 1)
REBALANCE_MONTHS = (1, 5, 9)
WHOLE = 100_000

# The level of each index in an ordinary year, in points.
_LEVELS = {"IBOV": 100_000, "IBXX": 42_000, "SMLL": 2_400}
INDEXES = tuple(_LEVELS)

_IBOV_PERCENT = 84
_IBXX_COUNT = 100
_SMLL_PERCENT = (75, 96)
_SELDOM = 50_000
_FREE_FLOAT_CENTS = 80_000_000
_LEAST_TRADES = 1500
_MONTHS_RANKED = 12


class Constituent(NamedTuple):
    """A share or unit in an index. `price` is in cents, `weight` in thousandths of a percent."""

    ticker: str
    company: str
    root: str
    issuer: int
    kind: str
    listing_segment: str
    specification: str
    sector: int
    quantity: int
    price: int
    weight: int


@dataclass(frozen=True)
class Portfolio:
    """An index for one session, sorted by company name. `reductor` is in hundred-millionths."""

    index: str
    session: dt.date
    rebalanced: dt.date
    constituents: tuple[Constituent, ...]
    reductor: int

    @property
    def quantity(self) -> int:
        """Sum of the theoretical quantities of all constituents."""
        return sum(constituent.quantity for constituent in self.constituents)


@lru_cache(maxsize=256)
def rebalance(year: int, month: int) -> dt.date:
    """Return the first Monday of that month, or the first session after it."""
    first = dt.date(year, month, 1)
    monday = first + dt.timedelta(days=-first.weekday() % 7)
    return monday if trading_days.is_session(monday) else trading_days.next_session(monday)


def _rebalances(first_year: int) -> list[dt.date]:
    return [rebalance(year, month) for year in (first_year, first_year + 1) for month in REBALANCE_MONTHS]


def last_rebalance(date: dt.date) -> dt.date:
    """Return the rebalance of the portfolio in force on `date`."""
    return max(day for day in _rebalances(date.year - 1) if day <= date)


def next_rebalance(date: dt.date) -> dt.date:
    """Return the first rebalance after `date`."""
    return min(day for day in _rebalances(date.year) if day > date)


def preview_since(rebalanced: dt.date) -> dt.date:
    """Return the session from which a rebalance has a preview: the first of the month before it."""
    month_before = (rebalanced.replace(day=1) - dt.timedelta(days=1)).replace(day=1)
    return trading_days.next_session(month_before - dt.timedelta(days=1))


def session_for(date: dt.date) -> dt.date:
    """Return the session whose portfolio is served on `date`: that day, or the next session."""
    return date if trading_days.is_session(date) else trading_days.next_session(date)


def portfolio(index: str, session: dt.date) -> Portfolio:
    """Return the portfolio in force on `session`, at the closes of the session before.

    Raises:
        ValueError: there is no such index, or no portfolio on that date.
    """
    if session < FIRST_DATE or not trading_days.is_session(session):
        raise ValueError(f"no portfolio for {session}: not a session since {FIRST_DATE}")
    rebalanced = last_rebalance(session)
    return _portfolio(index, rebalanced, session, reductor_of=rebalanced)


def theoretical(index: str, session: dt.date) -> Portfolio:
    """Return the portfolio in force on `session`, as it was on the day of its rebalance."""
    rebalanced = last_rebalance(session)
    return _portfolio(index, rebalanced, rebalanced, reductor_of=rebalanced)


def preview(index: str, session: dt.date) -> Portfolio:
    """Return the last preview up to `session`: of the next rebalance, or of the portfolio in force if there is none."""
    coming = next_rebalance(session)
    if session < preview_since(coming):
        return theoretical(index, session)
    return _portfolio(index, coming, session, reductor_of=session)


def _portfolio(index: str, rebalanced: dt.date, session: dt.date, *, reductor_of: dt.date) -> Portfolio:
    of, quantities = _composition(index, rebalanced)
    closes = spot.last_closes(of, session)
    values = [quantity * close for quantity, close in zip(quantities, closes.tolist(), strict=True)]
    specifications = trading.ex_marks(of, session.toordinal())
    constituents = [
        Constituent(
            ticker=_text(of.ticker[i]),
            company=_text(of.name[i]),
            root=_text(of.root[i]),
            issuer=int(of.issuer[i]),
            kind=_text(of.kind[i]),
            listing_segment=_text(of.segment[i]),
            specification=_text(specifications[i]),
            sector=int(of.sector[i]),
            quantity=quantities[i],
            price=int(closes[i]),
            weight=weight,
        )
        for i, weight in enumerate(_weights(values))
    ]
    constituents.sort(key=lambda constituent: (constituent.company, constituent.ticker))
    return Portfolio(index, session, rebalanced, tuple(constituents), _reductor(index, rebalanced, reductor_of))


def _text(value: bytes) -> str:
    return value.decode("latin-1").rstrip()


def _weights(values: list[int]) -> list[int]:
    """Return the share of each value in thousandths of a percent, rounded so that they sum to 100 %."""
    total = sum(values)
    weights = [value * WHOLE // total for value in values]
    by_remainder = sorted(range(len(values)), key=lambda i: (-(values[i] * WHOLE % total), i))
    for i in by_remainder[: WHOLE - sum(weights)]:
        weights[i] += 1
    return weights


def _reductor(index: str, rebalanced: dt.date, session: dt.date) -> int:
    """Return the reductor: the portfolio's value in reais, at the closes before `session`, divided by the index."""
    of, quantities = _composition(index, rebalanced)
    closes = spot.last_closes(of, session).tolist()
    value = sum(quantity * close for quantity, close in zip(quantities, closes, strict=True))
    level = trading.index_level(_LEVELS[index], trading_days.previous_session(session).toordinal())
    return value * 10**8 // (100 * level)


@lru_cache(maxsize=64)
def _composition(index: str, rebalanced: dt.date) -> tuple[Instruments, list[int]]:
    """Return the constituents from `rebalanced` on, and their theoretical quantities: the shares in free float."""
    if index not in _LEVELS:
        raise ValueError(f"no index {index}: there are {', '.join(INDEXES)}")
    ranked = _ranked(rebalanced)
    of = ranked.take(_chosen(index, ranked, rebalanced))
    # The free float of a share is stable; each period changes it a little.
    percent = chance.between(60, 140, 101, of.id)
    revision = chance.between(985, 1015, 102, of.id, rebalanced.toordinal())
    cents = np.maximum(of.trades, _LEAST_TRADES) * _FREE_FLOAT_CENTS // 100 * percent // 1000 * revision
    return of, (cents // of.base).tolist()


def _chosen(index: str, ranked: Instruments, rebalanced: dt.date) -> Ints:
    share = np.cumsum(_trades(ranked, rebalanced)) * 100
    if index == "SMLL":
        first, last = np.searchsorted(share, [percent * share[-1] // 100 for percent in _SMLL_PERCENT])
        return np.arange(first, last)
    most = _IBXX_COUNT - 1 if index == "IBXX" else np.searchsorted(share, _IBOV_PERCENT * share[-1] // 100)
    # One share that hardly trades stays in the index, like a share of which a tender offer bought nearly all.
    seldom = np.flatnonzero(ranked.activity < _SELDOM)
    # It is another share in each period, so that every rebalance changes the composition.
    left_over = seldom[(3 * rebalanced.year + rebalanced.month // 4) % len(seldom)]
    return np.append(np.arange(most), left_over)


@lru_cache(maxsize=64)
def _ranked(rebalanced: dt.date) -> Instruments:
    """Return the shares and units that an index may hold from `rebalanced` on, the most traded first."""
    end = next_rebalance(rebalanced)
    year_before, soon_after = rebalanced - dt.timedelta(days=365), end + dt.timedelta(days=7)
    of = universe.listed(rebalanced)
    of = of.take(
        (of.asset == b"share")
        & (of.quote_factor == 1)
        & ~of.recovering
        & (of.listed <= year_before.toordinal())
        & (of.delisted >= soon_after.toordinal())
    )
    since = np.full(len(of), rebalanced.toordinal() - 14)
    splits = (of.split != 0) & (trading.SPLITS.count(of.issuer, since, end.toordinal()) > 0)
    of = of.take(~splits)
    return of.take(np.argsort(-_trades(of, rebalanced), kind="stable"))


def _trades(of: Instruments, rebalanced: dt.date) -> Ints:
    """Return the number of trades on one day of each of the twelve months before the previews of a rebalance."""
    # A preview must not depend on days after it.
    last = rebalanced - dt.timedelta(days=45)
    days = [last - dt.timedelta(days=30 * month) for month in range(_MONTHS_RANKED)]
    return np.sum([trading.busy(of, day) for day in days], axis=0)
