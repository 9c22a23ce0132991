"""Price levels as a function of the day, in fixed point.

A level is a base price times 2**x. x is value noise over the calendar day: random heights on grids of days with
several spacings, joined by straight lines. Any day takes the same time, and consecutive days are continuous. All
arithmetic is on integers, because exp() may differ in its last digit between processors.
"""

from __future__ import annotations

from math import isqrt

import numpy as np

from local.exchange.market import chance
from local.exchange.market.chance import Ints

ONE = 1 << 16  # 1.0 as a base-2 logarithm
LOG2_10 = 217706  # log2(10) · ONE

_TABLE_BITS = 10
_FRACTION_BITS = 30
# Grid spacing in days of each octave, and the height of the noise drawn on it.
_SPACINGS = np.array([1, 4, 16, 64, 256, 1024])
_HEIGHTS = np.array([800, 2600, 7800, 15000, 25000, 38000])


def _powers_of_two() -> Ints:
    precision = 200
    root = 2 << precision
    for _ in range(_TABLE_BITS):
        root = isqrt(root << precision)
    power, table = 1 << precision, []
    for _ in range((1 << _TABLE_BITS) + 1):
        table.append(power >> (precision - _FRACTION_BITS))
        power = power * root >> precision
    return np.array(table, np.int64)


_POWERS = _powers_of_two()


def scaled(base: int | Ints, log2: Ints) -> Ints:
    """Return `base` · 2**(`log2` / ONE), at least 1. `base` is below 2**32, the exponent is cut to ±15."""
    log2 = np.clip(log2, -15 * ONE, 15 * ONE)
    whole, fraction = log2 >> 16, log2 & (ONE - 1)
    step = 16 - _TABLE_BITS
    index, rest = fraction >> step, fraction & ((1 << step) - 1)
    power = _POWERS[index] + ((_POWERS[index + 1] - _POWERS[index]) * rest >> step)
    return np.maximum(1, (np.asarray(base, np.int64) * power) >> (_FRACTION_BITS - whole))


def noise(series: Ints, day: int | Ints) -> Ints:
    """Return the base-2 logarithm of each series' level on `day` (a proleptic ordinal), around zero."""
    shape = np.broadcast(series, day).shape
    # All octaves in one array: a numpy call costs more than its work on few numbers.
    spacing, height = (column.reshape(-1, *(1 for _ in shape)) for column in (_SPACINGS, _HEIGHTS))
    # Shift the grids of each series, or all would turn on the same day.
    shifted = day + chance.below(spacing, 11, series, spacing)
    cell, into = shifted // spacing, shifted % spacing
    left = chance.below(2 * height + 1, 12, series, spacing, cell) - height
    right = chance.below(2 * height + 1, 12, series, spacing, cell + 1) - height
    return (left + (right - left) * into // spacing).sum(axis=0)


class Cycle:
    """A corporate action that an instrument repeats: once per `period` days, on a random day.

    The price climbs by `size` until that day and then falls back, so that the action leaves no trend.
    """

    def __init__(self, salt: int, period: int) -> None:
        self._salt = salt
        self._period = period

    def _position(self, ids: Ints, day: int | Ints) -> tuple[Ints, Ints, Ints]:
        shifted = day + chance.below(self._period, 21, self._salt, ids)
        turn, into = shifted // self._period, shifted % self._period
        falls_on = chance.between(self._period // 4, self._period * 3 // 4, 22, self._salt, ids, turn)
        return turn, into, falls_on

    def age(self, ids: Ints, day: int | Ints) -> Ints:
        """Return the days since the action of the current period; negative before it."""
        _, into, falls_on = self._position(ids, day)
        return into - falls_on

    def count(self, ids: Ints, since: Ints, day: int) -> Ints:
        """Return the number of actions after `since`, up to and including `day`."""

        def total(at: int | Ints) -> Ints:
            turn, into, falls_on = self._position(ids, at)
            return turn + (into >= falls_on)

        return total(day) - total(since)

    def climb(self, ids: Ints, size: Ints, day: int | Ints) -> Ints:
        """Return the part of the price's base-2 logarithm on `day` that the next action will take back."""
        _, into, falls_on = self._position(ids, day)
        return np.where(into < falls_on, size * into // falls_on, 0)
