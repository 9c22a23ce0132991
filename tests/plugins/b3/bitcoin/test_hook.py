import datetime as dt

import pytest

from b3.bitcoin.hook import CandleHook
from b3.errors import NotServed, Refused, TransientError
from tests.plugins.b3.exchange import Answer

HOUR = dt.datetime(2026, 10, 31, 13, tzinfo=dt.UTC)


@pytest.fixture
def refusing(exchange, hook_to, monkeypatch):
    """A hook to a server that gives prepared answers."""

    def make(*answers, provider="binance"):
        exchange.will(*answers)
        return CandleHook(provider, connection=hook_to(exchange.url)._connection)

    return make


def test_binance_is_asked_for_the_minutes_of_the_hour(refusing, exchange):
    body, download = refusing(Answer(200, b"[]")).download_candles("BTCBRL", HOUR)

    assert body == b"[]"
    assert exchange.requests[0].path == (
        "/api/v3/klines?symbol=BTCBRL&interval=1m&startTime=1793451600000&endTime=1793455199999&limit=1000"
    )
    assert download.source == "binance"


def test_coinbase_is_asked_for_sixty_candles_of_its_own_name_of_the_market(refusing, exchange):
    refusing(Answer(200, b"[]"), provider="coinbase").download_candles("BTCUSDT", HOUR)

    assert exchange.requests[0].path == (
        "/products/BTC-USDT/candles?granularity=60&start=2026-10-31T13%3A00%3A00Z&end=2026-10-31T13%3A59%3A00Z"
    )


def test_without_a_connection_the_providers_public_host_is_asked():
    hook = CandleHook("coinbase", connection=None)
    hook._find_connection = lambda: None
    hook.get_conn()

    assert hook.base_url == "https://api.exchange.coinbase.com"


def test_too_many_requests_are_waited_for_as_long_as_the_provider_says(refusing, waits):
    hook = refusing(Answer(429, headers={"Retry-After": "7"}), Answer(200, b"[]"))

    assert hook.download_candles("BTCBRL", HOUR)[0] == b"[]"
    assert waits == [7]


def test_a_provider_that_wants_to_be_left_alone_for_long_is_not_asked_earlier(refusing, waits, exchange):
    with pytest.raises(TransientError, match="status 429"):
        refusing(Answer(429, headers={"Retry-After": "600"})).download_candles("BTCBRL", HOUR)

    assert len(exchange.requests) == 1
    assert waits == []


def test_too_many_requests_for_too_long_fail_in_a_way_that_may_pass(refusing, waits, exchange):
    with pytest.raises(TransientError, match=r"status 429.* binance is failing"):
        refusing(Answer(429)).download_candles("BTCBRL", HOUR)

    assert len(exchange.requests) == 5


@pytest.mark.parametrize(
    ("status", "hint"), [(451, "Choose the other provider"), (418, "makes the ban longer"), (403, "firewall")]
)
def test_a_refusal_of_this_client_is_asked_once(refusing, waits, exchange, status, hint):
    with pytest.raises(Refused, match=f"status {status}.*{hint}"):
        refusing(Answer(status)).download_candles("BTCBRL", HOUR)

    assert (len(exchange.requests), waits) == (1, [])


def test_a_market_that_the_provider_has_not_is_named_by_its_setting(refusing):
    with pytest.raises(NotServed, match="B3_BTC_SYMBOLS"):
        refusing(Answer(404), provider="coinbase").download_candles("BTCBRL", HOUR)
