import datetime as dt
import json
from decimal import Decimal

import pytest

from local.exchange.files.candle_service import CandleService

BEGIN = dt.datetime(2026, 10, 31, 13, tzinfo=dt.UTC)
LONG_AFTER = BEGIN + dt.timedelta(days=9)


def at(instant):
    return CandleService(lambda: instant)


def klines(service, hour=BEGIN, symbol="BTCBRL", **changed):
    begin = int(hour.timestamp()) * 1000
    given = {"symbol": symbol, "interval": "1m", "startTime": begin, "endTime": begin + 3_599_999, "limit": 1000}
    return service.klines("&".join(f"{name}={value}" for name, value in (given | changed).items() if value is not None))


def product(service, hour=BEGIN, name="BTC-USD", last=59, granularity=60):
    end = hour + dt.timedelta(minutes=last)
    query = f"granularity={granularity}&start={hour:%Y-%m-%dT%H:%M:%SZ}&end={end:%Y-%m-%dT%H:%M:%SZ}"
    return service.product_candles(name, query)


def rows(answer):
    assert answer.status == 200, answer
    return json.loads(answer.body)


def hours(count):
    return [BEGIN + dt.timedelta(hours=number) for number in range(count)]


def asked_twice(service, hour, ask=klines):
    """The answer; a range may be refused at its first request."""
    answer = ask(service, hour)
    return answer if answer.status == 200 else ask(service, hour)


def test_an_hour_of_binance_has_sixty_candles_that_keep_the_rules():
    found = rows(klines(at(LONG_AFTER)))

    assert [row[0] for row in found] == [int(BEGIN.timestamp()) * 1000 + 60_000 * number for number in range(60)]
    for row in found:
        first, high, low, last, volume = map(Decimal, row[1:6])
        assert 0 < low <= min(first, last) <= max(first, last) <= high
        assert volume > 0
        assert row[6] == row[0] + 59_999
        assert 200_000 < last < 500_000


def test_a_price_goes_on_from_minute_to_minute_and_the_same_minute_is_always_the_same():
    found = rows(klines(at(LONG_AFTER)))

    assert [row[1] for row in found[1:]] == [row[4] for row in found[:-1]]
    assert klines(at(LONG_AFTER)).body == klines(at(LONG_AFTER)).body
    assert rows(klines(at(LONG_AFTER), symbol="BTCUSDT"))[0][1] != found[0][1]


def test_a_candle_comes_once_it_is_closed():
    assert rows(klines(at(BEGIN + dt.timedelta(seconds=59)))) == []
    assert len(rows(klines(at(BEGIN + dt.timedelta(seconds=60))))) == 1


def test_a_few_candles_come_late_and_all_come():
    counts = [len(rows(asked_twice(at(hour + dt.timedelta(hours=1)), hour))) for hour in hours(48)]

    assert 5 < 48 * 60 - sum(counts) < 40
    assert {len(rows(asked_twice(at(hour + dt.timedelta(hours=3)), hour))) for hour in hours(48)} == {60}


def test_coinbase_sends_the_newest_first_and_nothing_of_a_minute_without_a_trade():
    counts = []
    for hour in hours(48):
        found = rows(asked_twice(at(LONG_AFTER), hour, product))
        counts.append(len(found))
        assert [row[0] for row in found] == sorted((row[0] for row in found), reverse=True)
        assert all(low <= min(first, last) and max(first, last) <= high for _, low, high, first, last, _ in found)

    assert 3 < 48 * 60 - sum(counts) < 25


def test_some_ranges_are_refused_at_first_and_served_at_the_next_request():
    service = at(LONG_AFTER)
    first = [klines(service, hour) for hour in hours(200)]
    again = [klines(service, hour) for hour in hours(200)]

    refused = [answer for answer in first if answer.status == 429]
    assert 1 <= len(refused) < 20
    assert {answer.retry_after for answer in refused} == {1}
    assert {answer.status for answer in again} == {200}


def test_a_market_that_is_not_served_here_is_a_451():
    assert klines(at(LONG_AFTER), symbol="BTCRUB").status == 451
    assert product(at(LONG_AFTER), name="BTC-RUB").status == 451


@pytest.mark.parametrize("changed", [{"symbol": "ETHBRL"}, {"interval": "5m"}, {"startTime": None}, {"endTime": "x"}])
def test_binance_refuses_what_it_does_not_know(changed):
    assert klines(at(LONG_AFTER), **changed).status == 400


def test_coinbase_refuses_what_it_does_not_know():
    assert product(at(LONG_AFTER), name="ETH-USD").status == 404
    assert product(at(LONG_AFTER), last=300).status == 400
    assert product(at(LONG_AFTER), granularity=61).status == 400
