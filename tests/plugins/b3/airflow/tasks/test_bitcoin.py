"""The tasks of btc_minutes, run one after the other as its DAG does, against simulated providers and a lake."""

import datetime as dt
import json
from collections import Counter
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from airflow.sdk.exceptions import AirflowFailException

from b3.airflow import aws
from b3.airflow.tasks import bitcoin
from b3.bitcoin import hours
from b3.errors import BadLayout, TransientError
from local.cost import bitcoin as cost
from tests.plugins.b3.bitcoin.candle_server import CandleServer
from tests.plugins.b3.exchange import Answer

WEEK = [dt.date(2026, 10, 26) + dt.timedelta(days=number) for number in range(7)]
BEGIN = dt.datetime(2026, 10, 26, 13, tzinfo=dt.UTC)
DAY = "refined_bitcoin/btc_minutes/trade_date={}/symbol={}/btc_minutes.parquet"


class Killed(BaseException):
    """What a killed process does not survive."""


class Told:
    """A task instance that keeps what is pushed."""

    def __init__(self) -> None:
        self.pushed: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = json.loads(json.dumps(value))


@pytest.fixture
def server():
    server = CandleServer()
    yield server
    server.close()


@pytest.fixture
def settled(monkeypatch, server):
    """The clock: at this instant everybody acts, and the seconds that tasks sleep pass at once."""

    def sleep(seconds):
        server.now += dt.timedelta(seconds=seconds)

    monkeypatch.setattr("b3.calendar.publication.now", lambda: server.now)
    monkeypatch.setattr("b3.airflow.tasks.bitcoin.time.sleep", sleep)

    def at(instant):
        server.now = instant

    return at


@pytest.fixture(scope="session")
def glue(aws_server):
    given = {"aws_access_key_id": "local", "aws_secret_access_key": aws_server.secret}
    return boto3.client("glue", endpoint_url=aws_server.endpoint, region_name="sa-east-1", **given)


@pytest.fixture
def catalog(aws_server, s3, glue, lake, monkeypatch, server, waits):
    """The two tables in a database of the test; the tasks' environment, with clients that are made once."""
    monkeypatch.setattr(aws, "s3_client", lambda: s3)
    monkeypatch.setattr(aws, "glue_client", lambda: glue)
    database = lake.bucket.replace("-", "_")
    monkeypatch.setenv("B3_LAKE_BUCKET", lake.bucket)
    monkeypatch.setenv("B3_GLUE_DATABASE", database)
    given = {"conn_type": "http", "host": server.url, "extra": {"source": "simulated"}}
    monkeypatch.setenv("AIRFLOW_CONN_BTC_DEFAULT", json.dumps(given))
    glue.create_database(DatabaseInput={"Name": database})
    keys = [{"Name": "trade_date", "Type": "date"}, {"Name": "symbol", "Type": "string"}]
    for table in ("raw_btc_minutes", "btc_minutes"):
        storage = {"Columns": [{"Name": "minute", "Type": "timestamp"}], "Location": lake.uri(f"{table}/")}
        given = {"Name": table, "PartitionKeys": keys, "StorageDescriptor": storage}
        glue.create_table(DatabaseName=database, TableInput=given)

    def partitions(table):
        found = glue.get_partitions(DatabaseName=database, TableName=table)["Partitions"]
        return sorted(tuple(each["Values"]) for each in found)

    return partitions


@pytest.fixture
def run(catalog, settled):
    """Run the tasks of a DAG run; return what `refine` told, and its days."""

    def scheduled(begin):
        return SimpleNamespace(run_type="scheduled", data_interval_start=begin, conf={}, run_after=begin + hours.HOUR)

    def go(begin, count=1, *, symbols="BTCBRL", provider="binance", conf=None):
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("B3_BTC_SYMBOLS", symbols)
            environment.setenv("B3_BTC_PROVIDER", provider)
            if count == 1 and conf is None:
                dag_run = scheduled(begin)
            else:
                given = {"hour": hours.written(begin), "hours": count, **(conf or {})}
                dag_run = SimpleNamespace(run_type="manual", conf=given, run_after=begin)
            ti = Told()
            captured = bitcoin.scrape.function(dag_run, ti)
            written = bitcoin.refine.function(bitcoin.upload.function(captured, ti), ti)
            told = ti.pushed["summary"]
            bitcoin.complete.function(captured, ti)
            return told, written

    return go


@pytest.fixture
def tables(versions, body):
    """The bytes of both tables, by key."""
    return lambda: {key: body(key) for key in versions() if key.startswith(("raw_bitcoin/", "refined_bitcoin/"))}


def test_a_week_has_every_minute_once(run, settled, table, versions, server):
    """Some candles come late, after the run of their hour; the next run asks for them again."""
    told = []
    for date in WEEK:
        begin = dt.datetime.combine(date, dt.time(), dt.UTC)
        settled(begin + dt.timedelta(days=1, seconds=2))
        told.append(run(begin, 24)[0])
    settled(server.now + dt.timedelta(hours=2))
    told.append(run(begin + dt.timedelta(days=1))[0])

    found = [row["minute"] for date in WEEK for row in table(DAY.format(date, "BTCBRL")).to_pylist()]
    first = dt.datetime.combine(WEEK[0], dt.time())
    assert found == [first + dt.timedelta(minutes=number) for number in range(10_080)]
    assert any(" missing: " in text for text in told), "a candle came late"
    assert all(len(ids) == 1 for key, ids in versions().items() if key.startswith("landing/bitcoin/"))


def test_a_candle_that_came_late_is_told_and_then_filled_by_the_next_run(run, settled, server):
    late = dt.datetime(2026, 10, 26, 13, 7, tzinfo=dt.UTC)
    server.spoil = lambda answer: Answer(200, json.dumps(
        [row for row in json.loads(answer.body) if row[0] != int(late.timestamp()) * 1000]
    ).encode())  # fmt: skip

    first, _ = run(BEGIN)
    server.spoil = None
    second, days = run(BEGIN + hours.HOUR)

    assert first == "BTCBRL 2026-10-26: 59 minutes, 1 missing: 13:07"
    assert second == "BTCBRL 2026-10-26: 120 minutes, none missing"
    assert [(day["symbol"], day["trade_date"], day["rows"]) for day in days] == [("BTCBRL", "2026-10-26", 120)]


def test_an_hour_whose_run_failed_is_filled_by_the_next_run(run, server):
    run(BEGIN)
    server.spoil = lambda answer: Answer(500)
    with pytest.raises(TransientError):
        run(BEGIN + hours.HOUR)
    server.spoil = None

    assert run(BEGIN + 2 * hours.HOUR)[0] == "BTCBRL 2026-10-26: 180 minutes, none missing"


def test_a_gap_before_midnight_is_filled_in_the_day_before(run, server):
    last = dt.datetime(2026, 10, 26, 23, tzinfo=dt.UTC)
    server.spoil = lambda answer: Answer(200, b"[]")
    run(last)
    server.spoil = None

    told, _ = run(last + hours.HOUR)

    assert told == "BTCBRL 2026-10-27: 60 minutes, none missing; BTCBRL 2026-10-26: 60 minutes, none missing"


def test_a_minute_without_a_trade_has_no_candle_on_coinbase_and_stays_missing(run, table):
    told, _ = run(BEGIN, 24, provider="coinbase")

    rows = table(DAY.format("2026-10-26", "BTCBRL")).to_pylist()
    assert {row["provider"] for row in rows} == {"coinbase"}
    assert {(row["quote_volume"], row["trades"]) for row in rows} == {(None, None)}
    assert len(rows) < 11 * 60
    assert " missing: 1" in told


@pytest.mark.parametrize("number", range(1, 9))
def test_killed_after_any_object_and_run_again_it_leaves_the_same_bytes(run, tables, s3, monkeypatch, number):
    """Two hours put eight objects: each received, landed, raw; and the day's object twice."""
    put_object, put = s3.put_object, []

    def counted(**request):
        put.append(request["Key"])
        answer = put_object(**request)
        if len(put) == number:
            raise Killed
        return answer

    monkeypatch.setattr(s3, "put_object", counted)
    with pytest.raises(Killed):
        run(BEGIN)
        run(BEGIN + hours.HOUR)
    run(BEGIN)
    run(BEGIN + hours.HOUR)

    found = tables()
    assert len(found) == 3
    _same.append(found)
    assert found == _same[0]


_same: list[dict[str, bytes]] = []


def test_partitions_are_in_the_catalog_whoever_registers_those_of_b3(run, catalog):
    run(BEGIN, symbols="BTCBRL,BTCUSDT")

    for table in ("raw_btc_minutes", "btc_minutes"):
        assert catalog(table) == [("2026-10-26", "BTCBRL"), ("2026-10-26", "BTCUSDT")]


def test_from_landing_no_provider_is_asked_and_the_tables_are_the_same(run, tables, s3, lake, server):
    run(BEGIN, 2)
    before, asked = tables(), len(server.requests)
    for key in before:
        s3.delete_object(Bucket=lake.bucket, Key=key)

    run(BEGIN, 2, conf={"source": "landing"})

    assert tables() == before
    assert len(server.requests) == asked


@pytest.mark.parametrize("status", [451, 418, 403])
def test_a_refusal_fails_for_good_after_one_request(run, server, status):
    server.spoil = lambda answer: Answer(status)

    with pytest.raises(AirflowFailException, match=f"Refused: http.* found status {status}"):
        run(BEGIN, 5)

    assert len(server.requests) == 1


def test_a_bad_answer_of_one_market_lets_the_others_land_and_fails_the_run_at_its_end(run, tables, server):
    server.spoil = lambda answer: Answer(200, b"{}") if "BTCUSDT" in server.requests[-1].path else answer

    with pytest.raises(AirflowFailException, match=r"found some that did not: \[1\] http.*BTCUSDT"):
        run(BEGIN, symbols="BTCBRL,BTCUSDT")

    assert [key.split("/")[3] for key in tables()] == ["symbol=BTCBRL", "symbol=BTCBRL"]


def test_a_market_that_the_provider_does_not_have_is_asked_for_once(run, tables, server):
    server.spoil = lambda answer: Answer(404, b"{}") if "BTCEUR" in server.requests[-1].path else answer

    with pytest.raises(AirflowFailException, match=r"found some that did not: \[1\] http.*BTCEUR"):
        run(BEGIN, 3, symbols="BTCBRL,BTCEUR")

    assert len([request for request in server.requests if "BTCEUR" in request.path]) == 1
    raw = [key.rpartition("/")[2] for key in tables() if key.startswith("raw")]
    assert raw == ["13.parquet", "14.parquet", "15.parquet"]


def test_if_nothing_lands_the_error_is_the_providers(run, server):
    server.spoil = lambda answer: Answer(200, b"{}")

    with pytest.raises(BadLayout, match="a list of candles"):
        run(BEGIN)


def test_the_requests_of_a_run_are_those_that_the_costs_are_reckoned_with(run, s3):
    run(BEGIN - dt.timedelta(hours=25), 25)
    asked: Counter[str] = Counter()
    count = s3.meta.events.register

    def note(model, **_):
        asked[model.name] += 1

    count("before-call.s3", note, unique_id="count")
    run(BEGIN)
    s3.meta.events.unregister("before-call.s3", unique_id="count")

    reads = asked["HeadObject"] + asked["GetObject"]
    assert (asked["PutObject"], asked["ListObjectsV2"]) == (cost.WRITES, cost.LISTS)
    # It reads the hours of its day, of which an average run has as many as this one.
    assert abs(reads - cost.READS) <= 3


class TestTheEndOfTheHour:
    def test_is_waited_for_if_seconds_are_left(self, run, settled, server):
        settled(BEGIN + hours.HOUR + dt.timedelta(seconds=2))

        run(BEGIN)

        assert server.now == BEGIN + hours.HOUR + dt.timedelta(seconds=5)

    def test_is_not_waited_for_longer(self, run, settled):
        settled(BEGIN + dt.timedelta(minutes=59))

        with pytest.raises(AirflowFailException, match="NotOver: the candles of 2026-10-26T13, UTC"):
            run(BEGIN)


class TestComparingTheStream:
    """The run of 14:00 compares the hour before, whose minutes the stream has by then."""

    @pytest.fixture
    def compare(self, run, settled, monkeypatch, table, s3, lake):
        settled(BEGIN + hours.HOUR * 3)
        run(BEGIN)
        monkeypatch.setenv("B3_BTC_SYMBOLS", "BTCBRL")
        rows = table(DAY.format(BEGIN.date(), "BTCBRL")).to_pylist()

        def go(change=lambda records: records):
            records = change([_record(row) for row in rows])
            body = "".join(json.dumps(record) + "\n" for record in records).encode()
            if body:
                s3.put_object(Bucket=lake.bucket, Key="stream/bitcoin/2026/10/26/13/1", Body=body)
            dag_run = SimpleNamespace(run_type="scheduled", data_interval_start=BEGIN + hours.HOUR, conf={})
            ti = Told()
            bitcoin.compare_stream.function(dag_run, ti)
            return ti.pushed["summary"]

        return go

    def test_tells_that_there_is_none(self, compare):
        assert compare(lambda records: []) == "the lake has no stream"

    def test_finds_it_equal(self, compare):
        assert compare() == "60 minutes are equal; the stream lacks 0, and has 0 that btc_minutes lacks"

    def test_tells_what_it_lacks(self, compare):
        assert compare(lambda records: records[2:]).startswith("58 minutes are equal; the stream lacks 2,")

    def test_fails_where_an_amount_differs(self, compare):
        with pytest.raises(
            AirflowFailException, match="1 minutes that differ, as BTCBRL 2026-10-26T13:00: expected open"
        ):
            compare(lambda records: [{**records[0], "close": "0.01"}, *records[1:]])


def _record(row: dict[str, Any]) -> dict[str, str]:
    """A record of the stream with the amounts of a candle."""
    amounts = {name: f"{row[name]:f}" for name in ("open", "high", "low", "close", "volume")}
    minute = f"{row['minute']:%Y-%m-%dT%H:%M:%SZ}"
    return {"symbol": "BTCBRL", "minute": minute, **amounts, "polled_at": minute}
