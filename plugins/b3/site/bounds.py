"""Bounds of an answer of B3: its bytes, and the time that it may take."""

from __future__ import annotations

import contextlib
import socket
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from b3.errors import NotB3Data, SourceError, TransientError

if TYPE_CHECKING:
    import requests

# The most bytes of a refused answer that are kept: more would tell nothing.
MOST_KEPT = 16 << 20


class Watch:
    """A clock that ends the connections of a session.

    A timeout of a socket starts again at each byte. So only another thread can end an answer that trickles.

    Attributes:
        expired: whether the time of the last `limit` is over.
    """

    def __init__(self) -> None:
        self.expired = False
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._lock = threading.Lock()

    def add(self, connected: socket.socket) -> None:
        """Watch a connected socket."""
        with self._lock:
            self._sockets.add(connected)
            if self.expired:
                _end(connected)

    @contextmanager
    def limit(self, seconds: float) -> Iterator[None]:
        """End all connections if the `with` block takes longer than `seconds`."""
        self.expired = False
        timer = threading.Timer(seconds, self._expire)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _expire(self) -> None:
        with self._lock:
            self.expired = True
            for connected in self._sockets:
                _end(connected)


def _end(connected: socket.socket) -> None:
    # Not the method of SSLSocket: it drops the TLS object that the other thread is reading with.
    with contextlib.suppress(OSError):
        socket.socket.shutdown(connected, socket.SHUT_RDWR)


def check_announced(answer: requests.Response, url: str, kind: str, limit: int) -> None:
    """Raise NotB3Data if an answer announces more bytes than `limit`, and none of them would be kept."""
    announced = _announced(answer)
    if limit > MOST_KEPT and announced.isdecimal() and int(announced) > limit:
        raise NotB3Data(
            source=url,
            expected=f"{kind} of at most {limit} bytes",
            found=f"{announced} bytes announced",
            hint="None of them was taken. Open the address in a browser, and look at the answer.",
        )


def check_size(size: int, url: str, kind: str, limit: int) -> None:
    """Raise NotB3Data if `size` bytes are more than `limit`."""
    if size > limit:
        raise NotB3Data(
            source=url,
            expected=f"{kind} of at most {limit} bytes",
            found="more",
            hint=f"The rest was not taken; at most {MOST_KEPT} bytes are kept. Open the address in a browser.",
        )


def check_length(answer: requests.Response, url: str, size: int) -> None:
    """Raise a SourceError unless an answer of `size` bytes has as many as it announced.

    Raises:
        TransientError: it has fewer or more.
        SourceError: what it announced is not one number.
    """
    announced = _announced(answer)
    if not announced:
        return
    if not (announced.isascii() and announced.isdecimal()):
        raise SourceError(
            source=url,
            expected="one number in the header Content-Length",
            found=f"{announced[:80]!r}, and {size} bytes",
            hint="It can't be known whether the answer is whole: run the task again.",
        )
    if int(announced) != size:
        raise TransientError(
            source=url, expected=f"{announced} bytes", found=f"{size} bytes", hint="Run the task again."
        )


def _announced(answer: requests.Response) -> str:
    """Return the header Content-Length, "" without one or if it counts compressed bytes."""
    return "" if "Content-Encoding" in answer.headers else answer.headers.get("Content-Length", "")
