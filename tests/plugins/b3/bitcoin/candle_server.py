"""Both providers of candles as the simulated exchange plays them, at an instant that a test sets."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

from local.exchange.files.candle_service import CandleService
from local.exchange.server import candle_routes
from tests.plugins.b3.exchange import Answer, Exchange

LONG_AFTER = dt.datetime(2026, 11, 30, tzinfo=dt.UTC)


class CandleServer(Exchange):
    """The simulated candles; `spoil` stands for an answer that is to be sent in place of the healthy one."""

    def __init__(self) -> None:
        super().__init__()
        self.now = LONG_AFTER
        self.spoil: Callable[[Answer], Answer] | None = None
        self._routes = candle_routes(CandleService(lambda: self.now))

    def answer(self, path: str) -> Answer:
        """The answer to a request."""
        asked = urlsplit(path)
        for pattern, handle in self._routes:
            if match := pattern.fullmatch(f"{unquote(asked.path)}?{asked.query}"):
                found = handle(*match.groups())
                assert isinstance(found.body, bytes)
                headers = {} if found.retry_after is None else {"Retry-After": str(found.retry_after)}
                sent = Answer(found.status.value, found.body, headers)
                return self.spoil(sent) if self.spoil else sent
        return Answer(404)
