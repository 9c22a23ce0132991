"""A provider of Bitcoin's candles refuses, or answers with something else."""

import datetime as dt
import json
from typing import Any

import pytest

from b3.bitcoin import land, raw, refined
from b3.bitcoin.hook import CandleHook
from b3.bitcoin.land import Hour
from b3.errors import Refused, SourceError
from b3.lake.layout import Lake
from tests.faults.fault import Fault, Shown, shows
from tests.plugins.b3.exchange import Answer, Exchange

HOUR = Hour("BTCBRL", dt.datetime(2026, 10, 31, 13, tzinfo=dt.UTC))
REJECTED = "landing/rejected/…/binance.BTCBRL.2026-10-31T13.json"
LATER = "Nothing is written. The next run of btc_minutes asks for the hour again, for four days."
FOR_GOOD = "Nothing is written, and no retry follows. "
KEPT = "The answer is in landing/rejected/; tables stay as they are. "


@pytest.fixture
def capture(exchange: Exchange, hook_to: Any, s3: Any, lake: Lake) -> Any:
    def run(*answers: Answer) -> Any:
        exchange.will(*answers)
        hook = CandleHook("binance", connection=hook_to(exchange.url, attempts=1)._connection)
        return land.capture_hour(hook, s3, lake, HOUR)

    return run


@shows(
    Fault("too many requests for candles", "TransientError: …found status 429 Too Many Requests. binance is failing",
          f"It is asked for as often as the connection says, after Retry-After. {LATER}", 429),
    Fault("the provider of candles does not serve this place", "Refused: …found status 451",
          f"{FOR_GOOD}Choose the other provider with B3_BTC_PROVIDER.", 451),
    Fault("the provider of candles banned this address", "Refused: …found status 418",
          f"{FOR_GOOD}Wait some hours before the task is cleared.", 418),
    Fault("the provider has no such market of Bitcoin", "NotServed: …binance has no such market: see B3_BTC_SYMBOLS.",
          "Nothing is written of that market; the others go on. Correct B3_BTC_SYMBOLS.", 404),
)  # fmt: skip
def test_a_refusal_of_candles_leaves_nothing(fault: Shown, capture: Any, objects: Any, exchange: Exchange) -> None:
    with pytest.raises(SourceError) as error:
        capture(Answer(fault.given))

    fault.is_seen(error.value)
    assert isinstance(error.value, Refused) == (fault.given in (418, 451))
    fault.is_left(objects(), {})


def kline(minute: int, **changed: Any) -> list[Any]:
    at = int(HOUR.begin.timestamp()) * 1000 + minute * 60_000
    fields = {"close": "350000.00", **changed}
    return [
        at,
        "350000.00",
        "350001.00",
        "349999.00",
        fields["close"],
        "1.0",
        at + 59_999,
        "350000.0",
        1,
        "0",
        "0",
        "0",
    ]


@shows(
    Fault("candles are cut short", "Truncated: …expected whole JSON", KEPT + LATER, json.dumps([kline(0)])[:-9]),
    Fault("a web page comes in place of candles", "NotB3Data: …found a web page", KEPT + LATER,
          "<html><title>blocked</title></html>"),
    Fault("a minute comes twice in one answer", "BadLayout: …expected minutes in order, each once", KEPT + LATER,
          json.dumps([kline(0), kline(0)])),
    Fault("a price has more decimals than the tables keep", "BadLayout: …expected amounts of at most 8 decimals",
          KEPT + "No price is rounded. Bring b3.bitcoin up to it.", json.dumps([kline(0, close="0.123456789")])),
)  # fmt: skip
def test_candles_that_are_none_are_kept_aside(fault: Shown, capture: Any, objects: Any) -> None:
    with pytest.raises(SourceError) as error:
        capture(Answer(body=fault.given.encode()))

    fault.is_seen(error.value)
    fault.is_left(sorted(objects()), ["landing/received/…/binance.BTCBRL.2026-10-31T13.json", REJECTED])


@shows(
    Fault("a candle comes late", "13:07", "The hour has 59 minutes, and the task's summary names the missing one. The "
          "next run asks again and fills it; the first answer stays beside the second."),
)  # fmt: skip
def test_a_late_candle_is_filled(fault: Shown, capture: Any, s3: Any, lake: Lake) -> None:
    def refine() -> refined.RefinedDay:
        raw.write_hour(s3, lake, HOUR)
        return refined.write_day(s3, lake, HOUR.symbol, HOUR.trade_date)

    capture(Answer(body=json.dumps([kline(minute) for minute in range(60) if minute != 7]).encode()))
    fault.is_seen(" ".join(refine().missing))
    capture(Answer(body=json.dumps([kline(minute) for minute in range(60)]).encode()))

    filled = refine()
    fault.is_left((filled.rows, filled.missing), (60, []))
