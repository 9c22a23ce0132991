import datetime as dt
from collections import Counter

import pyarrow as pa
import pytest

from b3.errors import Flood
from b3.quotes import cotahist, quality
from tests.include.glue.test_findings import ODD
from tests.plugins.b3.quotes.cotahist.cotahist_lines import build_file, record

DATE = dt.date(2020, 4, 30)


def read(*records: bytes) -> pa.Table:
    batches = cotahist.Reader(build_file(records), unreadable=True, batch_rows=7)
    return pa.Table.from_batches(batches, cotahist.READ_SCHEMA)


def counts(*records: bytes) -> dict[str, int]:
    """The rules that are broken, and how often."""
    return {rule: count for rule, count in quality.breach_counts(read(*records)).items() if count}


def plain(count: int) -> list[bytes]:
    return [record(CODNEG=f"SINT{number}") for number in range(count)]


def high_below_open(count: int) -> list[bytes]:
    return [record(CODNEG=f"ODD{number}", PREABE=1100) for number in range(count)]


def test_the_rules_are_those_that_the_glue_job_tells_on_the_same_rows():
    rows = [{**row, "trade_date": row["source_date"]} for row, _ in ODD]
    found = quality.breach_counts(pa.Table.from_pylist(rows, cotahist.READ_SCHEMA))
    told = Counter(rule for _, of_row in ODD for rule, _, _ in of_row)
    assert found == dict(told)


def test_quotes_as_b3_sends_them_break_nothing():
    assert counts(*plain(30)) == {}
    assert quality.breach_counts(read()) == dict.fromkeys(quality.breach_counts(read(*plain(1))), 0)


@pytest.mark.parametrize(
    "fields, rules",
    [
        ({"PREABE": 989}, ["prices_lie_within_low_and_high"]),
        ({"PREULT": 1061}, ["prices_lie_within_low_and_high"]),
        ({"PREMED": 1061}, []),
        ({"PREMIN": 0}, ["prices_are_positive"]),
        ({"PREMED": 0}, ["prices_are_positive"]),
        ({"PREOFC": 0, "PREOFV": 0}, []),
        ({"FATCOT": 2, "VOLTOT": 1751000}, ["quote_factor_is_a_power_of_ten"]),
        ({"FATCOT": 1_000_000, "VOLTOT": 3}, []),
        ({"PRAZOT": "\x9c\x0f "}, ["fields_are_readable"]),
        ({"QUATOT": 0, "VOLTOT": 0}, ["volume_fits_quantity"]),
        ({"VOLTOT": 0}, ["volume_fits_quantity"]),
        ({"QUATOT": 1, "FATCOT": 10_000, "VOLTOT": 0}, []),
        # 3,400 of 9.90 to 10.60 are 33,660.00 to 36,040.00; a hundredth of slack, and 12 cents for 12 trades.
        ({"VOLTOT": 3_332_328}, []),
        ({"VOLTOT": 3_332_327}, ["volume_fits_quantity"]),
        ({"VOLTOT": 3_640_041}, []),
        ({"VOLTOT": 3_640_042}, ["volume_fits_quantity"]),
    ],
)
def test_a_rule_is_broken_to_the_cent(fields, rules):
    assert counts(record(**fields), *plain(3)) == dict.fromkeys(rules, 1)


def test_products_beyond_64_bits_are_compared_exactly():
    # 99 x quantity x low has 33 digits, and one cent more or less decides.
    nines = dict.fromkeys(("PREABE", "PREMAX", "PREMIN", "PREMED", "PREULT"), 10**13 - 1)
    least = 99 * 10_000 * (10**13 - 1) // 100 - 12
    assert counts(record(QUATOT=10_000, VOLTOT=least, **nines)) == {}
    assert counts(record(QUATOT=10_000, VOLTOT=least - 1, **nines)) == {"volume_fits_quantity": 1}


def test_every_row_of_a_repeated_key_counts():
    forward = {"TPMERC": "030", "PRAZOT": "060"}
    rows = [record(PREABE=1000, **forward), record(PREABE=1001, **forward), record(TPMERC="030", PRAZOT="030")]
    assert counts(*rows, *plain(3)) == {"key_is_unique": 2}
    assert counts(record(), record(), record()) == {"key_is_unique": 3}


@pytest.mark.parametrize("odd, all_rows", [(20, 20), (20, 21), (30, 60), (40, 100)])
def test_up_to_half_of_the_rows_or_twenty_may_be_odd(odd, all_rows):
    quality.refuse_flood(read(*high_below_open(odd), *plain(all_rows - odd)), DATE, "s3://lake/file")


@pytest.mark.parametrize("odd, all_rows", [(21, 21), (31, 60), (60, 100)])
def test_more_are_a_flood(odd, all_rows):
    with pytest.raises(Flood) as caught:
        quality.refuse_flood(read(*high_below_open(odd), *plain(all_rows - odd)), DATE, "s3://lake/file")
    assert str(caught.value).startswith(
        f"s3://lake/file: expected at most half of the {all_rows} quotes of 2020-04-30 to break a rule; "
        f"found {odd} that break prices_lie_within_low_and_high. B3 changed its layout"
    )
    assert "accept_flood" in caught.value.hint
