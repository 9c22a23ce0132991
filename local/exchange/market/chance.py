"""Random numbers as a pure function of a key.

A number is a hash of its key: the purpose, the instrument, the day and so on. So any day of any instrument can be
drawn alone, with the same result on every machine: there are only integers, and no generator state.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def _splitmix64(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = x + _GOLDEN
    x = (x ^ (x >> np.uint64(30))) * _MIX_1
    x = (x ^ (x >> np.uint64(27))) * _MIX_2
    return x ^ (x >> np.uint64(31))


def bits(*key: int | Ints) -> NDArray[np.uint64]:
    """Return 64 random bits for each element of `key`. Its parts are non-negative and broadcast together."""
    # Arrays of at least one dimension: numpy warns of an overflow only on scalars.
    state = np.zeros(1, np.uint64)
    for part in key:
        state = _splitmix64(state ^ np.atleast_1d(np.asarray(part, np.int64)).astype(np.uint64))
    return state


def below(limit: int | Ints, *key: int | Ints) -> Ints:
    """Return a random integer in [0, limit) for each element of `key`."""
    return (bits(*key) >> np.uint64(33)).astype(np.int64) % limit


def between(low: int, high: int, *key: int | Ints) -> Ints:
    """Return a random integer in [low, high], both included, for each element of `key`."""
    return low + below(high - low + 1, *key)


def happens(per_65536: int | Ints, *key: int | Ints) -> NDArray[np.bool_]:
    """Return, for each element of `key`, True with a probability of `per_65536` / 65,536."""
    return below(65536, *key) < per_65536


def draw(low: int, high: int, *key: int) -> int:
    """Return one random integer in [low, high], both included."""
    return int(between(low, high, *key)[0])
