import datetime as dt
import time
from dataclasses import replace

import pytest

from b3.bitcoin import land
from b3.bitcoin.land import Hour, NotOver
from b3.errors import BadLayout, Refused, Truncated
from tests.plugins.b3.exchange import Answer

HOUR = Hour("BTCBRL", dt.datetime(2026, 10, 31, 13, tzinfo=dt.UTC))
FOLDER = "landing/bitcoin/trade_date=2026-10-31/symbol=BTCBRL/"


@pytest.fixture
def landed(versions):
    return lambda: [key for key in versions() if key.startswith(FOLDER)]


def test_an_answer_lands_as_it_was_sent_with_its_origin(hook, s3, lake, landed, body, candle_server):
    file = land.capture_hour(hook(), s3, lake, HOUR)

    (key,) = landed()
    assert (file.uri, key) == (lake.uri(key), f"{FOLDER}13.binance.{file.sha256[:16]}.json")
    assert body(key) == candle_server.answer(candle_server.requests[0].path).body
    assert file.source == "simulated"
    assert file.url.startswith(f"{candle_server.url}/api/v3/klines?symbol=BTCBRL")


def test_the_same_answer_again_changes_nothing(hook, s3, lake, versions):
    land.capture_hour(hook(), s3, lake, HOUR)
    before = versions()

    land.capture_hour(hook(), s3, lake, HOUR)

    assert versions() == before


def test_an_answer_with_more_candles_lies_beside_the_former_one(hook, s3, lake, landed, candle_server):
    candle_server.spoil = lambda answer: Answer(200, b"[]")
    first = land.capture_hour(hook(), s3, lake, HOUR)
    candle_server.spoil = None

    second = land.capture_hour(hook(), s3, lake, HOUR)

    assert {lake.uri(key) for key in landed()} == {first.uri, second.uri}


def test_an_answer_that_comes_back_after_another_one_wins_again(hook, s3, lake, landed, versions, candle_server):
    """Times are kept to the second."""
    written = []
    for spoil in (None, lambda answer: Answer(200, b"[]"), None, None):
        candle_server.spoil = spoil
        written.append(land.capture_hour(hook(), s3, lake, HOUR).uri)
        time.sleep(1.1)

    times = {key: s3.head_object(Bucket=lake.bucket, Key=key)["Metadata"]["fetched-at"] for key in landed()}
    assert lake.uri(max(times, key=times.__getitem__)) == written[0] == written[3] != written[1]
    assert sorted(len(found) for key, found in versions().items() if key in times) == [1, 2]


@pytest.mark.parametrize(("spoilt", "kind"), [(lambda body: body[:-5], Truncated), (lambda body: b"{}", BadLayout)])
def test_a_bad_answer_is_kept_aside(hook, s3, lake, versions, candle_server, spoilt, kind):
    candle_server.spoil = lambda answer: replace(answer, body=spoilt(answer.body))

    with pytest.raises(kind) as error:
        land.capture_hour(hook(), s3, lake, HOUR)

    assert "are kept in s3://" in error.value.__notes__[0]
    assert {key.split("/")[1] for key in versions()} == {"received", "rejected"}


def test_a_refusal_leaves_nothing(hook, s3, lake, versions):
    with pytest.raises(Refused, match="451"):
        land.capture_hour(hook(), s3, lake, replace(HOUR, symbol="BTCRUB"))

    assert versions() == {}


@pytest.mark.parametrize(("seconds", "over"), [(3599, False), (3604, False), (3605, True), (7200, True)])
def test_an_hour_is_over_some_seconds_after_its_last_candle_closed(seconds, over):
    now = HOUR.begin + dt.timedelta(seconds=seconds)
    if over:
        land.check_over(HOUR.begin, now)
    else:
        with pytest.raises(NotOver, match="it ends at 14:00"):
            land.check_over(HOUR.begin, now)


def test_an_hour_is_written_and_read_as_text():
    assert str(HOUR) == "BTCBRL 2026-10-31T13"
    assert Hour.of(str(HOUR)) == HOUR
    assert HOUR.trade_date == dt.date(2026, 10, 31)
