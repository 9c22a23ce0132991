"""Draw the rows of a session; none of them is odd."""

from __future__ import annotations

import datetime as dt

import numpy as np

from local.exchange.market import chance, trading_days, universe
from local.exchange.market.options import Series
from local.exchange.market.spot import Spot
from local.exchange.market.trading import Columns

_UNSORTED_SINCE = 2023


def draw(session: dt.date) -> Columns:
    """Return the quotes of `session` before oddities, one array per column, in file order.

    Prices, strikes and volume are integers in cents, points in millionths, dates as YYYYMMDD.

    Raises:
        ValueError: there was no session on that date.
    """
    if not trading_days.is_session(session):
        raise ValueError(f"B3 held no session on {session}")
    parts = _parts(session)
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.lexsort((columns["forward_days"], columns["market_type"], columns["ticker"]))
    if session.year >= _UNSORTED_SINCE:
        order = order[np.argsort(chance.bits(91, session.toordinal(), np.arange(len(order))), kind="stable")]
    return {name: values[order] for name, values in columns.items()}


def _parts(session: dt.date) -> list[Columns]:
    spot = Spot(universe.listed(session), session, trading_days.previous_session(session))
    if session == trading_days.SATURDAY:
        return [spot.round_lots()]
    series = Series(session)
    return [
        spot.round_lots(),
        spot.odd_lots(),
        spot.auctions(),
        spot.undocumented(),
        spot.forwards(),
        *spot.rights(),
        series.traded(),
        series.exercised(),
    ]
