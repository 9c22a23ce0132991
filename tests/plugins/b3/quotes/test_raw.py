import datetime as dt
import hashlib
import io
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from b3.errors import CalendarDiffers, NotPublished, SourceError, Truncated, WrongDate
from b3.lake.landed import LandedFile
from b3.quotes import cotahist, land, raw
from b3.quotes.raw import RawPartition
from tests.plugins.b3.exchange import Answer
from tests.plugins.b3.quotes.cotahist.cotahist_lines import build_file, build_zip, record

DATE = dt.date(2020, 4, 30)
LANDED_KEY = "landing/quotes/COTAHIST_D30042020.ZIP"
KEY = "raw/quotes/trade_date=2020-04-30/quotes.parquet"
VOLUMES = (3502000, 1, 999_999_999_999_999_999)
SENT = build_zip(build_file([record(CODNEG=f"SINT{i}", VOLTOT=volume) for i, volume in enumerate(VOLUMES)]))
CORRECTED = build_zip(build_file([record(CODNEG=f"SINT{i}") for i in range(3)]))


@pytest.fixture
def put_landed(s3, lake):
    """Put bytes in landing/ as scrape does."""

    def put(sent: bytes) -> LandedFile:
        landed = LandedFile(
            lake.uri(LANDED_KEY), "https://b3.example/COTAHIST_D30042020.ZIP", hashlib.sha256(sent).hexdigest(), "b3"
        )
        metadata = {**landed.metadata(), "fetched-at": "2020-04-30T22:30:00+00:00"}
        s3.put_object(Bucket=lake.bucket, Key=LANDED_KEY, Body=sent, Metadata=metadata)
        return landed

    return put


@pytest.fixture
def partition(s3, lake):
    """The version ids of the partition's object, newest first."""

    def look() -> list[str]:
        found = s3.list_object_versions(Bucket=lake.bucket, Prefix="raw/").get("Versions", [])
        assert {version["Key"] for version in found} <= {KEY}
        return [version["VersionId"] for version in found]

    return look


@pytest.fixture
def table(s3, lake):
    def read() -> pa.Table:
        return pq.read_table(io.BytesIO(s3.get_object(Bucket=lake.bucket, Key=KEY)["Body"].read()))

    return read


def test_the_partition_holds_every_row_and_cent(put_landed, table, s3, lake):
    put_landed(SENT)
    written = raw.write_quotes(s3, lake, DATE)

    (partition,) = written.partitions
    assert partition == RawPartition(
        "2020-04-30", f"s3://{lake.bucket}/{KEY}", f"s3://{lake.bucket}/{LANDED_KEY}", 3, "10000000000035020.00"
    )
    found = table()
    assert found.schema.names == cotahist.RAW_SCHEMA.names
    assert found.schema.names[0] == "source_date"
    assert "trade_date" not in found.schema.names
    assert found["source_date"].to_pylist() == [DATE] * 3
    assert found["ticker"].to_pylist() == ["SINT0", "SINT1", "SINT2"]
    assert found["financial_volume"].to_pylist() == [
        Decimal("35020.00"), Decimal("0.01"), Decimal("9999999999999999.99"),
    ]  # fmt: skip
    assert sum(found["financial_volume"].to_pylist()) == Decimal(partition.financial_volume)


def test_the_object_says_where_its_rows_came_from(put_landed, s3, lake):
    landed = put_landed(SENT)

    raw.write_quotes(s3, lake, DATE)

    assert s3.head_object(Bucket=lake.bucket, Key=KEY)["Metadata"] == {
        "source": "b3",
        "source-url": "https://b3.example/COTAHIST_D30042020.ZIP",
        "source-sha256": landed.sha256,
        "rows": "3",
    }


def test_written_again_it_is_the_same_object(put_landed, partition, s3, lake):
    put_landed(SENT)
    first = raw.write_quotes(s3, lake, DATE)
    etag, before = s3.head_object(Bucket=lake.bucket, Key=KEY)["ETag"], partition()

    put_landed(SENT)
    assert raw.write_quotes(s3, lake, DATE) == first

    assert partition() == before
    assert s3.head_object(Bucket=lake.bucket, Key=KEY)["ETag"] == etag


def test_lost_and_written_again_it_has_the_same_bytes(put_landed, s3, lake):
    put_landed(SENT)
    raw.write_quotes(s3, lake, DATE)
    etag = s3.head_object(Bucket=lake.bucket, Key=KEY)["ETag"]
    s3.delete_object(Bucket=lake.bucket, Key=KEY)

    put_landed(SENT)
    raw.write_quotes(s3, lake, DATE)

    assert s3.head_object(Bucket=lake.bucket, Key=KEY)["ETag"] == etag


def test_of_a_corrected_file_it_becomes_a_new_version(put_landed, partition, table, s3, lake):
    put_landed(SENT)
    raw.write_quotes(s3, lake, DATE)
    former = partition()

    put_landed(CORRECTED)
    written = raw.write_quotes(s3, lake, DATE)

    assert written.partitions[0].financial_volume == "105060.00"
    assert table()["financial_volume"].to_pylist() == [Decimal("35020.00")] * 3
    assert partition()[1:] == former
    assert len(partition()) == 2


def test_a_landed_file_that_was_tampered_with_is_refused(put_landed, partition, s3, lake):
    landed = put_landed(SENT)
    s3.put_object(Bucket=lake.bucket, Key=LANDED_KEY, Body=CORRECTED, Metadata=landed.metadata())

    with pytest.raises(SourceError, match=rf"{LANDED_KEY}: expected the bytes of sha256 {landed.sha256}"):
        raw.write_quotes(s3, lake, DATE)

    assert partition() == []


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (SENT[:-30], Truncated),
        (build_zip(build_file([record(), record(DATPRE=dt.date(2020, 4, 29))])), WrongDate),
    ],
    ids=["damaged", "of another date"],
)
def test_a_landed_file_that_is_wrong_is_named_and_readers_see_the_former_partition(
    put_landed, partition, s3, lake, sent, error
):
    put_landed(CORRECTED)
    raw.write_quotes(s3, lake, DATE)
    before = partition()

    with pytest.raises(error) as raised:
        put_landed(sent)
        raw.write_quotes(s3, lake, DATE)

    assert raised.value.source == f"s3://{lake.bucket}/{LANDED_KEY}"
    assert partition() == before


BEFORE, AFTER = dt.date(2020, 4, 29), dt.date(2020, 5, 4)


def put_file(
    s3, lake, name: str, records: list[bytes], metadata: dict[str, str] | None = None, **trailer: int
) -> LandedFile:
    """A file in landing/, as scrape leaves it, or with more `metadata`."""
    key, sent = f"landing/quotes/{name}", build_zip(build_file(records, **trailer))
    found = LandedFile(lake.uri(key), f"https://b3.example/{name}", hashlib.sha256(sent).hexdigest(), "b3")
    s3.put_object(Bucket=lake.bucket, Key=key, Body=sent, Metadata={**found.metadata(), **(metadata or {})})
    return found


@pytest.fixture
def etags(s3, lake):
    return lambda: {
        entry["Key"]: entry["ETag"]
        for entry in s3.list_objects_v2(Bucket=lake.bucket, Prefix="raw/").get("Contents", [])
    }


class TestAFileOfManySessions:
    @pytest.fixture
    def landed(self, s3, lake):
        of_the_day = [record(CODNEG=f"SINT{i}", VOLTOT=volume) for i, volume in enumerate(VOLUMES)]
        return put_file(
            s3,
            lake,
            "COTAHIST_A2020.ZIP",
            [record(DATPRE=AFTER), *of_the_day[:2], record(DATPRE=BEFORE), *of_the_day[2:]],
            {"fetched-at": "2020-05-04T22:30:00+00:00", "last-session": str(AFTER)},
        )

    def test_leaves_alone_what_the_daily_file_gave(self, put_landed, partition, request, s3, lake):
        put_landed(SENT)
        raw.write_quotes(s3, lake, DATE)
        before, origin = partition(), s3.head_object(Bucket=lake.bucket, Key=KEY)["Metadata"]

        request.getfixturevalue("landed")
        raw.write_quotes(s3, lake, DATE)

        assert partition() == before
        assert s3.head_object(Bucket=lake.bucket, Key=KEY)["Metadata"] == origin

    def test_gives_the_one_session_asked_for(self, landed, etags, s3, lake):
        written = raw.write_quotes(s3, lake, AFTER)

        assert [part.trade_date for part in written.partitions] == ["2020-05-04"]
        assert list(etags()) == ["raw/quotes/trade_date=2020-05-04/quotes.parquet"]

    def test_without_the_session_asked_for_is_refused(self, landed, etags, s3, lake):
        with pytest.raises(
            NotPublished, match=r"COTAHIST_D05052020\.ZIP: expected a file that holds 2020-05-05 in landing/; found no"
        ):
            raw.write_quotes(s3, lake, dt.date(2020, 5, 5))

        assert etags() == {}


class TestAYear:
    """Its file may have gone on to its first sessions only."""

    NAME = "COTAHIST_A2020.ZIP"
    FIRST, SECOND, THIRD = dt.date(2020, 1, 2), dt.date(2020, 1, 3), dt.date(2020, 1, 6)
    # Not sorted by trade date, as B3's files of some years are.
    RECORDS = [  # noqa: RUF012
        record(DATPRE=date, CODNEG=ticker, VOLTOT=volume)
        for date, ticker, volume in [
            (SECOND, "SINT0", 3502000),
            (THIRD, "SINT0", 11),
            (FIRST, "SINT0", 22),
            (SECOND, "SINT1", 1),
            (THIRD, "SINT9", 33),
            (SECOND, "SINT2", 999_999_999_999_999_999),
        ]
    ]

    def test_becomes_a_partition_for_each_session(self, etags, s3, lake):
        put_file(s3, lake, self.NAME, self.RECORDS)
        written = raw.write_year(s3, lake, 2020)

        assert [(part.trade_date, part.rows, part.financial_volume) for part in written.partitions] == [
            ("2020-01-02", 1, "0.22"),
            ("2020-01-03", 3, "10000000000035020.00"),
            ("2020-01-06", 2, "0.44"),
        ]
        assert sorted(etags()) == [
            f"raw/quotes/trade_date={date}/quotes.parquet" for date in (self.FIRST, self.SECOND, self.THIRD)
        ]

    def test_gives_the_bytes_that_the_daily_file_gives(self, etags, s3, lake):
        put_file(s3, lake, self.NAME, self.RECORDS)
        raw.write_year(s3, lake, 2020)
        key = f"raw/quotes/trade_date={self.SECOND}/quotes.parquet"
        of_the_year = etags()[key]
        s3.delete_object(Bucket=lake.bucket, Key=key)

        put_file(s3, lake, "COTAHIST_D03012020.ZIP", [line for line in self.RECORDS if b"20200103" in line])
        raw.write_quotes(s3, lake, self.SECOND)

        assert etags()[key] == of_the_year

    def test_that_is_damaged_writes_nothing(self, etags, s3, lake):
        with pytest.raises(Truncated):
            put_file(s3, lake, self.NAME, self.RECORDS, trailer_records=9)
            raw.write_year(s3, lake, 2020)

        assert etags() == {}

    @pytest.mark.parametrize(
        ("dates", "found"),
        [
            ([FIRST, THIRD], "found without 2020-01-03. "),
            ([FIRST, SECOND, dt.date(2020, 1, 4)], "found with 2020-01-04. "),
        ],
        ids=["a session is missing", "a session on a closed day"],
    )
    def test_with_other_sessions_than_the_calendar_is_refused(self, etags, s3, lake, dates, found):
        put_file(s3, lake, self.NAME, [record(DATPRE=date) for date in dates])

        with pytest.raises(CalendarDiffers) as raised:
            raw.write_year(s3, lake, 2020)

        assert found in str(raised.value)
        assert etags() == {}

    def test_without_a_session_is_refused(self, etags, s3, lake):
        with pytest.raises(NotPublished, match=r"COTAHIST_A2020\.ZIP: expected the sessions of a year; found not one"):
            put_file(s3, lake, self.NAME, [])
            raw.write_year(s3, lake, 2020)

        assert etags() == {}

    def test_of_which_the_calendar_is_not_sure_is_taken_with_a_warning(self, etags, s3, lake, caplog):
        dates = [dt.date(1990, 1, 2), dt.date(1990, 1, 4)]
        put_file(s3, lake, "COTAHIST_A1990.ZIP", [record(DATPRE=date) for date in dates])

        raw.write_year(s3, lake, 1990)

        assert len(etags()) == 2
        assert "COTAHIST_A1990.ZIP differs from the calendar" in caplog.text


class TestWhatTheYearsFileCorrected:
    FIRST, SECOND = dt.date(2020, 1, 2), dt.date(2020, 1, 3)
    OLD, NEW = record(DATPRE=FIRST, VOLTOT=11), record(DATPRE=FIRST, VOLTOT=22)

    @pytest.fixture
    def corrected(self, s3, lake):
        """The daily file has the session, then a year's file with another volume; returns the two."""
        daily = put_file(s3, lake, "COTAHIST_D02012020.ZIP", [self.OLD], {"fetched-at": "2020-01-02T22:30:00+00:00"})
        raw.write_quotes(s3, lake, self.FIRST)
        year = put_file(
            s3, lake, "COTAHIST_A2020.ZIP", [self.NEW, record(DATPRE=self.SECOND)],
            {"fetched-at": "2020-01-03T22:30:00+00:00", "last-session": str(self.SECOND)},
        )  # fmt: skip
        raw.write_year(s3, lake, 2020)
        return daily, year

    @pytest.fixture
    def volume(self, s3, lake):
        key = f"raw/quotes/trade_date={self.FIRST}/quotes.parquet"
        return lambda: pq.read_table(io.BytesIO(s3.get_object(Bucket=lake.bucket, Key=key)["Body"].read()))[
            "financial_volume"
        ].to_pylist()

    @pytest.mark.parametrize("served", [False, True], ids=["no longer served", "still served"])
    def test_the_daily_file_does_not_undo(self, corrected, volume, etags, exchange, hook_to, s3, lake, served):
        daily, _ = corrected
        before = etags()
        sent = s3.get_object(Bucket=lake.bucket, Key=daily.uri.removeprefix(lake.uri("")))["Body"].read()
        exchange.will(Answer(body=sent) if served else Answer(404))

        land.capture_quotes(hook_to(exchange.url, attempts=1), s3, lake, self.FIRST)
        written = raw.write_quotes(s3, lake, self.FIRST)

        assert volume() == [Decimal("0.22")]
        assert [part.financial_volume for part in written.partitions] == ["0.22"]
        assert etags() == before

    def test_an_upload_alone_does_not_undo(self, corrected, volume, s3, lake):
        _daily, _ = corrected

        written = raw.write_quotes(s3, lake, self.FIRST)

        assert [part.financial_volume for part in written.partitions] == ["0.22"]
        assert volume() == [Decimal("0.22")]

    def test_a_year_that_was_fetched_again_since_its_scrape_is_read_as_it_is_now(self, corrected, volume, s3, lake):
        _, _year = corrected
        newer = record(DATPRE=self.FIRST, VOLTOT=33)
        put_file(
            s3, lake, "COTAHIST_A2020.ZIP", [newer, record(DATPRE=self.SECOND)],
            {"fetched-at": "2020-01-04T22:30:00+00:00", "last-session": str(self.SECOND)},
        )  # fmt: skip

        raw.write_year(s3, lake, 2020)

        assert volume() == [Decimal("0.33")]

    def test_the_year_does_not_undo_a_daily_file_that_b3_corrected_after_it(self, corrected, volume, s3, lake):
        _, _year = corrected
        newer = record(DATPRE=self.FIRST, VOLTOT=33)
        put_file(s3, lake, "COTAHIST_D02012020.ZIP", [newer], {"fetched-at": "2020-01-04T22:30:00+00:00"})

        written = raw.write_year(s3, lake, 2020)

        assert volume() == [Decimal("0.33")]
        assert [part.trade_date for part in written.partitions] == [str(self.FIRST), str(self.SECOND)]

    def test_a_session_that_the_later_year_lacks_is_taken_from_its_daily_file(self, corrected, volume, s3, lake):
        _daily, _ = corrected
        put_file(
            s3, lake, "COTAHIST_A2020.ZIP", [record(DATPRE=self.SECOND)],
            {"fetched-at": "2020-01-04T22:30:00+00:00", "last-session": str(self.SECOND)},
        )  # fmt: skip

        raw.write_quotes(s3, lake, self.FIRST)

        assert volume() == [Decimal("0.11")]
