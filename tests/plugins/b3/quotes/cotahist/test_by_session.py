import datetime as dt
import io

import pytest

from b3.calendar import sessions
from b3.errors import Truncated
from b3.quotes import cotahist
from local.exchange.files import cotahist_file
from tests.places import REAL_FILES
from tests.plugins.b3.quotes.cotahist.cotahist_lines import build_file, record

MONTH = REAL_FILES / "cotahist" / "COTAHIST_M012021.ZIP"
DAYS = sessions.sessions(dt.date(2024, 3, 11), dt.date(2024, 3, 13))


@pytest.fixture(scope="module")
def archive() -> bytes:
    """Three simulated sessions in one file."""
    out = io.BytesIO()
    cotahist_file.write_archive(out, "COTAHIST_M032024.ZIP", DAYS)
    return out.getvalue()


def parquet_of(found: cotahist.Sessions, day: dt.date) -> bytes:
    sink = io.BytesIO()
    cotahist.write_session(found.table(day), sink)
    return sink.getvalue()


def test_each_session_is_written_with_the_bytes_of_its_daily_file(archive):
    with cotahist.by_session(archive) as found:
        assert found.dates() == DAYS
        for day in DAYS:
            of_the_day = io.BytesIO()
            cotahist.write_parquet(cotahist_file.session_file(day), of_the_day, trade_date=day)
            assert parquet_of(found, day) == of_the_day.getvalue()


def test_the_bytes_are_the_same_where_text_is_blank():
    first, second = dt.date(2020, 4, 29), dt.date(2020, 4, 30)
    blanks = dict.fromkeys(("CODBDI", "NOMRES", "ESPECI", "MODREF", "INDOPC", "CODISI"), "")
    of_first = [record(DATPRE=first, CODNEG="A", **blanks), record(DATPRE=first, CODNEG="B")]
    of_second = [record(DATPRE=second, CODNEG=name, **blanks) for name in ("C", "D")]

    with cotahist.by_session(build_file([*of_first, *of_second])) as found:
        for day, lines in ((first, of_first), (second, of_second)):
            of_the_day = io.BytesIO()
            cotahist.write_parquet(build_file(lines), of_the_day, trade_date=day)
            assert parquet_of(found, day) == of_the_day.getvalue()


def test_no_row_and_no_cent_is_lost(archive):
    whole = cotahist.read_table(archive)

    with cotahist.by_session(archive) as found:
        parts = [found.table(day) for day in found.dates()]

    assert sum(part.num_rows for part in parts) == whole.num_rows == found.summary.records
    volume = sum(value for part in parts for value in part["financial_volume"].to_pylist())
    assert volume == found.summary.financial_volume == sum(whole["financial_volume"].to_pylist())


def test_records_in_any_order_keep_the_order_of_the_file_within_their_session():
    first, second = dt.date(2020, 4, 29), dt.date(2020, 4, 30)
    order = [(second, "B"), (first, "Z"), (second, "A"), (first, "Y"), (second, "C")]
    text = build_file([record(DATPRE=day, CODNEG=ticker) for day, ticker in order])

    with cotahist.by_session(text) as found:
        assert found.dates() == [first, second]
        assert found.table(first)["ticker"].to_pylist() == ["Z", "Y"]
        assert found.table(second)["ticker"].to_pylist() == ["B", "A", "C"]


def test_only_the_session_asked_for_is_kept_of_a_file_that_is_checked_whole(archive):
    with cotahist.by_session(archive, only=DAYS[1]) as found:
        assert found.dates() == [DAYS[1]]
        assert found.table(DAYS[1]).num_rows == found.summary.records_by_date[DAYS[1]]
        assert list(found.summary.records_by_date) == DAYS


def test_a_session_that_is_not_there_has_no_table(archive):
    with cotahist.by_session(archive, only=dt.date(2024, 3, 14)) as found:
        assert found.dates() == []


def test_nothing_is_given_of_a_file_that_ends_too_early():
    text = build_file([record(), record()], trailer_records=9)

    with pytest.raises(Truncated), cotahist.by_session(text):
        pytest.fail("sessions were given")


@pytest.mark.skipif(not MONTH.exists(), reason=f"no real files in {REAL_FILES}")
def test_the_real_month_has_19_sessions_and_keeps_every_cent():
    with cotahist.by_session(MONTH) as found:
        parts = [found.table(day) for day in found.dates()]

    assert len(parts) == 19
    assert sum(part.num_rows for part in parts) == 129_292
    volume = sum(value for part in parts for value in part["financial_volume"].to_pylist())
    assert volume == found.summary.financial_volume
