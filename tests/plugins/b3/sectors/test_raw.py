import datetime as dt

import pytest

from b3.errors import Truncated
from b3.sectors import raw, workbook
from b3.sectors.raw import RawSectors
from tests.plugins.b3.sectors.sector_workbook import ROWS, make_workbook

DATE = dt.date(2026, 10, 5)
LANDED_KEY = "landing/sectors/2026-10-05.xlsx"
KEY = "raw/sectors/trade_date=2026-10-05/sectors.parquet"


def test_the_classification_is_one_object_of_every_company(put_landed, table, s3, lake):
    landed = put_landed(LANDED_KEY, make_workbook())

    written = raw.write_sectors(s3, lake, landed, DATE)

    assert written == RawSectors(f"s3://{lake.bucket}/{KEY}", 4)
    assert table(KEY).to_pylist() == workbook.read_workbook(make_workbook()).to_pylist()
    assert s3.head_object(Bucket=lake.bucket, Key=KEY)["Metadata"] == landed.metadata() | {"rows": "4"}


def test_written_again_it_is_the_same_object_and_corrected_a_new_version(put_landed, raw_versions, s3, lake):
    for _ in range(2):
        raw.write_sectors(s3, lake, put_landed(LANDED_KEY, make_workbook()), DATE)
    first = raw_versions()
    assert len(first[KEY]) == 1

    written = raw.write_sectors(s3, lake, put_landed(LANDED_KEY, make_workbook(ROWS[:-7])), DATE)

    assert written.rows == 3
    assert raw_versions()[KEY][1:] == first[KEY]


def test_a_damaged_file_is_named_and_readers_see_the_former_one(put_landed, raw_versions, s3, lake):
    raw.write_sectors(s3, lake, put_landed(LANDED_KEY, make_workbook()), DATE)
    before = raw_versions()

    with pytest.raises(Truncated) as error:
        raw.write_sectors(s3, lake, put_landed(LANDED_KEY, make_workbook()[:-30]), DATE)

    assert error.value.source == lake.uri(LANDED_KEY)
    assert raw_versions() == before
