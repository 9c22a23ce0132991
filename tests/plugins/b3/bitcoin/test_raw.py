import datetime as dt
import json

import pytest

from b3.bitcoin import candles, land, raw
from b3.bitcoin.land import Hour
from b3.errors import NotPublished, SourceError
from b3.lake.layout import raw_btc_minutes_key

BEGIN = dt.datetime(2026, 10, 31, 13, tzinfo=dt.UTC)
HOUR = Hour("BTCBRL", BEGIN)
FOLDER = "landing/bitcoin/trade_date=2026-10-31/symbol=BTCBRL/"
KEY = "raw_bitcoin/btc_minutes/trade_date=2026-10-31/symbol=BTCBRL/13.parquet"


def klines(*minutes, close="350000.00", hour=BEGIN):
    """An answer of Binance with these minutes of an hour."""
    opened = [int(hour.timestamp()) * 1000 + minute * 60_000 for minute in minutes]
    rows = [
        [at, "350000.00", "360000.00", "340000.00", close, "1.0", at + 59_999, "350000.00", 9, "0", "0", "0"]
        for at in opened
    ]
    return json.dumps(rows).encode()


@pytest.fixture
def land_answer(put_landed, s3, lake):
    """Land an answer for an hour; later ones were fetched later."""
    fetched = iter(range(100))

    def put(body, hour=HOUR, name=""):
        number = next(fetched)
        folder = f"landing/bitcoin/trade_date={hour.trade_date}/symbol={hour.symbol}/"
        # A name that sorts against the order of the fetches.
        key = f"{folder}{hour.begin.hour:02}.binance.{name or f'{99 - number:02}'}.json"
        landed = put_landed(key, body)
        at = f"2026-11-01T00:00:{number:02}+00:00"
        s3.put_object(Bucket=lake.bucket, Key=key, Body=body, Metadata={**landed.metadata(), "fetched-at": at})
        return landed

    return put


@pytest.fixture
def minutes(table):
    """The minutes of the raw object, with their closes."""
    return lambda: [(row["minute"].minute, int(row["close"])) for row in table(KEY).to_pylist()]


def test_an_hour_is_one_object_of_its_minutes(hook, s3, lake, table, body):
    landed = land.capture_hour(hook(), s3, lake, HOUR)

    written = raw.write_hour(s3, lake, HOUR)

    assert written == raw.RawHour(lake.uri(KEY), 60)
    assert table(KEY).equals(candles.read_table(body(lake.key(landed.uri)), provider="binance", hour=BEGIN, source=""))
    assert s3.head_object(Bucket=lake.bucket, Key=KEY)["Metadata"] == landed.metadata() | {"rows": "60"}


def test_written_again_it_is_the_same_object(hook, s3, lake, versions):
    land.capture_hour(hook(), s3, lake, HOUR)
    raw.write_hour(s3, lake, HOUR)
    before = versions()

    raw.write_hour(s3, lake, HOUR)

    assert versions() == before


def test_a_late_minute_joins_those_that_came_first(land_answer, s3, lake, minutes):
    land_answer(klines(0, 2))
    assert raw.write_hour(s3, lake, HOUR).rows == 2

    land_answer(klines(1, 2))

    assert raw.write_hour(s3, lake, HOUR).rows == 3
    assert [minute for minute, _ in minutes()] == [0, 1, 2]


def test_of_a_minute_that_differs_the_answer_fetched_last_wins(land_answer, s3, lake, minutes, caplog):
    land_answer(klines(0, 1))
    land_answer(klines(1, close="351000"))

    raw.write_hour(s3, lake, HOUR)

    assert minutes() == [(0, 350_000), (1, 351_000)]
    assert "2026-10-31 13:01:00 of BTCBRL 2026-10-31T13 differs" in caplog.text


def test_an_hour_in_which_the_provider_had_nothing_is_an_object_without_rows(land_answer, s3, lake, minutes):
    land_answer(b"[]")

    assert raw.write_hour(s3, lake, HOUR).rows == 0
    assert minutes() == []


def test_an_hour_that_never_landed_is_named(s3, lake):
    with pytest.raises(NotPublished, match=r"candles of BTCBRL 2026-10-31T13; found none. Run scrape"):
        raw.write_hour(s3, lake, HOUR)


def test_a_damaged_answer_is_named_and_readers_see_the_former_object(land_answer, s3, lake, versions):
    landed = land_answer(klines(0))
    raw.write_hour(s3, lake, HOUR)
    metadata = landed.metadata()
    s3.put_object(Bucket=lake.bucket, Key=lake.key(landed.uri), Body=b"[]", Metadata=metadata)
    before = versions()[KEY]

    with pytest.raises(SourceError, match="expected the bytes of sha256"):
        raw.write_hour(s3, lake, HOUR)

    assert versions()[KEY] == before


class TestHoursWithGaps:
    @pytest.fixture
    def has(self, land_answer, s3, lake):
        """Write the raw object of an hour so many hours before BEGIN, with so many of its minutes."""

        def write(hours_before, minutes=60):
            hour = Hour("BTCBRL", BEGIN - dt.timedelta(hours=hours_before))
            land_answer(klines(*range(minutes), hour=hour.begin), hour)
            raw.write_hour(s3, lake, hour)
            return hour

        return write

    @pytest.fixture
    def gaps(self, s3, lake):
        return lambda: raw.hours_with_gaps(s3, lake, "BTCBRL", BEGIN)

    def test_an_empty_lake_has_none(self, gaps):
        assert gaps() == []

    def test_whole_hours_have_none_and_hours_before_them_were_never_asked_for(self, has, gaps):
        has(2)
        has(1)

        assert gaps() == []

    def test_an_hour_that_lacks_a_minute_has_one_on_the_day_before_too(self, has, gaps):
        yesterday, _, today = has(23, 59), has(22), has(1, 0)

        assert gaps()[0] == yesterday
        assert gaps()[-1] == today

    def test_an_hour_whose_run_failed_between_others_is_one(self, has, gaps):
        has(3)
        has(1)

        assert gaps() == [Hour("BTCBRL", BEGIN - dt.timedelta(hours=2))]

    def test_minutes_that_are_older_than_a_day_stay_missing_and_whole_hours_do_not(self, has, gaps):
        has(25, 59)
        has(24)

        assert gaps() == [Hour("BTCBRL", BEGIN - dt.timedelta(hours=number)) for number in range(23, 0, -1)]

    def test_after_an_outage_every_hour_of_four_days_is_one(self, has, gaps):
        has(24 * 30)

        assert gaps() == [Hour("BTCBRL", BEGIN - dt.timedelta(hours=number)) for number in range(96, 0, -1)]

    def test_an_outage_since_the_first_hour_of_the_lake_is_one(self, has, gaps):
        has(90)

        assert len(gaps()) == 89

    def test_another_market_is_another_matter(self, has, s3, lake):
        has(1, 59)

        assert raw.hours_with_gaps(s3, lake, "BTCUSDT", BEGIN) == []
        assert raw_btc_minutes_key(HOUR.trade_date, "BTCBRL", 13) == KEY
