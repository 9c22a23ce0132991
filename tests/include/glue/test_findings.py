"""What is odd in a session's quotes: published as B3 wrote it, counted in its row, and told in the findings."""

import datetime as dt
import io
import json
from collections import Counter
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from b3.quotes import cotahist
from tests.include.glue.lake import METADATA, PRICES, SCRIPT, Lake, quote, raw_file, run_many
from tests.places import REAL_FILES

ZERO = Decimal("0.00")
POWERS = "1, 10, 100, 1000, 10000, 100000 or 1000000"
VOLUME = "quantity x low <= volume x quote_factor <= quantity x high"

# Each quote, and what is told of it: rule, expected, found. Lines count from 2, the header being line 1.
ODD: list[tuple[dict[str, Any], list[tuple[str, str, str]]]] = [
    (quote("GOOD3"), []),
    (
        quote("OPEN3", open=Decimal("11.00"), high=Decimal("10.00")),
        [
            (
                "prices_lie_within_low_and_high",
                "low <= open, close <= high",
                "open 11.00, high 10.00, low 10.00, close 10.00",
            )
        ],
    ),
    (
        quote("CLOS3", close=Decimal("9.99"), low=Decimal("10.00"), financial_volume=Decimal("1000.00")),
        [
            (
                "prices_lie_within_low_and_high",
                "low <= open, close <= high",
                "open 10.00, high 10.00, low 10.00, close 9.99",
            )
        ],
    ),
    # B3's average can lie outside, and is no finding.
    (quote("AVER3", average=Decimal("10.01")), []),
    (
        quote("ZERO3", open=ZERO, low=ZERO),
        [
            (
                "prices_are_positive",
                "open, high, low, average and close above 0.00",
                "open 0.00, high 10.00, low 0.00, average 10.00, close 10.00",
            )
        ],
    ),
    (
        quote("FACT3", quote_factor=7, financial_volume=Decimal("142.86")),
        [("quote_factor_is_a_power_of_ten", f"a quote factor of {POWERS}", "quote_factor 7")],
    ),
    (
        quote("NULL3", quote_factor=0),
        [
            ("quote_factor_is_a_power_of_ten", f"a quote factor of {POWERS}", "quote_factor 0"),
            (
                "volume_fits_quantity",
                VOLUME,
                "quantity 100, low 10.00, high 10.00, financial_volume 1000.00, quote_factor 0",
            ),
        ],
    ),
    # In 1988 a volume is not divided by the quote factor.
    (
        quote("CSNA6", quote_factor=1000, financial_volume=Decimal("1000.00")),
        [
            (
                "volume_fits_quantity",
                VOLUME,
                "quantity 100, low 10.00, high 10.00, financial_volume 1000.00, quote_factor 1000",
            )
        ],
    ),
    (
        quote("NONE3", quantity=0, financial_volume=ZERO),
        [("volume_fits_quantity", VOLUME, "quantity 0, low 10.00, high 10.00, financial_volume 0.00, quote_factor 1")],
    ),
    # A volume of 0.00 is one of less than a cent.
    (quote("CENT3", "0.01", quantity=1, quote_factor=1000, financial_volume=ZERO), []),
    (
        quote("CPFL3F", market_type="020", unreadable="forward_days 000f20"),
        [("fields_are_readable", "every field readable", "forward_days 000f20 (bytes in hex)")],
    ),
    # The slack of a volume is a cent a trade: unknown trades may be many.
    (
        quote("TRAD3", financial_volume=Decimal("100.00"), trade_count=None, unreadable="trade_count 2020202020"),
        [("fields_are_readable", "every field readable", "trade_count 2020202020 (bytes in hex)")],
    ),
    # 100 of 10.00 are 1000.00; a hundredth of slack, and a cent for each trade below, a cent above.
    (quote("EDGA3", financial_volume=Decimal("989.99"), trade_count=1), []),
    (
        quote("EDGB3", financial_volume=Decimal("989.98"), trade_count=1),
        [
            (
                "volume_fits_quantity",
                VOLUME,
                "quantity 100, low 10.00, high 10.00, financial_volume 989.98, quote_factor 1",
            )
        ],
    ),
    (quote("EDGC3", financial_volume=Decimal("1010.01")), []),
    (
        quote("EDGD3", financial_volume=Decimal("1010.02")),
        [
            (
                "volume_fits_quantity",
                VOLUME,
                "quantity 100, low 10.00, high 10.00, financial_volume 1010.02, quote_factor 1",
            )
        ],
    ),
    # As wide as its field, where a product of integers would not fit 64 bits.
    (
        quote("WIDE3", "0.01", quantity=999_999_999_999_999_999, financial_volume=Decimal("9999999999999999.99")),
        [],
    ),
    *(
        (
            quote("VGOA3T", price, market_type="030", forward_days=60),
            [("key_is_unique", "each (ticker, market_type, forward_days) once", "2 rows of it")],
        )
        for price in ("1.90", "1.65")
    ),
    (quote("VGOA3T", "1.90", market_type="030", forward_days=30), []),
    # From 0.01 to this is more percent than the column holds.
    (
        quote("HUGE3", open=Decimal("0.01"), close=Decimal("99999999999.99"), financial_volume=Decimal("1000.00")),
        [],
    ),
]
CORRECTION = {"before": "6 rows, volume 10.00", "after": "7 rows, volume 11.00: 2 added, 1 gone, 0 changed"}


# Small files of B3's own rows, each with something odd: what is told of it.
REAL_CASES = {
    dt.date(1986, 5, 6): [("prices_lie_within_low_and_high", "MVI 2", 2)],
    dt.date(1986, 5, 23): [("prices_lie_within_low_and_high", "WHM 1", 2), ("volume_fits_quantity", "WHM 1", 2)],
    dt.date(1986, 10, 10): [("key_is_unique", "VGO 2", 3), ("key_is_unique", "VGO 2", 4)],
    dt.date(1987, 1, 13): [("fields_are_readable", "CPF 3", 2)],
}
CASES = REAL_FILES.parent / "cases"


@pytest.fixture(scope="module")
def real_cases(lake: Lake) -> dict[dt.date, list[str]]:
    """The arguments of a run for each of REAL_CASES, whose raw quotes are there."""
    runs = {}
    for date in REAL_CASES if CASES.exists() else ():
        raw = io.BytesIO()
        cotahist.write_parquet(CASES / f"COTAHIST_D{date:%d%m%Y}.ZIP", raw, trade_date=date)
        lake.put(lake.raw(f"case-{date}", date), raw.getvalue(), METADATA)
        before = date - dt.timedelta(days=1)
        runs[date] = lake.arguments(f"case-{date}", sessions=str(date), previous_session=str(before))
    return runs


@pytest.fixture(scope="module")
def said(lake: Lake, real_cases: dict[dt.date, list[str]]) -> str:
    """What the runs printed: of the odd day twice, of a plain day, of a day that was corrected, of real cases."""
    lake.put(lake.raw("odd"), raw_file([row for row, _ in ODD]), METADATA)
    lake.put(lake.raw("plain"), raw_file([quote("GOOD3")]), METADATA)
    lake.put(lake.raw("corrected"), raw_file([quote("GOOD3")]), {**METADATA, "correction": json.dumps(CORRECTION)})
    names = ("odd", "odd", "plain", "corrected")
    runs = [*(lake.arguments(name) for name in names), *real_cases.values()]
    errors, printed = run_many(lake.environ, SCRIPT, runs)
    assert errors == [None] * len(runs), printed
    return printed


@pytest.fixture(scope="module")
def rows(lake: Lake, said: str) -> list[dict[str, Any]]:
    return lake.read(lake.refined("odd")).read().to_pylist()


def test_every_row_is_published_as_it_was_sent(rows: list[dict[str, Any]]) -> None:
    sent = [{name: value for name, value in row.items() if name != "unreadable"} for row, _ in ODD]
    kept = [{name: row[name] for name in sent[0]} for row in rows]
    assert Counter(map(str, kept)) == Counter(map(str, sent))


def test_a_row_counts_the_rules_that_it_breaks(rows: list[dict[str, Any]]) -> None:
    counts = {(row["ticker"], row["forward_days"], row["close"]): row["finding_count"] for row in rows}
    assert counts == {(row["ticker"], row["forward_days"], row["close"]): len(told) for row, told in ODD}


def test_each_breach_is_told_with_its_line_and_in_the_order_of_the_file(lake: Lake, said: str) -> None:
    assert lake.read(lake.findings("odd")).read().to_pylist() == [
        {
            "rule": rule,
            "table_name": "quotes",
            "ticker": row["ticker"],
            "market_type": row["market_type"],
            "forward_days": row["forward_days"],
            "file_line": line,
            "expected": expected,
            "found": found,
        }
        for line, (row, told) in enumerate(ODD, 2)
        for rule, expected, found in told
    ]


def test_every_rule_is_broken_by_a_row_of_this_test(lake: Lake, said: str) -> None:
    told = {rule for _, of_row in ODD for rule, _, _ in of_row}
    assert told == {
        "fields_are_readable",
        "key_is_unique",
        "prices_are_positive",
        "prices_lie_within_low_and_high",
        "quote_factor_is_a_power_of_ten",
        "volume_fits_quantity",
    }


def test_what_cannot_be_computed_is_null(rows: list[dict[str, Any]]) -> None:
    by_ticker = {row["ticker"]: row for row in rows}
    for ticker in ("FACT3", "NULL3"):
        assert [by_ticker[ticker][f"unit_{name}"] for name in PRICES] == [None] * len(PRICES)
    assert by_ticker["ZERO3"]["change_pct"] is None
    assert by_ticker["HUGE3"]["change_pct"] is None
    assert by_ticker["ZERO3"]["unit_close"] == 10
    assert by_ticker["OPEN3"]["change_pct"] == Decimal("-9.0909")


def test_a_session_without_findings_has_an_object_without_rows(lake: Lake, said: str) -> None:
    found = lake.read(lake.findings("plain"))
    assert found.metadata.num_rows == 0
    assert [(field.name, field.type) for field in found.schema_arrow] == [
        ("rule", pa.string()),
        ("table_name", pa.string()),
        ("ticker", pa.string()),
        ("market_type", pa.string()),
        ("forward_days", pa.int16()),
        ("file_line", pa.int32()),
        ("expected", pa.string()),
        ("found", pa.string()),
    ]


def test_a_correction_is_told_once_for_the_session(lake: Lake, said: str) -> None:
    (told,) = lake.read(lake.findings("corrected")).read().to_pylist()
    assert told == {
        "rule": "correction",
        "table_name": "quotes",
        "ticker": None,
        "market_type": None,
        "forward_days": None,
        "file_line": None,
        "expected": CORRECTION["before"],
        "found": CORRECTION["after"],
    }
    assert [row["finding_count"] for row in lake.read(lake.refined("corrected")).read().to_pylist()] == [0]


def test_a_rerun_leaves_the_same_objects(lake: Lake, said: str) -> None:
    assert lake.versions(lake.findings("odd")) == 1
    assert lake.versions(lake.refined("odd")) == 1


def test_the_findings_say_what_they_were_made_from(lake: Lake, said: str) -> None:
    found = lake.s3.head_object(Bucket="lake", Key=lake.findings("odd"))["Metadata"]
    told = sum(len(of_row) for _, of_row in ODD)
    assert found["rows"] == str(told)
    assert found["source"] == METADATA["source"]
    assert found["raw-etag"] == lake.etag(lake.raw("odd")).strip('"')
    assert f"{len(ODD)} rows from s3://lake/raw/odd/, {told} findings" in said


@pytest.mark.skipif(not CASES.exists(), reason=f"no real rows in {CASES}: B3's data is not ours to ship")
@pytest.mark.parametrize("date", REAL_CASES, ids=str)
def test_of_an_odd_row_of_b3s_own_this_is_told(lake: Lake, said: str, date: dt.date) -> None:
    told = lake.read(lake.findings(f"case-{date}", date)).read().to_pylist()
    assert [(row["rule"], row["ticker"], row["file_line"]) for row in told] == REAL_CASES[date]
