import datetime as dt
import hashlib
import io
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from b3 import cotahist, raw
from b3.errors import SourceError, Truncated, WrongDate
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

    assert written == RawPartition(
        uri=f"s3://{lake.bucket}/{KEY}", rows=3, trailer_records=5, financial_volume="10000000000035020.00"
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
    assert sum(found["financial_volume"].to_pylist()) == Decimal(written.financial_volume)


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

    assert written.rows == 1
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
