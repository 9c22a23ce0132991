import datetime as dt
import json
from decimal import Decimal

import pytest

from b3.bitcoin import stream
from b3.errors import BadLayout
from b3.lake import layout

HOUR = dt.datetime(2026, 11, 27, 12, tzinfo=dt.UTC)
MINUTE = dt.datetime(2026, 11, 27, 12, 59)  # noqa: DTZ001 - as btc_minutes has it


def record(minute: str = "2026-11-27T12:59:00Z", polled_at: str = "2026-11-27T13:00:00Z", **changed: object) -> str:
    amounts = {"open": "1.10", "high": "2", "low": "1", "close": "1.5", "volume": "0.00000000"}
    return json.dumps({"symbol": "BTCBRL", "minute": minute, **amounts, "polled_at": polled_at, **changed})


def amounts(close: str = "1.5") -> tuple[Decimal, ...]:
    return tuple(map(Decimal, ("1.1", "2", "1", close, "0")))


@pytest.fixture
def put(s3, lake):
    def run(name: str, *lines: str, hour: dt.datetime = HOUR) -> None:
        key = f"{layout.bitcoin_stream_prefix(hour)}{name}"
        s3.put_object(Bucket=lake.bucket, Key=key, Body="".join(f"{line}\n" for line in lines).encode())

    return run


class TestReading:
    def test_takes_each_minute_once_as_it_was_polled_last(self, s3, lake, put):
        put("1", record(close="1.4"))
        put("2", record(polled_at="2026-11-27T13:02:00Z"), record(polled_at="2026-11-27T13:01:00Z", close="1.3"))

        assert stream.read(s3, lake, [HOUR]) == {("BTCBRL", MINUTE): amounts()}

    def test_finds_the_minutes_that_came_after_their_hour_and_leaves_out_those_of_other_hours(self, s3, lake, put):
        later = HOUR + dt.timedelta(hours=1)
        put("1", record(), record(minute="2026-11-27T13:00:00Z"), hour=later)

        assert stream.read(s3, lake, [HOUR]).keys() == {("BTCBRL", MINUTE)}
        assert stream.read(s3, lake, [HOUR, later]).keys() == {
            ("BTCBRL", MINUTE), ("BTCBRL", MINUTE + dt.timedelta(minutes=1)),
        }  # fmt: skip

    def test_finds_the_minutes_in_an_object_that_was_begun_in_the_hour_before(self, s3, lake, put):
        put("1", record(minute="2026-11-27T12:05:00Z"), hour=HOUR - dt.timedelta(hours=1))

        assert stream.read(s3, lake, [HOUR]).keys() == {("BTCBRL", MINUTE.replace(minute=5))}

    @pytest.mark.parametrize("line", ["{}", "no json", record(open=1.1), record(open="x"), record(minute="yesterday")])
    def test_refuses_what_the_poller_does_not_write(self, s3, lake, put, line):
        put("1", record(), line)

        with pytest.raises(BadLayout, match="expected records of the poller"):
            stream.read(s3, lake, [HOUR])

    def test_knows_whether_there_is_a_stream(self, s3, lake, put):
        assert not stream.is_there(s3, lake)
        put("1", record())
        assert stream.is_there(s3, lake)


class TestComparing:
    NEXT = MINUTE + dt.timedelta(minutes=1)

    def test_finds_equal_amounts_however_they_are_written(self):
        found = stream.compare({("BTCBRL", MINUTE): amounts("1.50")}, {("BTCBRL", MINUTE): amounts("1.5")})

        assert found == stream.Comparison(equal=1, lacking=[], beyond=[], differing=[])

    def test_tells_what_the_stream_lacks(self):
        found = stream.compare({}, {("BTCBRL", self.NEXT): amounts(), ("BTCBRL", MINUTE): amounts()})

        assert found.lacking == [("BTCBRL", MINUTE), ("BTCBRL", self.NEXT)]

    def test_tells_what_differs_with_both_amounts(self):
        found = stream.compare({("BTCBRL", MINUTE): amounts("1.6")}, {("BTCBRL", MINUTE): amounts()})

        assert found.differing == [
            "BTCBRL 2026-11-27T12:59: expected open 1.1 high 2 low 1 close 1.5 volume 0, "
            "found open 1.1 high 2 low 1 close 1.6 volume 0"
        ]

    def test_tells_what_only_the_stream_has(self):
        found = stream.compare({("BTCBRL", MINUTE): amounts()}, {})

        assert (found.beyond, found.differing) == ([("BTCBRL", MINUTE)], [])

    def test_takes_the_candles_of_its_hours_alone(self):
        rows = [
            {"minute": minute, **dict(zip(stream.AMOUNTS, amounts(), strict=True))} for minute in (MINUTE, self.NEXT)
        ]

        assert stream.candles_of(rows, "BTCBRL", [HOUR]) == {("BTCBRL", MINUTE): amounts()}
