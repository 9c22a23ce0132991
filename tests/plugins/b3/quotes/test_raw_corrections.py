"""What raw quotes do with a file that corrects them, or that looks wrong."""

import datetime as dt
import hashlib
import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from b3.errors import Flood, RecordsLost, SourceError
from b3.lake.landed import LandedFile
from b3.quotes import cotahist, raw
from b3.quotes.accepted import Accepted
from tests.plugins.b3.quotes.cotahist.cotahist_lines import build_file, build_zip, record

FIRST, SECOND, THIRD = dt.date(2020, 1, 2), dt.date(2020, 1, 3), dt.date(2020, 1, 6)


def key(date: dt.date) -> str:
    return f"raw/quotes/trade_date={date}/quotes.parquet"


def quotes(date: dt.date, count: int = 30, odd: int = 0, **fields: Any) -> list[bytes]:
    """So many quotes of a session, of which the last `odd` open above their high."""
    return [
        record(DATPRE=date, CODNEG=f"SINT{n}", **{**fields, **({"PREABE": 1100} if n >= count - odd else {})})
        for n in range(count)
    ]


@pytest.fixture
def land(s3, lake):
    """Put records in landing/ as the daily file of a session, or as the file of a name, an hour after the last."""
    hours = iter(range(1, 24))

    def put(records: list[bytes], name: str = f"COTAHIST_D{FIRST:%d%m%Y}.ZIP") -> LandedFile:
        sent = build_zip(build_file(records))
        found = LandedFile(
            lake.uri(f"landing/quotes/{name}"), f"https://b3.example/{name}", hashlib.sha256(sent).hexdigest(), "b3"
        )
        metadata = {
            **found.metadata(),
            "fetched-at": f"2020-01-03T{next(hours):02}:00:00+00:00",
            "last-session": "2020-01-31",
        }
        s3.put_object(Bucket=lake.bucket, Key=f"landing/quotes/{name}", Body=sent, Metadata=metadata)
        return found

    return put


@pytest.fixture
def look(s3, lake):
    def look(date: dt.date = FIRST) -> tuple[pa.Table, dict[str, str]]:
        answer = s3.get_object(Bucket=lake.bucket, Key=key(date))
        return pq.read_table(io.BytesIO(answer["Body"].read())), answer["Metadata"]

    return look


def test_a_correction_says_what_it_replaced_and_how_it_differs(land, look, s3, lake):
    land(quotes(FIRST))
    raw.write_quotes(s3, lake, FIRST)
    assert "correction" not in look()[1]

    corrected = [*quotes(FIRST)[1:-1], record(DATPRE=FIRST, CODNEG="SINT29", VOLTOT=3502001), record(DATPRE=FIRST)]
    land(corrected)
    raw.write_quotes(s3, lake, FIRST)

    table, metadata = look()
    assert table.num_rows == 30
    assert json.loads(metadata["correction"]) == {
        "before": "30 rows, volume 1050600.00",
        "after": "30 rows, volume 1050600.01: 1 added, 1 gone, 1 changed",
    }


def test_a_correction_is_told_as_long_as_its_rows_are_there(land, look, s3, lake):
    land(quotes(FIRST))
    raw.write_quotes(s3, lake, FIRST)
    land(quotes(FIRST, VOLTOT=3502001))
    raw.write_quotes(s3, lake, FIRST)
    told = look()[1]["correction"]

    raw.write_quotes(s3, lake, FIRST)
    assert look()[1]["correction"] == told
    assert len(s3.list_object_versions(Bucket=lake.bucket, Prefix="raw/")["Versions"]) == 2

    # The same rows in another order are other bytes, and nothing new.
    land(quotes(FIRST, VOLTOT=3502001)[::-1])
    raw.write_quotes(s3, lake, FIRST)
    assert look()[0]["ticker"][0].as_py() == "SINT29"
    assert look()[1]["correction"] == told


def test_raw_quotes_without_the_newest_column_are_written_again_and_are_no_correction(land, look, s3, lake):
    land(quotes(FIRST))
    raw.write_quotes(s3, lake, FIRST)
    older, metadata = look()
    body = io.BytesIO()
    pq.write_table(older.drop_columns([cotahist.UNREADABLE]), body)
    s3.put_object(Bucket=lake.bucket, Key=key(FIRST), Body=body.getvalue(), Metadata=metadata)

    raw.write_quotes(s3, lake, FIRST)

    assert look()[0].schema.names == cotahist.RAW_SCHEMA.names
    assert "correction" not in look()[1]


def test_a_damaged_raw_object_is_replaced(land, look, s3, lake):
    land(quotes(FIRST))
    raw.write_quotes(s3, lake, FIRST)
    s3.put_object(Bucket=lake.bucket, Key=key(FIRST), Body=b"PAR1 and nothing else", Metadata=look_metadata(s3, lake))

    raw.write_quotes(s3, lake, FIRST)

    assert look()[0].num_rows == 30


def look_metadata(s3, lake) -> dict[str, str]:
    return s3.head_object(Bucket=lake.bucket, Key=key(FIRST))["Metadata"]


def test_a_correction_that_loses_many_records_waits_until_it_is_accepted(land, look, s3, lake):
    land(quotes(FIRST))
    raw.write_quotes(s3, lake, FIRST)
    former = look()
    land(quotes(FIRST, 26))

    with pytest.raises(
        RecordsLost, match="expected most of the 30 quotes that 2020-01-02 has, 90 % at least; found 26"
    ):
        raw.write_quotes(s3, lake, FIRST)
    assert look() == former
    with pytest.raises(RecordsLost):
        raw.write_quotes(s3, lake, FIRST, Accepted(flood=True))

    raw.write_quotes(s3, lake, FIRST, Accepted(loss=True))
    assert look()[0].num_rows == 26
    assert "0 added, 4 gone, 0 changed" in look()[1]["correction"]


def test_a_correction_that_loses_few_records_is_published(land, look, s3, lake):
    land(quotes(FIRST))
    raw.write_quotes(s3, lake, FIRST)
    land(quotes(FIRST, 27))
    raw.write_quotes(s3, lake, FIRST)
    assert look()[0].num_rows == 27


def test_rows_of_which_most_break_a_rule_wait_until_they_are_accepted(land, look, s3, lake):
    land(quotes(FIRST, 100, odd=40))
    raw.write_quotes(s3, lake, FIRST)
    former = look()
    land(quotes(FIRST, 100, odd=60))

    with pytest.raises(Flood, match="found 60 that break prices_lie_within_low_and_high"):
        raw.write_quotes(s3, lake, FIRST)
    assert look() == former
    with pytest.raises(Flood):
        raw.write_quotes(s3, lake, FIRST, Accepted(loss=True))

    raw.write_quotes(s3, lake, FIRST, Accepted(flood=True))
    assert look()[0].num_rows == 100

    # What readers see has been accepted: running again is safe.
    before = look()
    raw.write_quotes(s3, lake, FIRST)
    assert look() == before


class Meddling:
    """An S3 client before whose PUTs of raw quotes somebody else does something."""

    def __init__(self, s3: Any, *before: Any) -> None:
        self._s3, self._before = s3, list(before)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._s3, name)

    def put_object(self, **request: Any) -> Any:
        if request["Key"].startswith("raw/") and self._before:
            self._before.pop(0)()
        return self._s3.put_object(**request)


@pytest.mark.parametrize("replaces", [False, True], ids=["the first upload", "a later upload"])
def test_an_upload_that_is_held_up_does_not_undo_a_correction(land, look, s3, lake, replaces):
    if replaces:
        land(quotes(FIRST, VOLTOT=3502000))
        raw.write_quotes(s3, lake, FIRST)
    land(quotes(FIRST, VOLTOT=3502001))

    def correct() -> None:
        land(quotes(FIRST, VOLTOT=3502002))
        raw.write_quotes(s3, lake, FIRST)

    written = raw.write_quotes(Meddling(s3, correct), lake, FIRST)

    assert set(look()[0]["financial_volume"].to_pylist()) == {written_volume(35020.02)}
    assert written.partitions[0].financial_volume == "1050600.60"


def written_volume(value: float) -> Any:
    return pa.scalar(f"{value:.2f}").cast(pa.decimal128(18, 2)).as_py()


def test_an_upload_that_is_overtaken_again_and_again_says_so(land, s3, lake):
    others = iter([b"one", b"two", b"three", b"four", b"five"])

    def replace() -> None:
        s3.put_object(Bucket=lake.bucket, Key=key(FIRST), Body=next(others))

    with pytest.raises(SourceError, match="found that others replaced it 5 times in the meantime") as caught:
        land(quotes(FIRST))
        raw.write_quotes(Meddling(s3, *[replace] * 5), lake, FIRST)
    assert "Clear the task" in caught.value.hint


def test_a_year_that_is_held_up_does_not_undo_a_correction_of_one_session(land, look, s3, lake):
    land([*quotes(FIRST), *quotes(SECOND)], "COTAHIST_A2020.ZIP")

    def correct() -> None:
        land(quotes(FIRST, VOLTOT=3502002))
        raw.write_quotes(s3, lake, FIRST)

    raw.write_year(Meddling(s3, correct), lake, FIRST.year)

    assert set(look(FIRST)[0]["financial_volume"].to_pylist()) == {written_volume(35020.02)}
    assert look(SECOND)[0].num_rows == 30


class TestAYear:
    NAME = "COTAHIST_A2020.ZIP"

    def test_with_a_session_of_odd_rows_writes_nothing_until_it_is_accepted(self, land, look, s3, lake):
        land([*quotes(FIRST), *quotes(SECOND, 50, odd=40)], self.NAME)

        with pytest.raises(Flood, match="at most half of the 50 quotes of 2020-01-03"):
            raw.write_year(s3, lake, FIRST.year)
        assert "Contents" not in s3.list_objects_v2(Bucket=lake.bucket, Prefix="raw/")

        assert len(raw.write_year(s3, lake, FIRST.year, Accepted(flood=True)).partitions) == 2

    def test_that_loses_records_of_a_session_writes_nothing_until_it_is_accepted(self, land, look, s3, lake):
        land([*quotes(FIRST), *quotes(SECOND)], self.NAME)
        raw.write_year(s3, lake, FIRST.year)
        land([*quotes(FIRST, VOLTOT=3502001), *quotes(SECOND, 20)], self.NAME)

        with pytest.raises(RecordsLost, match="the 30 quotes that 2020-01-03 has"):
            raw.write_year(s3, lake, FIRST.year)
        assert "correction" not in look(FIRST)[1]

        raw.write_year(s3, lake, FIRST.year, Accepted(loss=True))
        assert look(SECOND)[0].num_rows == 20
        assert "0 added, 0 gone, 30 changed" in look(FIRST)[1]["correction"]

    def test_that_loses_a_session_waits_until_it_is_accepted_and_the_session_stays(self, land, look, s3, lake):
        land([*quotes(FIRST), *quotes(SECOND)], self.NAME)
        raw.write_year(s3, lake, FIRST.year)
        land(quotes(FIRST), self.NAME)

        with pytest.raises(RecordsLost) as caught:
            raw.write_year(s3, lake, FIRST.year)
        assert caught.value.expected == "every session that a COTAHIST_A2020.ZIP had before"
        assert caught.value.found == "1 of them gone: 2020-01-03"

        written = raw.write_year(s3, lake, FIRST.year, Accepted(loss=True))
        assert [part.trade_date for part in written.partitions] == [str(FIRST)]
        assert written.kept == [str(SECOND)]
        assert look(SECOND)[0].num_rows == 30

        # Accepted once is accepted, until another file lacks it.
        assert raw.write_year(s3, lake, FIRST.year) == written
        with pytest.raises(RecordsLost):
            land(quotes(FIRST, VOLTOT=3502001), self.NAME)
            raw.write_year(s3, lake, FIRST.year)

    def test_that_loses_a_session_in_its_middle_is_no_riddle_of_the_calendar(self, land, s3, lake):
        land([*quotes(FIRST), *quotes(SECOND), *quotes(THIRD)], self.NAME)
        raw.write_year(s3, lake, FIRST.year)
        land([*quotes(FIRST), *quotes(THIRD)], self.NAME)

        with pytest.raises(RecordsLost, match="1 of them gone: 2020-01-03"):
            raw.write_year(s3, lake, FIRST.year)
        assert raw.write_year(s3, lake, FIRST.year, Accepted(loss=True)).kept == [str(SECOND)]

    def test_of_which_a_newer_daily_file_waits_for_a_person_writes_nothing(self, land, s3, lake):
        land([*quotes(FIRST), *quotes(SECOND)], self.NAME)
        land(quotes(SECOND, 50, odd=40), f"COTAHIST_D{SECOND:%d%m%Y}.ZIP")

        with pytest.raises(Flood, match="at most half of the 50 quotes of 2020-01-03"):
            raw.write_year(s3, lake, FIRST.year)

        assert "Contents" not in s3.list_objects_v2(Bucket=lake.bucket, Prefix="raw/")

    def test_does_not_lose_a_session_that_only_its_daily_file_had(self, land, s3, lake):
        land(quotes(SECOND), f"COTAHIST_D{SECOND:%d%m%Y}.ZIP")
        raw.write_quotes(s3, lake, SECOND)
        land(quotes(FIRST), self.NAME)
        assert len(raw.write_year(s3, lake, FIRST.year).partitions) == 1

    def test_has_the_bytes_of_the_daily_files_where_fields_cannot_be_read(self, land, look, s3, lake):
        of_first = [*quotes(FIRST, 5), record(DATPRE=FIRST, CODNEG="ODD3F", TPMERC="020", PRAZOT="\x00\x0f ")]
        land(of_first)
        raw.write_quotes(s3, lake, FIRST)
        etag = s3.head_object(Bucket=lake.bucket, Key=key(FIRST))["ETag"]
        s3.delete_object(Bucket=lake.bucket, Key=key(FIRST))

        mixed = [line for pair in zip(of_first, quotes(SECOND, 6, PRAZOT="\x9c\x0f "), strict=True) for line in pair]
        land(mixed, self.NAME)
        raw.write_year(s3, lake, FIRST.year)

        assert s3.head_object(Bucket=lake.bucket, Key=key(FIRST))["ETag"] == etag
        assert look(FIRST)[0][cotahist.UNREADABLE].to_pylist() == [None] * 5 + ["forward_days 000f20"]
        assert set(look(SECOND)[0][cotahist.UNREADABLE].to_pylist()) == {"forward_days 9c0f20"}
