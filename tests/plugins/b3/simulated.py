"""The simulated exchange, with any of its answers spoiled."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from urllib.parse import unquote

from local.exchange import server
from local.exchange.simulation import Simulation
from tests.plugins.b3.exchange import Answer, Exchange

# Early in a year, so that the year's file is soon made: a Thursday, the fifth session of 2026.
TODAY = dt.date(2026, 1, 8)
NIGHT = dt.datetime(2026, 1, 9, 1, 50, tzinfo=dt.UTC)  # 22:50 in São Paulo

Spoil = Callable[[Answer], Answer]


@cache
def _routes() -> list[server.Route]:
    return server.routes(Simulation(lambda: TODAY))


@cache
def healthy(path: str) -> Answer:
    """What the simulated exchange answers on TODAY."""
    for pattern, handle in _routes():
        match = pattern.fullmatch(unquote(path))
        if match:
            found = handle(*match.groups())
            body = found.body if isinstance(found.body, bytes) else found.body.read()
            return Answer(found.status.value, body, {"Content-Type": found.content_type})
    return Answer(404)


class SpoiledExchange(Exchange):
    """As the simulated exchange on TODAY; the answers to paths that contain a given text are spoiled."""

    def __init__(self) -> None:
        super().__init__()
        self._spoiled: dict[str, Spoil] = {}

    def spoil(self, part: str, how: Spoil) -> None:
        """From now on answer paths that contain `part` with `how` of the healthy answer."""
        self._spoiled[part] = how

    def answer(self, path: str) -> Answer:
        """The answer to a request."""
        found = healthy(path)
        for part, how in self._spoiled.items():
            if part in path:
                return how(replace(found, headers=dict(found.headers)))
        return found

    @property
    def asked(self) -> Counter[str]:
        """How often each path was asked for."""
        return Counter(request.path for request in self.requests)
