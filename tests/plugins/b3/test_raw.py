import datetime as dt
import hashlib
import io
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from b3 import cotahist, raw
from b3.errors import NotPublished, SourceError, Truncated, WrongDate
from b3.landing import LandedFile
from b3.raw import RawPartition
from tests.plugins.b3.cotahist_lines import build_file, build_zip, record

DATE = dt.date(2020, 4, 30)
LANDED_KEY = "landing/quotes/COTAHIST_D30042020.ZIP"
KEY = "raw/quotes/trade_date=2020-04-30/quotes.parquet"
VOLUMES = (3502000, 1, 999_999_999_999_999_999)
SENT = build_zip(build_file([record(CODNEG=f"SINT{i}", VOLTOT=volume) for i, volume in enumerate(VOLUMES)]))
CORRECTED = build_zip(build_file([record(CODNEG="SINT3")]))


@pytest.fixture
def land(s3, lake):
    """Put bytes in landing/ as scrape does."""

    def put(sent: bytes) -> LandedFile:
        landed = LandedFile(
            lake.uri(LANDED_KEY), "https://b3.example/COTAHIST_D30042020.ZIP", hashlib.sha256(sent).hexdigest(), "b3"
        )
        s3.put_object(Bucket=lake.bucket, Key=LANDED_KEY, Body=sent, Metadata=landed.metadata())
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


def test_the_partition_holds_every_row_and_cent(land, table, s3, lake):
    written = raw.write_quotes(s3, lake, land(SENT), DATE)

    (partition,) = written.partitions
    assert partition == RawPartition("2020-04-30", f"s3://{lake.bucket}/{KEY}", 3, "10000000000035020.00")
    assert written.source_records == 3
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


def test_the_object_says_where_its_rows_came_from(land, s3, lake):
    landed = land(SENT)

    raw.write_quotes(s3, lake, landed, DATE)

    assert s3.head_object(Bucket=lake.bucket, Key=KEY)["Metadata"] == {
        "source": "b3",
        "source-url": "https://b3.example/COTAHIST_D30042020.ZIP",
        "source-sha256": landed.sha256,
        "rows": "3",
    }


def test_written_again_it_is_the_same_object(land, partition, s3, lake):
    first = raw.write_quotes(s3, lake, land(SENT), DATE)
    etag, before = s3.head_object(Bucket=lake.bucket, Key=KEY)["ETag"], partition()

    assert raw.write_quotes(s3, lake, land(SENT), DATE) == first

    assert partition() == before
    assert s3.head_object(Bucket=lake.bucket, Key=KEY)["ETag"] == etag


def test_lost_and_written_again_it_has_the_same_bytes(land, s3, lake):
    raw.write_quotes(s3, lake, land(SENT), DATE)
    etag = s3.head_object(Bucket=lake.bucket, Key=KEY)["ETag"]
    s3.delete_object(Bucket=lake.bucket, Key=KEY)

    raw.write_quotes(s3, lake, land(SENT), DATE)

    assert s3.head_object(Bucket=lake.bucket, Key=KEY)["ETag"] == etag


def test_of_a_corrected_file_it_becomes_a_new_version(land, partition, table, s3, lake):
    raw.write_quotes(s3, lake, land(SENT), DATE)
    former = partition()

    written = raw.write_quotes(s3, lake, land(CORRECTED), DATE)

    assert written.partitions[0].rows == 1
    assert table().num_rows == 1
    assert partition()[1:] == former
    assert len(partition()) == 2


def test_a_landed_file_that_was_tampered_with_is_refused(land, partition, s3, lake):
    landed = land(SENT)
    s3.put_object(Bucket=lake.bucket, Key=LANDED_KEY, Body=CORRECTED, Metadata=landed.metadata())

    with pytest.raises(SourceError, match=rf"{LANDED_KEY}: expected the bytes of sha256 {landed.sha256}"):
        raw.write_quotes(s3, lake, landed, DATE)

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
    land, partition, s3, lake, sent, error
):
    raw.write_quotes(s3, lake, land(CORRECTED), DATE)
    before = partition()

    with pytest.raises(error) as raised:
        raw.write_quotes(s3, lake, land(sent), DATE)

    assert raised.value.source == f"s3://{lake.bucket}/{LANDED_KEY}"
    assert partition() == before


BEFORE, AFTER = dt.date(2020, 4, 29), dt.date(2020, 5, 4)
# Not sorted by trade date, as B3's files of some years are.
OF_THE_YEAR = [
    (DATE, "SINT0", 3502000),
    (AFTER, "SINT0", 11),
    (BEFORE, "SINT0", 22),
    (DATE, "SINT1", 1),
    (AFTER, "SINT9", 33),
    (DATE, "SINT2", 999_999_999_999_999_999),
]
YEAR = build_zip(
    build_file([record(DATPRE=date, CODNEG=ticker, VOLTOT=volume) for date, ticker, volume in OF_THE_YEAR])
)


class TestAFileOfManySessions:
    @pytest.fixture
    def landed(self, s3, lake):
        key = "landing/quotes/COTAHIST_A2020.ZIP"
        found = LandedFile(
            lake.uri(key), "https://b3.example/COTAHIST_A2020.ZIP", hashlib.sha256(YEAR).hexdigest(), "b3"
        )
        s3.put_object(Bucket=lake.bucket, Key=key, Body=YEAR, Metadata=found.metadata())
        return found

    @pytest.fixture
    def etags(self, s3, lake):
        return lambda: {
            entry["Key"]: entry["ETag"]
            for entry in s3.list_objects_v2(Bucket=lake.bucket, Prefix="raw/").get("Contents", [])
        }

    def test_becomes_a_partition_for_each(self, landed, etags, s3, lake):
        written = raw.write_year(s3, lake, landed)

        assert [(part.trade_date, part.rows, part.financial_volume) for part in written.partitions] == [
            ("2020-04-29", 1, "0.22"),
            ("2020-04-30", 3, "10000000000035020.00"),
            ("2020-05-04", 2, "0.44"),
        ]
        assert written.source_records == 6
        assert sorted(etags()) == [f"raw/quotes/trade_date={date}/quotes.parquet" for date in (BEFORE, DATE, AFTER)]

    def test_gives_the_bytes_that_the_daily_file_gives(self, landed, land, etags, s3, lake):
        raw.write_year(s3, lake, landed)
        of_the_year = etags()[KEY]
        s3.delete_object(Bucket=lake.bucket, Key=KEY)

        raw.write_quotes(s3, lake, land(SENT), DATE)

        assert etags()[KEY] == of_the_year

    def test_leaves_alone_what_the_daily_file_gave(self, landed, land, partition, s3, lake):
        raw.write_quotes(s3, lake, land(SENT), DATE)
        before, origin = partition(), s3.head_object(Bucket=lake.bucket, Key=KEY)["Metadata"]

        raw.write_quotes(s3, lake, landed, DATE)

        assert partition() == before
        assert s3.head_object(Bucket=lake.bucket, Key=KEY)["Metadata"] == origin

    def test_gives_the_one_session_asked_for(self, landed, etags, s3, lake):
        written = raw.write_quotes(s3, lake, landed, AFTER)

        assert [part.trade_date for part in written.partitions] == ["2020-05-04"]
        assert list(etags()) == ["raw/quotes/trade_date=2020-05-04/quotes.parquet"]

    def test_without_the_session_asked_for_is_refused(self, landed, etags, s3, lake):
        with pytest.raises(NotPublished, match=r"COTAHIST_A2020\.ZIP: expected the session 2020-05-05; found none"):
            raw.write_quotes(s3, lake, landed, dt.date(2020, 5, 5))

        assert etags() == {}

    def test_that_is_damaged_writes_nothing(self, landed, etags, s3, lake):
        sent = build_zip(build_file([record(DATPRE=BEFORE), record(DATPRE=AFTER)], trailer_records=9))
        damaged = LandedFile(landed.uri, landed.url, hashlib.sha256(sent).hexdigest(), "b3")
        s3.put_object(Bucket=lake.bucket, Key="landing/quotes/COTAHIST_A2020.ZIP", Body=sent)

        with pytest.raises(Truncated):
            raw.write_year(s3, lake, damaged)

        assert etags() == {}
