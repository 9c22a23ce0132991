import json
from collections.abc import Callable, Iterator

import pytest
from airflow.sdk import Connection

from b3.bitcoin.hook import CandleHook
from tests.plugins.b3.bitcoin.candle_server import CandleServer


@pytest.fixture
def candle_server() -> Iterator[CandleServer]:
    server = CandleServer()
    yield server
    server.close()


@pytest.fixture
def hook(candle_server: CandleServer) -> Callable[..., CandleHook]:
    """A hook to the simulated candles, by default as Binance."""

    def make(provider: str = "binance", **extra: object) -> CandleHook:
        given = json.dumps({"source": "simulated", **extra})
        return CandleHook(
            provider,
            connection=Connection(conn_id="btc_default", conn_type="http", host=candle_server.url, extra=given),
        )

    return make
