import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pytest

from b3.errors import RecordsLost
from b3.quotes import corrections, cotahist
from tests.plugins.b3.quotes.cotahist.cotahist_lines import build_file, record

DATE = dt.date(2020, 4, 30)
FORWARD = {"CODNEG": "SINT3T", "TPMERC": "030"}
FORMER = [
    record(CODNEG="AAAA3", VOLTOT=100),
    record(CODNEG="BBBB3", VOLTOT=200),
    record(PRAZOT="030", VOLTOT=300, **FORWARD),
    record(PRAZOT="060", VOLTOT=400, **FORWARD),
]


def read(records: list[bytes]) -> pa.Table:
    return pa.Table.from_batches(cotahist.Reader(build_file(records), unreadable=True), cotahist.READ_SCHEMA)


def compare(after: list[bytes]) -> corrections.Correction:
    return corrections.compare(read(FORMER), read(after))


def test_the_same_rows_in_another_order_are_no_correction():
    found = compare(FORMER[::-1])
    assert found.changes == []
    assert found.rows == (4, 4)
    assert found.volumes == (Decimal("10.00"), Decimal("10.00"))


def test_rows_added_gone_and_changed_are_told_apart_by_their_key():
    found = compare(
        [FORMER[0], record(PRAZOT="030", VOLTOT=350, **FORWARD), FORMER[3], record(PRAZOT="090", VOLTOT=1, **FORWARD)]
    )
    assert [change.after["forward_days"] for change in found.added] == [90]
    assert [change.before["ticker"] for change in found.gone] == ["BBBB3"]
    (changed,) = found.changed
    assert (changed.before["financial_volume"], changed.after["financial_volume"]) == (Decimal("3.00"), Decimal("3.50"))
    assert found.before() == "4 rows, volume 10.00"
    assert found.after() == "4 rows, volume 8.51: 1 added, 1 gone, 1 changed"


def test_changes_are_in_the_order_of_their_keys():
    found = compare([])
    keys = [(change.before["ticker"], change.before["forward_days"]) for change in found.gone]
    assert keys == [("AAAA3", None), ("BBBB3", None), ("SINT3T", 30), ("SINT3T", 60)]
    assert found.after() == "0 rows, volume 0: 0 added, 4 gone, 0 changed"


def test_rows_of_a_repeated_key_are_counted():
    twice = [record(CODNEG="AAAA3", VOLTOT=100), record(CODNEG="AAAA3", VOLTOT=101)]
    found = corrections.compare(read(twice), read([twice[0], twice[0], twice[0]]))
    assert (len(found.added), len(found.gone), len(found.changed)) == (1, 0, 1)


def test_a_column_that_one_side_lacks_is_left_out():
    before = read(FORMER).drop_columns([cotahist.UNREADABLE])
    assert corrections.compare(before, read(FORMER)).changes == []


@pytest.mark.parametrize("rows, former", [(9, 10), (6075, 6749), (10, 0), (20, 10), (0, 0)])
def test_up_to_a_tenth_may_be_lost(rows, former):
    corrections.refuse_loss(rows, former, DATE, "s3://lake/file")


@pytest.mark.parametrize("rows, former", [(8, 10), (0, 1), (6074, 6749), (9, 6749)])
def test_more_waits_for_a_person(rows, former):
    with pytest.raises(RecordsLost) as caught:
        corrections.refuse_loss(rows, former, DATE, "s3://lake/file")
    assert f"expected most of the {former:,} quotes that 2020-04-30 has, 90 % at least" in str(caught.value)
    assert caught.value.found == f"{rows:,}"
    assert "accept_loss" in caught.value.hint
