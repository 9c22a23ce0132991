import datetime as dt
import io
import json
import urllib.error
import urllib.request

import pytest

from infra.lambdas import poll

NOW = dt.datetime(2026, 11, 27, 13, 0, tzinfo=dt.UTC)
OPENED = int(NOW.timestamp()) * 1000 - 60_000


def candle(opened: int = OPENED, **changed: object) -> list[object]:
    values = [opened, "500000.10", "500000.20", "499999.00", "500000.00", "0.00000000", opened + 59_999, "0.0", 7]
    for position, value in changed.items():
        values[int(position.removeprefix("at"))] = value
    return [*values, "0", "0", "0"]


class Firehose:
    """Refuses some records at its first calls."""

    def __init__(self, *refused: int) -> None:
        self.refused, self.put = list(refused), []

    broken = False

    def put_record_batch(self, *, DeliveryStreamName: str, Records: list[dict[str, bytes]]) -> dict[str, object]:  # noqa: N803
        if self.broken:
            raise RuntimeError("no such stream")
        count = self.refused.pop(0) if self.refused else 0
        self.put.append([record["Data"] for record in Records])
        answers = [{"ErrorCode": "ServiceUnavailableException"}] * count
        return {"RequestResponses": answers + [{"RecordId": "1"}] * (len(Records) - count)}


@pytest.fixture
def firehose(monkeypatch) -> Firehose:
    made = Firehose()
    monkeypatch.setattr(poll, "_firehose", lambda: made)
    monkeypatch.setattr(poll, "_PAUSE_SECONDS", 0)
    monkeypatch.setenv("STREAM", "b3-bitcoin")
    return made


class TestClosed:
    def test_keeps_the_providers_text(self):
        (record,) = poll.closed([candle()], "BTCBRL", NOW)

        assert record == {
            "symbol": "BTCBRL", "minute": "2026-11-27T12:59:00Z", "open": "500000.10", "high": "500000.20",
            "low": "499999.00", "close": "500000.00", "volume": "0.00000000", "quote_volume": "0.0", "trades": "7",
            "provider": "binance", "polled_at": "2026-11-27T13:00:00Z",
        }  # fmt: skip

    def test_leaves_out_the_minute_that_is_not_over(self):
        assert list(poll.closed([candle(OPENED + 60_000)], "BTCBRL", NOW)) == []

    @pytest.mark.parametrize(
        "changed",
        [{"at1": 500000.10}, {"at1": "NaN"}, {"at1": "-1"}, {"at0": OPENED + 1}, {"at6": OPENED + 3_599_999}],
        ids=["float", "no number", "below zero", "within a minute", "an hour's candle"],
    )
    def test_refuses_what_is_no_candle_of_a_minute(self, changed):
        with pytest.raises(poll.BadAnswer, match="expected a candle of one minute"):
            list(poll.closed([candle(**changed)], "BTCBRL", NOW))

    def test_refuses_a_candle_that_is_cut_short(self):
        with pytest.raises(poll.BadAnswer):
            list(poll.closed([candle()[:5]], "BTCBRL", NOW))


class TestAsk:
    def test_asks_for_the_minutes_before_the_events_time(self, monkeypatch):
        asked = []

        def answer(url: str, timeout: float) -> io.BytesIO:
            asked.append(url)
            return io.BytesIO(json.dumps([candle()]).encode())

        monkeypatch.setattr(urllib.request, "urlopen", answer)
        monkeypatch.setenv("KLINES_URL", "https://provider/klines")
        monkeypatch.setenv("MINUTES", "3")

        assert poll.ask("BTCBRL", NOW) == [candle()]
        end = int(NOW.timestamp()) * 1000
        query = f"symbol=BTCBRL&interval=1m&startTime={end - 180_000}&endTime={end}&limit=1000"
        assert asked == [f"https://provider/klines?{query}"]

    def test_refuses_an_answer_that_is_no_list(self, monkeypatch):
        monkeypatch.setattr(urllib.request, "urlopen", lambda url, timeout: io.BytesIO(b'{"msg": "maintenance"}'))
        monkeypatch.setenv("KLINES_URL", "https://provider/klines")
        monkeypatch.setenv("MINUTES", "3")

        with pytest.raises(poll.BadAnswer, match="maintenance"):
            poll.ask("BTCBRL", NOW)


class TestPut:
    RECORDS = ({"symbol": "BTCBRL", "minute": "a"}, {"symbol": "BTCBRL", "minute": "b"})

    def test_puts_a_json_line_for_each_record(self, firehose):
        assert poll.put(list(self.RECORDS)) == []
        assert firehose.put == [[b'{"symbol":"BTCBRL","minute":"a"}\n', b'{"symbol":"BTCBRL","minute":"b"}\n']]

    def test_puts_again_what_was_not_taken_and_nothing_else(self, firehose):
        firehose.refused = [1]

        assert poll.put(list(self.RECORDS)) == []
        assert [len(batch) for batch in firehose.put] == [2, 1]

    def test_tells_what_was_never_taken(self, firehose):
        firehose.refused = [2, 1, 1, 1]

        assert poll.put(list(self.RECORDS)) == ["1 records that Firehose did not take (ServiceUnavailableException)"]

    def test_asks_nothing_of_firehose_without_a_record(self, firehose):
        assert poll.put([]) == []
        assert firehose.put == []

    def test_puts_no_more_at_once_than_firehose_takes(self, firehose):
        assert poll.put([{"minute": str(number)} for number in range(1_001)]) == []
        assert [len(batch) for batch in firehose.put] == [500, 500, 1]

    def test_tells_that_firehose_refuses_a_call(self, firehose):
        firehose.broken = True

        assert poll.put(list(self.RECORDS)) == ["2 records that Firehose did not take (RuntimeError: no such stream)"]


class TestAPoll:
    @pytest.fixture
    def refuse(self, firehose, monkeypatch):
        """Poll three symbols, of which the second is refused with a status; return those asked and the failure."""
        monkeypatch.setenv("B3_BTC_SYMBOLS", "BTCBRL,BTCUSDT,BTCEUR")
        asked: list[str] = []

        def run(status: int) -> tuple[list[str], str]:
            def ask(symbol: str, now: dt.datetime) -> list[object]:
                asked.append(symbol)
                if symbol == "BTCUSDT":
                    raise urllib.error.HTTPError("https://provider", status, "refused", {}, None)
                return [candle()]

            monkeypatch.setattr(poll, "ask", ask)
            with pytest.raises(poll.NotPolled) as raised:
                poll.handler({"time": "2026-11-27T13:00:00Z"}, None)
            return asked, str(raised.value)

        return run

    @pytest.mark.parametrize("status", [418, 429, 451])
    def test_asks_for_no_other_symbol_once_the_provider_refuses_all(self, refuse, firehose, status):
        asked, told = refuse(status)

        assert asked == ["BTCBRL", "BTCUSDT"]
        assert "BTCEUR: not asked" in told
        assert [len(batch) for batch in firehose.put] == [1]

    def test_asks_for_the_others_after_any_other_failure(self, refuse, firehose):
        asked, told = refuse(400)

        assert asked == ["BTCBRL", "BTCUSDT", "BTCEUR"]
        assert "BTCUSDT: HTTPError" in told
        assert [len(batch) for batch in firehose.put] == [2]

    def test_tells_the_missing_symbols_too_where_firehose_refuses(self, refuse, firehose):
        firehose.broken = True

        _, told = refuse(400)

        assert "BTCUSDT: HTTPError" in told
        assert "no such stream" in told
