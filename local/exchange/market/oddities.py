"""Plant rows that break a rule: as many per year as B3's files have, spread over the sessions.

B3's files of old years have such rows, and so do those of 2005 and 2020. A planted row breaks one rule alone.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from local.exchange.market import chance, session_rows, trading_days
from local.exchange.market.trading import Columns

PRICES_OUTSIDE = "prices_lie_within_low_and_high"
KEY_REPEATED = "key_is_unique"
FIELD_UNREADABLE = "fields_are_readable"
VOLUME_UNDIVIDED = "volume_fits_quantity"

# Number of rows in B3's annual files whose open or close lies outside low and high. Other years have none.
_OUTSIDE = {
    1986: 29,
    1988: 1,
    1990: 6,
    1991: 1,
    1994: 2,
    1998: 18,
    1999: 32,
    2000: 68,
    2001: 108,
    2002: 44,
    2003: 25,
    2005: 620,
    2006: 1,
    2011: 2,
    2020: 280,
}
# Number of odd lots with control characters in PRAZOT, and of volumes that are not divided by FATCOT.
_UNREADABLE = {1987: 34}
_UNDIVIDED = {1988: 1}
YEARS = _OUTSIDE.keys() | _UNREADABLE.keys() | _UNDIVIDED.keys()

# B3's only repeated key is of a forward on this day: two rows with different prices.
REPEATED_ON = dt.date(1986, 10, 10)
_REPEATED_TERM = b"060"
_CONTROL_CHARACTERS = (b"\x00\x0f ", b"\x9c\x0f ", b"\x00\x07 ")

_Planter = Callable[[Columns, int, int, NDArray[np.bool_]], tuple[Columns, list[int]]]

_SPOT, _ODD_LOT, _FORWARD = b"010", b"020", b"030"
# Of 8 rows with prices outside, one is in the spot market. The others are forwards, if the session has enough.
_SPOT_OF_65536 = 8192


class Planted(NamedTuple):
    """A row that breaks a rule. `row` is its place in the session's file, counted from 0 without the header.

    `forward_days` is None where PRAZOT is blank or cannot be read.
    """

    rule: str
    ticker: str
    market_type: str
    forward_days: int | None
    row: int


def session_columns(session: dt.date) -> Columns:
    """Return the quotes of `session` as B3 would publish them, one array per column, in file order.

    Raises:
        ValueError: there was no session on that date.
    """
    return _plant(session, session_rows.draw(session))[0]


def planted(session: dt.date) -> list[Planted]:
    """Return the planted rows of `session`, in file order; none on a day without a session."""
    if not _plan(session):
        return []
    columns, rows = _plant(session, session_rows.draw(session))
    found = []
    for rule, row in rows:
        term = columns["forward_days"][row].strip()
        found.append(
            Planted(
                rule,
                columns["ticker"][row].decode("latin-1"),
                columns["market_type"][row].decode("latin-1"),
                int(term) if term.isdigit() else None,
                row,
            )
        )
    return sorted(found, key=lambda planted: planted.row)


def _plan(session: dt.date) -> dict[str, int]:
    """Return how many rows of `session` break each rule; a repeated key counts once."""
    if session.year not in YEARS:
        return {}
    counts = {
        # First, because it adds a row, which moves the rows behind it.
        KEY_REPEATED: int(session == REPEATED_ON),
        FIELD_UNREADABLE: _spread(session.year, 121, _UNREADABLE.get(session.year, 0))[session],
        VOLUME_UNDIVIDED: _spread(session.year, 122, _UNDIVIDED.get(session.year, 0))[session],
        PRICES_OUTSIDE: _spread(session.year, 123, _OUTSIDE.get(session.year, 0))[session],
    }
    return {rule: count for rule, count in counts.items() if count}


@cache
def _spread(year: int, salt: int, count: int) -> Counter[dt.date]:
    """Return the number of rows of each session, when `count` rows are spread over a year."""
    days = trading_days.sessions(dt.date(year, 1, 1), dt.date(year, 12, 31))
    # The Saturday has only three rows, and no more than half of them may be odd.
    days = [day for day in days if day != trading_days.SATURDAY]
    return Counter(days[place] for place in chance.below(len(days), salt, year, np.arange(count)).tolist())


def _plant(session: dt.date, columns: Columns) -> tuple[Columns, list[tuple[str, int]]]:
    """Return `columns` with the rows planted for `session`, and the rule and place of each planted row."""
    found: list[tuple[str, int]] = []
    for rule, count in _plan(session).items():
        taken = np.zeros(len(columns["ticker"]), np.bool_)
        taken[[row for _, row in found]] = True
        columns, rows = _PLANTERS[rule](columns, session.toordinal(), count, ~taken)
        found += [(rule, row) for row in rows]
    return columns, found


def _some(candidates: NDArray[np.bool_], day: int, count: int, wanted: str) -> list[int]:
    """Return `count` of the rows that `candidates` marks."""
    rows = np.flatnonzero(candidates)
    if len(rows) < count:
        raise ValueError(f"expected {count} {wanted} on {dt.date.fromordinal(day)}, found {len(rows)}")
    return rows[np.argsort(chance.bits(124, day, rows), kind="stable")[:count]].tolist()


def _repeat_key(columns: Columns, day: int, count: int, free: NDArray[np.bool_]) -> tuple[Columns, list[int]]:
    """Add a row with the same key after a forward's row, with prices a little higher."""
    candidates = free & (columns["market_type"] == _FORWARD) & (columns["forward_days"] == _REPEATED_TERM)
    (row,) = _some(candidates, day, count, "forward of 60 days")
    columns = {name: np.insert(values, row + 1, values[row]) for name, values in columns.items()}
    for price in ("open", "high", "low", "average", "close"):
        columns[price][row + 1] += 1 + columns[price][row] // 50
    shares = columns["quantity"][row + 1] * columns["average"][row + 1]
    columns["financial_volume"][row + 1] = shares // columns["quote_factor"][row + 1]
    return columns, [row, row + 1]


def _spoil_terms(columns: Columns, day: int, count: int, free: NDArray[np.bool_]) -> tuple[Columns, list[int]]:
    """Replace the blanks in PRAZOT of odd lots by control characters."""
    rows = _some(free & (columns["market_type"] == _ODD_LOT), day, count, "odd lots")
    for row in rows:
        columns["forward_days"][row] = _CONTROL_CHARACTERS[chance.draw(0, len(_CONTROL_CHARACTERS) - 1, 125, day, row)]
    return columns, rows


def _leave_volume_undivided(
    columns: Columns, day: int, count: int, free: NDArray[np.bool_]
) -> tuple[Columns, list[int]]:
    """Multiply the volume of rows with a quote factor by it, as if their prices were for one share."""
    candidates = free & (columns["quote_factor"] > 1) & (columns["financial_volume"] > 0)
    rows = _some(candidates, day, count, "rows with a quote factor")
    columns["financial_volume"][rows] *= columns["quote_factor"][rows]
    return columns, rows


def _move_outside(columns: Columns, day: int, count: int, free: NDArray[np.bool_]) -> tuple[Columns, list[int]]:
    """Move the open of spot rows, and the open or the close of forwards, out of the day's range.

    The close of a spot row stays: the weights of the indexes depend on it.
    """
    forwards = free & (columns["market_type"] == _FORWARD)
    in_spot = int(chance.happens(_SPOT_OF_65536, 126, day, np.arange(count)).sum())
    of_forwards = min(count - in_spot, int(forwards.sum()))
    rows = _some(forwards, day, of_forwards, "forwards")
    rows += _some(free & (columns["market_type"] == _SPOT), day, count - of_forwards, "rows of the spot market")
    for row in rows:
        low, high = int(columns["low"][row]), int(columns["high"][row])
        distance = 1 + high * chance.draw(5, 40, 127, day, row) // 1000
        is_above = low <= distance or chance.draw(0, 1, 128, day, row) == 1
        is_forward = columns["market_type"][row] == _FORWARD
        price = "close" if is_forward and chance.draw(0, 1, 129, day, row) else "open"
        columns[price][row] = high + distance if is_above else low - distance
    return columns, rows


_PLANTERS: dict[str, _Planter] = {
    KEY_REPEATED: _repeat_key,
    FIELD_UNREADABLE: _spoil_terms,
    VOLUME_UNDIVIDED: _leave_volume_undivided,
    PRICES_OUTSIDE: _move_outside,
}
