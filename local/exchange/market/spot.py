"""Draw the rows of the spot market and of the markets next to it: odd lots, auctions, rights, forwards."""

from __future__ import annotations

import datetime as dt
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from local.exchange.market import chance, names, price_levels, trading, trading_days, universe
from local.exchange.market.chance import Ints
from local.exchange.market.trading import Columns
from local.exchange.market.universe import Instruments

_FORWARD_TERMS = (16, 30, 60, 90, 120, 182)
_SUBSCRIPTIONS = price_levels.Cycle(salt=4, period=1460)
_BONUS_WARRANTS = price_levels.Cycle(salt=5, period=2920)


def _bdi_codes(of: Instruments, session: dt.date) -> Any:
    codes = np.full(len(of), b"02", "S2")
    codes[of.recovering] = b"08"
    codes[of.asset == b"fii"] = b"12"
    codes[of.asset == b"etf"] = b"14"
    if session.year >= 2023:
        # Until 2022 BDRs have the code of round lots. Since then they have codes that B3 does not document.
        bdr = of.asset == b"bdr"
        codes[bdr & (of.id % 10 > 0)] = b"34"
        codes[bdr & (of.id % 10 == 8)] = b"35"
        codes[bdr & (of.id % 10 == 9)] = b"36"
    return codes


def trade_on(of: Instruments, day: int) -> NDArray[np.bool_]:
    """Return a mask of the instruments that trade on `day` (an ordinal), if it is a session."""
    trades = chance.happens(of.activity, 71, of.id, day)
    return trades & np.isin(of.id, _traded_on_the_saturday()) if day == trading_days.SATURDAY.toordinal() else trades


@cache
def _traded_on_the_saturday() -> Ints:
    of = universe.listed(trading_days.SATURDAY)
    return of.id[np.argsort(-of.trades, kind="stable")[: trading_days.SATURDAY_ROWS]]


def last_closes(of: Instruments, before: dt.date) -> Ints:
    """Return each instrument's close on the last session before `before` on which it traded, as in the quotes."""
    closes, waiting, session = np.zeros(len(of), np.int64), np.ones(len(of), np.bool_), before
    while waiting.any():
        session = trading_days.previous_session(session)
        day = session.toordinal()
        found = waiting & trade_on(of, day)
        closes[found] = trading.closes(of.take(found), day)
        waiting &= ~found
    return closes


class Spot:
    """The instruments that trade on a session, with the prices that all other markets refer to."""

    def __init__(self, of: Instruments, session: dt.date, previous: dt.date) -> None:
        self.session = session
        self.day = day = session.toordinal()
        self.of = of = of.take(trade_on(of, day))
        self.close = trading.closes(of, day)
        self.open = trading.opens(of, day, previous.toordinal())
        self.trades = trading.busy(of, session)
        self.identity: Columns = {
            "ticker": of.ticker,
            "short_name": of.name,
            "specification": trading.ex_marks(of, day),
            "isin": of.isin,
            "distribution_number": trading.distribution_numbers(of, day),
            "quote_factor": of.quote_factor,
        }

    def _identity(self, which: Any, suffix: bytes) -> Columns:
        rows = {name: values[which] for name, values in self.identity.items()}
        return rows | {"ticker": np.char.add(rows["ticker"], suffix)}

    def round_lots(self) -> Columns:
        """Return one row per instrument that trades in its standard lot."""
        of, day = self.of, self.day
        each = of.lot * np.maximum(1, of.quote_factor // 10) * chance.between(1, 5, 72, of.id, day)
        figures = trading.figures(
            of.id,
            1,
            day,
            open=self.open,
            close=self.close,
            trades=self.trades,
            quantity=self.trades * each,
            quote_factor=of.quote_factor,
        )
        kind = {"bdi_code": _bdi_codes(of, self.session), "market_type": np.full(len(of), b"010")}
        return trading.complete(self.identity | figures | kind)

    def odd_lots(self) -> Columns:
        """Return the odd-lot market (ticker + F), with prices near the round lot's."""
        which = np.flatnonzero(chance.happens(self.of.odd_lots, 73, self.of.id, self.day))
        return self._aside(which, b"F", b"96", b"020", salt=2, share=6, most=40)

    def auctions(self) -> Columns:
        """Return a few auctions of shares."""
        chosen = (self.of.asset == b"share") & chance.happens(900, 74, self.of.id, self.day)
        return self._aside(np.flatnonzero(chosen), b"L", b"50", b"017", salt=3, share=2000, most=90_000)

    def undocumented(self) -> Columns:
        """Return rows with codes that B3's files have since 2021, and that B3 does not document."""
        funds = np.isin(self.of.asset, [b"etf", b"fii"]) & (self.of.id % 40 == 1)
        which = np.flatnonzero(funds & (self.session.year >= 2021))
        rows = self._aside(which, b"B", b"92", b"021", salt=4, share=300, most=50)
        rows["bdi_code"][1::2] = b"93"
        return rows

    def _aside(
        self, which: Any, suffix: bytes, bdi: bytes, market: bytes, *, salt: int, share: int, most: int
    ) -> Columns:
        """Return rows of `which` in another market, with one trade for every `share` trades of the round lot."""
        of, day = self.of.take(which), self.day
        trades = np.maximum(1, self.trades[which] // share)
        near = chance.between(-1, 1, 75, salt, of.id, day) * (self.close[which] // 400)
        close = np.maximum(1, self.close[which] + near)
        figures = trading.figures(
            of.id,
            salt,
            day,
            open=self.open[which],
            close=close,
            trades=trades,
            quantity=trades * chance.between(1, most, 76, salt, of.id, day),
            quote_factor=of.quote_factor,
        )
        kind = {"bdi_code": np.full(len(of), bdi), "market_type": np.full(len(of), market)}
        return trading.complete(self._identity(which, suffix) | figures | kind)

    def forwards(self) -> Columns:
        """Return forwards (ticker + T): several terms in days for one ticker."""
        forward = np.flatnonzero(self.of.forward & (self.of.quote_factor == 1))
        which = np.repeat(forward, len(_FORWARD_TERMS))
        term = np.tile(np.array(_FORWARD_TERMS), len(forward))
        chances = 20_000 * trading.era_percent(self.session) // 100
        drawn = chance.happens(chances, 77, self.of.id[which], term, self.day)
        which, term = which[drawn], term[drawn]
        key = self.of.id[which] * 1000 + term
        close = np.maximum(1, self.close[which] + self.close[which] * term // 4000)
        trades = 2 * chance.between(1, 4, 78, key, self.day)
        figures = trading.figures(
            key,
            5,
            self.day,
            open=close,
            close=close,
            trades=trades,
            quantity=trades * 50 * chance.between(1, 60, 79, key, self.day),
            spread=60,
            quoted=0,
        )
        kind = {
            "bdi_code": np.full(len(which), b"62"),
            "market_type": np.full(len(which), b"030"),
            "forward_days": np.array([b"%03d" % days for days in term.tolist()], "S3"),
        }
        return trading.complete(self._identity(which, b"T") | figures | kind)

    def rights(self) -> list[Columns]:
        """Return subscription rights and bonus warrants, while they are listed."""
        of, day = self.of, self.day
        subscribed = _SUBSCRIPTIONS.age(of.issuer, day)
        warranted = _BONUS_WARRANTS.age(of.issuer, day)
        ordinary = of.kind == b"ON"
        main = (of.asset == b"share") & np.isin(of.kind, [b"ON", b"PN"])
        rights = np.flatnonzero(main & (subscribed >= 0) & (subscribed < 32))
        warrants = np.flatnonzero(main & (of.id % 7 == 3) & (warranted >= 0) & (warranted < 300))
        return [
            self._right(rights, b"10", np.where(ordinary, b"1", b"2")[rights], b"DIR", "D01", 12),
            self._right(warrants, b"22", np.where(ordinary, b"12", b"13")[warrants], b"BNS", "N01", 20),
        ]

    def _right(self, which: Any, bdi: bytes, suffix: Any, kind: bytes, isin_type: str, divisor: int) -> Columns:
        of, day = self.of.take(which), self.day
        form = np.where(of.kind == b"ON", b"ORD", b"PRE")
        trades = np.maximum(1, self.trades[which] // 10)
        figures = trading.figures(
            of.id,
            6 + divisor,
            day,
            open=np.maximum(1, self.open[which] // divisor),
            close=np.maximum(1, self.close[which] // divisor),
            trades=trades,
            quantity=trades * of.lot * np.maximum(1, of.quote_factor // 10),
            quote_factor=of.quote_factor,
            spread=6000,
        )
        isins = [
            names.isin(f"BR{root.decode()}{isin_type}{'OR' if common else 'PR'}")
            for root, common in zip(of.root, of.kind == b"ON", strict=True)
        ]
        of_right: Columns = {
            "ticker": np.char.add(of.root, suffix),
            "bdi_code": np.full(len(of), bdi),
            "market_type": np.full(len(of), b"010"),
            "specification": np.char.add(np.char.add(np.full(len(of), kind + b" "), form), b" "),
            "isin": np.array(isins, "S12"),
        }
        rows = {name: values[which] for name, values in self.identity.items()}
        return trading.complete(rows | figures | of_right)
