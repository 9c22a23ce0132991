"""The checks of Bitcoin's minutes: each passes on what is right, and fails with its sentence on what is not."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from b3.lake import partitions
from b3.lake.layout import Lake
from tests.include.sql.lab import SQL, TABLES, Answer, Failed, Lab

CHECKS = sorted(path.stem for path in (SQL / "validate" / "bitcoin").glob("*.sql"))
Row = dict[str, Any]
# Each case has a day of its own.
FREE = iter(dt.date(2026, 1, 1) + dt.timedelta(days=number) for number in range(100))


def minutes(day: dt.date, symbol: str) -> list[Row]:
    """Three minutes of a day."""
    first = dt.datetime.combine(day, dt.time(23, 57))
    prices = {"open": "350000", "high": "350010.5", "low": "349999.99", "close": "350001", "volume": "0.00000001"}
    return [
        {
            "trade_date": day, "symbol": symbol, "minute": first + dt.timedelta(minutes=number),
            **{name: Decimal(value) for name, value in prices.items()}, "quote_volume": Decimal("0.0035"), "trades": 1,
            "provider": "binance",
        }
        for number in range(3)
    ]  # fmt: skip


@pytest.fixture
def put(lab: Lab) -> Callable[..., dt.date]:
    """Put the minutes of a day in both tables, spoiled, and register them."""

    def write(spoil: Callable[[list[Row], list[Row]], Any] = lambda raw, refined: None) -> dt.date:
        day = next(FREE)
        for symbol in ("BTCBRL", "BTCUSDT"):
            tables = {"raw_btc_minutes": minutes(day, symbol), "btc_minutes": minutes(day, symbol)}
            if symbol == "BTCUSDT":
                spoil(*tables.values())
            for table, rows in tables.items():
                lab.put(table, rows, str(day), symbol)
                key = f"{TABLES[table]}trade_date={day}/symbol={symbol}/part.parquet"
                lake = Lake(lab.outputs["LakeBucket"])
                partitions.register(lab.glue, lab.outputs["GlueDatabase"], lake, table, [key])
        return day

    return write


@pytest.fixture
def check(lab: Lab) -> Callable[..., Answer]:
    """Run a check of a run that uploaded the last hour of a day, of both markets or of one."""

    def ask(name: str, day: dt.date, *symbols: str) -> Answer:
        return lab.check(name, day, uploaded=[f"{symbol} {day}T23" for symbol in symbols or ("BTCBRL", "BTCUSDT")])

    return ask


@pytest.mark.parametrize("name", CHECKS)
def test_holds_of_minutes_as_they_should_be(check: Any, put: Any, name: str):
    assert check(name, put()).rows == [{name: "1"}]


def test_hours_that_another_run_has_yet_to_refine_are_not_compared(check: Any, put: Any):
    name = "raw_and_refined_minutes_agree"

    assert check(name, put(lambda raw, refined: refined.clear()), "BTCBRL").rows == [{name: "1"}]


SPOILED = [
    ("minutes_are_unique", lambda raw, refined: refined.append(refined[0]),
     "1 minutes repeat, as .* 23:57.* UTC of BTCUSDT in btc_minutes: expected it once, found it 2 times"),
    ("minutes_are_unique", lambda raw, refined: raw.append(raw[2]), "in raw_btc_minutes: expected it once"),
    ("minutes_carry_their_trade_date", lambda raw, refined: refined[2].update(
        minute=refined[2]["minute"] + dt.timedelta(minutes=1)),
     "1 rows in the partitions of .* are of another day.* 00:00.* UTC of BTCUSDT in btc_minutes"),
    ("minutes_carry_their_trade_date", lambda raw, refined: raw[0].update(
        minute=raw[0]["minute"] + dt.timedelta(seconds=1)), "1 rows .* begin within a minute, as .* 23:57:01"),
    ("minute_prices_lie_within_low_and_high", lambda raw, refined: refined[1].update(high=Decimal("350000.99")),
     "1 minutes have open or close outside low and high, as .* of BTCUSDT: found open 350000.0+, close 350001.0+,"),
    ("minute_prices_lie_within_low_and_high", lambda raw, refined: refined[1].update(low=Decimal("350000.01")),
     "1 minutes have open or close outside"),
    ("minute_amounts_are_positive", lambda raw, refined: refined[1].update(low=Decimal(0)),
     "1 minutes have a price that is not above zero, .* found low 0.0+, volume 0.00000001"),
    ("minute_amounts_are_positive", lambda raw, refined: refined[1].update(trades=-1), "1 minutes have a price"),
    ("raw_and_refined_minutes_agree", lambda raw, refined: refined.pop(),
     "1 hours differ .* BTCUSDT .*T23 has 3 minutes, .* found 2 minutes"),
    ("raw_and_refined_minutes_agree", lambda raw, refined: refined[0].update(volume=Decimal("0.00000002")),
     "volume 0.00000003, .* found 3 minutes, volume 0.00000004"),
    ("raw_and_refined_minutes_agree", lambda raw, refined: refined[0].update(close=Decimal("350001.00000001")),
     "prices that sum to"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "spoil", "said"), SPOILED)
def test_fails_with_its_sentence_on(check: Any, put: Any, name: str, spoil: Any, said: str):
    with pytest.raises(Failed, match=said):
        check(name, put(spoil))


def test_every_check_was_seen_to_fail():
    assert {name for name, _, _ in SPOILED} == set(CHECKS)
