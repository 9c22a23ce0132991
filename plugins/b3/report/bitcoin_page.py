"""The page on a day of Bitcoin: the day by the minute, and Bitcoin against the IBOV."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from pathlib import Path

from markupsafe import Markup

from b3.bitcoin.hours import MINUTES
from b3.errors import SourceError
from b3.lake.athena import Row
from b3.report import bitcoin_charts, page

# How a query asks for a day: it stands once in each, so that the files run in Athena's console as they are.
LAST_DAY = '(SELECT max(trade_date) FROM "btc_minutes$partitions")'
_FOLDER = Path(__file__).parent
_HUNDRED = 100


@dataclass(frozen=True)
class Market:
    """A day of one market.

    Attributes:
        symbol: its name, as BTCBRL.
        minutes: rows of minutes.sql.
    """

    symbol: str
    minutes: list[Row]

    @property
    def open(self) -> Decimal:
        """The first price."""
        return Decimal(self.minutes[0]["open"])

    @property
    def close(self) -> Decimal:
        """The last price."""
        return Decimal(self.minutes[-1]["close"])

    @property
    def change_pct(self) -> Decimal | None:
        """The change from the first price to the last, in percent."""
        return _HUNDRED * (self.close - self.open) / self.open if self.open else None

    @property
    def high(self) -> Decimal:
        """The highest price."""
        return max(Decimal(row["high"]) for row in self.minutes)

    @property
    def low(self) -> Decimal:
        """The lowest price."""
        return min(Decimal(row["low"]) for row in self.minutes)

    @property
    def volume(self) -> Decimal:
        """The bitcoins traded."""
        return sum((Decimal(row["volume"]) for row in self.minutes), Decimal())

    @property
    def providers(self) -> str:
        """Who sent the minutes."""
        return ", ".join(sorted({row["provider"] for row in self.minutes}))


def for_day(sql: str, date: dt.date) -> str:
    """Return a query that asks for the last day as one that asks for `date`.

    Raises:
        ValueError: it does not ask for the last day in the way that the files of include/sql/report_bitcoin do.
    """
    if sql.count(LAST_DAY) != 1:
        raise ValueError(f"expected {LAST_DAY} once, to put DATE in its place; found it {sql.count(LAST_DAY)}x")
    return sql.replace(LAST_DAY, f"date '{date}'")


def make(ask: Callable[[str], list[Row]], queries: Mapping[str, str], date: dt.date, *, simulated: bool) -> bytes:
    """Query the figures of a day, and return its page: the same bytes for the same figures.

    Args:
        ask: runs a query, see `b3.lake.athena.ask`.
        queries: the texts of the files of include/sql/report_bitcoin, by their names without `.sql`.
        date: the day in UTC.
        simulated: whether the prices are invented.

    Raises:
        SourceError: the table `btc_minutes` has no row of the day.
    """
    minutes, sessions = (ask(for_day(queries[name], date)) for name in ("minutes", "against_ibov"))
    if not minutes:
        raise SourceError(
            source="the table btc_minutes",
            expected=f"minutes of {date}, to report on",
            found="no row",
            hint="Run btc_minutes for hours of that day first: `make bitcoin`.",
        )
    return render(date, minutes, sessions, simulated=simulated)


def render(date: dt.date, minutes: Sequence[Row], sessions: Sequence[Row], *, simulated: bool) -> bytes:
    """Return the page of a day.

    Args:
        date: the day in UTC.
        minutes: rows of minutes.sql.
        sessions: rows of against_ibov.sql.
        simulated: whether the prices are invented.
    """
    environment = page.environment(bitcoin_charts)
    text = environment.get_template("bitcoin.html.j2").render(
        date=date,
        markets=[Market(symbol, list(rows)) for symbol, rows in groupby(minutes, key=lambda row: row["symbol"])],
        sessions=sessions,
        minutes_of_a_day=24 * MINUTES,
        simulated=simulated,
        style=Markup((_FOLDER / "session.css").read_text()),
    )
    return text.encode()
