import datetime as dt

import pytest

from b3.bitcoin import land, raw, refined
from b3.bitcoin.hours import of_day
from b3.bitcoin.land import Hour
from b3.errors import BadLayout, NotPublished
from tests.plugins.b3.exchange import Answer

DATE = dt.date(2026, 10, 31)
KEY = "refined_bitcoin/btc_minutes/trade_date=2026-10-31/symbol=BTCBRL/btc_minutes.parquet"
HOURS = [Hour("BTCBRL", begin) for begin in of_day(DATE)]


@pytest.fixture
def upload(hook, s3, lake):
    """Bring hours of the day to raw_bitcoin/."""

    def write(*numbers, provider="binance"):
        for number in numbers:
            land.capture_hour(hook(provider), s3, lake, HOURS[number])
            raw.write_hour(s3, lake, HOURS[number])

    return write


@pytest.fixture
def refine(s3, lake):
    return lambda: refined.write_day(s3, lake, "BTCBRL", DATE)


@pytest.fixture
def minutes(table):
    return lambda: [row["minute"] for row in table(KEY).to_pylist()]


def test_the_hours_of_a_day_become_one_object_in_order(upload, refine, minutes, table, lake, s3):
    upload(14, 9)

    written = refine()

    assert (written.uri, written.rows) == (lake.uri(KEY), 120)
    assert minutes() == sorted(minutes())
    assert [minutes()[0].hour, minutes()[-1].hour] == [9, 14]
    assert table(KEY).column_names == table(lake.key(raw.write_hour(s3, lake, HOURS[9]).uri)).column_names
    assert s3.head_object(Bucket=lake.bucket, Key=KEY)["Metadata"] == {"source": "simulated", "rows": "120"}


def test_the_object_depends_on_the_hours_and_not_on_the_order_they_came_in(upload, refine, versions, body):
    upload(1, 0)
    refine()
    first = body(KEY)
    upload(0, 1)

    refine()

    assert body(KEY) == first
    assert len(versions()[KEY]) == 1


def test_hours_that_are_missing_whole_are_told_from_the_first_one_of_the_market_on(upload, refine):
    upload(9)
    upload(14)

    missing = refine().missing

    assert (len(missing), missing[0], missing[-1]) == (4 * 60, "10:00", "13:59")


def test_minutes_that_are_missing_are_told(upload, refine, candle_server):
    upload(13)
    candle_server.spoil = lambda answer: Answer(200, b"[]")
    upload(14)

    written = refine()

    assert (written.rows, len(written.missing)) == (60, 60)
    assert (written.missing[0], written.missing[-1]) == ("14:00", "14:59")


def test_a_run_that_is_overtaken_reads_the_hours_again(upload, refine, minutes, s3, monkeypatch):
    upload(0)
    put, overtaken = s3.put_object, []

    def put_late(**request):
        if request["Key"] == KEY and not overtaken:
            overtaken.append(request["Key"])
            upload(1)
            refine()
        return put(**request)

    monkeypatch.setattr(s3, "put_object", put_late)

    assert refine().rows == 120
    assert len(minutes()) == 120
    assert overtaken


def test_a_day_without_raw_minutes_is_named(refine):
    with pytest.raises(NotPublished, match="raw minutes of BTCBRL on 2026-10-31; found none"):
        refine()


def test_an_hour_under_the_name_of_another_is_refused(upload, refine, s3, lake, body):
    upload(3)
    folder = "raw_bitcoin/btc_minutes/trade_date=2026-10-31/symbol=BTCBRL/"
    metadata = {"source": "simulated", "rows": "60"}
    s3.put_object(Bucket=lake.bucket, Key=f"{folder}04.parquet", Body=body(f"{folder}03.parquet"), Metadata=metadata)

    with pytest.raises(BadLayout, match="a minute that repeats or goes back"):
        refine()


def test_an_hour_under_the_name_of_another_day_is_refused(upload, s3, lake, body):
    upload(3)
    key = "raw_bitcoin/btc_minutes/trade_date={}/symbol=BTCBRL/03.parquet"
    metadata = {"source": "simulated", "rows": "60"}
    s3.put_object(Bucket=lake.bucket, Key=key.format("2026-11-01"), Body=body(key.format(DATE)), Metadata=metadata)

    with pytest.raises(BadLayout, match="a minute of another day"):
        refined.write_day(s3, lake, "BTCBRL", dt.date(2026, 11, 1))
