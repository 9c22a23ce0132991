"""A reader of COTAHIST of its own, so that the simulator is not checked against itself, and an HTTP client."""

from __future__ import annotations

import datetime as dt
import http.client
import threading
from collections.abc import Callable
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

import pytest

from local.exchange.files import cotahist_file
from local.exchange.server import ExchangeHTTPServer


class Row(NamedTuple):
    trade_date: str
    bdi_code: str
    ticker: str
    market_type: str
    short_name: str
    specification: str
    forward_days: str
    currency: str
    open: int
    high: int
    low: int
    average: int
    close: int
    best_bid: int
    best_ask: int
    trade_count: int
    quantity: int
    financial_volume: int
    strike_price: int
    strike_correction: str
    expiry_date: str
    quote_factor: int
    strike_points: int
    isin: str
    distribution_number: int


def slice_record(line: str) -> Row:
    def text(start: int, length: int) -> str:
        return line[start - 1 : start - 1 + length].rstrip()

    def number(start: int, length: int) -> int:
        return int(line[start - 1 : start - 1 + length])

    return Row(
        text(3, 8),
        text(11, 2),
        text(13, 12),
        text(25, 3),
        text(28, 12),
        text(40, 10),
        text(50, 3),
        text(53, 4),
        number(57, 13),
        number(70, 13),
        number(83, 13),
        number(96, 13),
        number(109, 13),
        number(122, 13),
        number(135, 13),
        number(148, 5),
        number(153, 18),
        number(171, 18),
        number(189, 13),
        text(202, 1),
        text(203, 8),
        number(211, 7),
        number(218, 13),
        text(231, 12),
        number(243, 3),
    )


@cache
def _rows(session: dt.date) -> list[Row]:
    lines = cotahist_file.session_records(session).decode("latin-1").split("\r\n")
    return [slice_record(line) for line in lines[1:-2]]


@pytest.fixture
def rows_of() -> Callable[[dt.date], list[Row]]:
    """The quotes of a session, in the order of its file."""
    return _rows


@contextmanager
def _serving(exchange):
    with ExchangeHTTPServer(exchange) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        connection = http.client.HTTPConnection(*server.server_address, timeout=10)

        def request(path, method="GET", **headers):
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            return response.status, response.headers, response.read()

        try:
            yield request
        finally:
            connection.close()
            server.shutdown()
            thread.join()


@pytest.fixture
def serving():
    """Serves an exchange in this process for the length of a `with` block, which gets a function to ask it with."""
    return _serving
