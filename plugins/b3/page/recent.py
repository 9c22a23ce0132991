"""Answers that are kept for a short while, so that a page that many people open costs few requests.

What takes long to make is kept longer, up to a limit: at most a twentieth of the time goes into making it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

_TIMES_AS_LONG = 20
_LONGEST_SECONDS = 120
_PATIENCE_SECONDS = 5
_Answer = TypeVar("_Answer")


class Busy(Exception):
    """Somebody else's answer is being made, and takes longer than this one can wait."""


class Recent(Generic[_Answer]):
    """Answers by key, made one at a time.

    Args:
        seconds: how long an answer is kept that took no more than a twentieth of it.
        failure_seconds: how long a failure is kept.
        clock: returns seconds.
    """

    def __init__(self, seconds: float, failure_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._failure_seconds = failure_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[Hashable, tuple[float, Future[_Answer]]] = {}

    def get(self, key: Hashable, make: Callable[[], _Answer]) -> _Answer:
        """Return the answer that is kept under a key, else what `make` returns; raise what `make` raises.

        Raises:
            Busy: another answer takes too long.
        """
        # Of people who come at once only the first waits for S3, and the others not for ever: each holds a thread.
        if not self._lock.acquire(timeout=_PATIENCE_SECONDS):
            raise Busy("the lake is being listed for somebody else; load the page again in a moment")
        try:
            now = self._clock()
            self._kept = {each: kept for each, kept in self._kept.items() if kept[0] > now}
            if key not in self._kept:
                begun = self._clock()
                answer: Future[_Answer] = Future()
                try:
                    answer.set_result(make())
                except Exception as error:
                    answer.set_exception(error)
                ended = self._clock()
                self._kept[key] = (ended + self._seconds_to_keep(answer, ended - begun), answer)
            found = self._kept[key][1]
        finally:
            self._lock.release()
        return found.result()

    def _seconds_to_keep(self, answer: Future[_Answer], duration: float) -> float:
        if answer.exception():
            return self._failure_seconds
        return max(self._seconds, min(_TIMES_AS_LONG * duration, _LONGEST_SECONDS))
