"""How many of a session's quotes break each rule, before raw quotes are replaced by them.

An odd row is published as B3 wrote it, and the Glue job tells it in `findings`. When most rows of a session break one
rule, it is the layout that changed, or we that misread it: such a file waits for a person. The rules are those of
RULES in include/glue/refine/rules.py, which says them in words; a test holds the two against each other.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from b3.errors import Flood
from b3.quotes.cotahist import UNREADABLE

KEY = ("ticker", "market_type", "forward_days")
# How B3's odd rows of 2005 and 2020, the most of any year, lie among the days is not known: hence so wide a bound.
FLOOD_SHARE = 0.5
FLOOD_ROWS = 20

_PRICES = ("open", "high", "low", "average", "close")
_FACTORS = [10**digits for digits in range(7)]
# An unreadable count of trades allows the most that its five digits hold.
_MOST_TRADES = 99_999
_SURE = 1e-9

_Ints = npt.NDArray[np.int64]
_Bools = npt.NDArray[np.bool_]


def breach_counts(records: pa.Table) -> dict[str, int]:
    """Return how many rows break each rule, by the rule's name.

    Args:
        records: quotes of one session, of `b3.quotes.cotahist.READ_SCHEMA`.
    """
    records = records.combine_chunks()
    low, high = (_integers(records, name) for name in ("low", "high"))
    opened, close = (_integers(records, name) for name in ("open", "close"))
    smallest = np.minimum.reduce([_integers(records, name) for name in _PRICES])
    factor = _integers(records, "quote_factor")
    broken = {
        "prices_are_positive": smallest <= 0,
        "prices_lie_within_low_and_high": (np.minimum(opened, close) < low) | (np.maximum(opened, close) > high),
        "quote_factor_is_a_power_of_ten": ~np.isin(factor, _FACTORS),
        "volume_fits_quantity": ~_volume_fits(records, low, high, factor),
    }
    counts = {rule: int(rows.sum()) for rule, rows in broken.items()}
    keys = records.group_by(list(KEY)).aggregate([([], "count_all")])["count_all"]
    counts["key_is_unique"] = pc.sum(keys.filter(pc.greater(keys, 1))).as_py() or 0
    counts["fields_are_readable"] = len(records) - records[UNREADABLE].null_count
    return counts


def refuse_flood(records: pa.Table, trade_date: dt.date, source: str) -> None:
    """Raise Flood if more than half of a session's rows, and more than 20, break one rule.

    Args:
        records: as `breach_counts`.
        trade_date: the session.
        source: the file that the rows are from, for the message.
    """
    most = max(FLOOD_ROWS, FLOOD_SHARE * len(records))
    flooded = {rule: count for rule, count in sorted(breach_counts(records).items()) if count > most}
    if flooded:
        raise Flood(
            source=source,
            expected=f"at most half of the {len(records):,} quotes of {trade_date} to break a rule",
            found=" and ".join(f"{count:,} that break {rule}" for rule, count in flooded.items()),
            hint="B3 changed its layout, or this reader misreads it: compare with the document of the layout. If the "
            "rows are right, trigger the DAG again with accept_flood.",
        )


def _volume_fits(records: pa.Table, low: _Ints, high: _Ints, factor: _Ints) -> _Bools:
    """Return whether quantity x low <= volume x quote_factor <= quantity x high, with the slack of the SQL check."""
    quantity, volume = _integers(records, "quantity"), _integers(records, "financial_volume")
    trades = _integers(records, "trade_count", _MOST_TRADES)
    above = _at_least((100, volume + trades, factor), (99, quantity, low))
    below = _at_least((101, quantity, high), (100, volume - 1, factor))
    nothing = ~_at_least((1, quantity, high), (1, factor, np.ones_like(factor)))
    return (quantity > 0) & np.where(volume == 0, nothing, above & below)


def _at_least(left: tuple[int, _Ints, _Ints], right: tuple[int, _Ints, _Ints]) -> _Bools:
    """Return where one product is at least another; products of 64-bit integers, compared exactly."""
    (a, b, c), (x, y, z) = left, right
    larger, smaller = (a * b.astype(np.float64) * c, x * y.astype(np.float64) * z)
    result = larger >= smaller
    unsure = np.abs(larger - smaller) <= _SURE * np.maximum(np.abs(larger), np.abs(smaller))
    for row in np.flatnonzero(unsure):
        result[row] = a * int(b[row]) * int(c[row]) >= x * int(y[row]) * int(z[row])
    return result


def _integers(records: pa.Table, name: str, missing: int = 0) -> _Ints:
    """Return a column's integers, or its decimals in units of their last digit; `missing` for null."""
    column: Any = records[name].chunk(0) if records[name].num_chunks else pa.array([], records.schema.field(name).type)
    words = 2 if pa.types.is_decimal(column.type) else 1
    width = 8 if words == 2 else column.type.bit_width // 8
    # A decimal128 is two words, and no field of COTAHIST has more digits than the lower one holds.
    data = np.frombuffer(column.buffers()[1], f"<i{width}")[::words][column.offset :][: len(column)]
    values = data.astype(np.int64)
    if column.null_count:
        values[~column.is_valid().to_numpy(zero_copy_only=False)] = missing
    return values
