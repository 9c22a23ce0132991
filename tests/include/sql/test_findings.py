"""The checks of quotes: what is odd passes where findings tells it, row for row, and fails where it does not."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from b3.calendar import sessions
from tests.include.glue.test_findings import ODD as GLUE_ODD
from tests.include.sql.lab import PRICES, Failed, Lab

Row = dict[str, Any]
TEN, ZERO = Decimal("10.00"), Decimal("0.00")


def quote(day: dt.date, ticker: str, **columns: Any) -> Row:
    row = {
        "trade_date": day,
        "source_date": day,
        "ticker": ticker,
        "market_type": "010",
        "forward_days": None,
        **dict.fromkeys(PRICES, TEN),
        "trade_count": 1,
        "quantity": 100,
        "financial_volume": Decimal("1000.00"),
        "quote_factor": 1,
        "finding_count": 0,
        **columns,
    }
    if row["quote_factor"] == 1:
        row |= {f"unit_{name}": row[name] for name in PRICES}
    return row


# By the rule, two quotes that break it and no other.
ODD: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "fields_are_readable": ({"unreadable": "forward_days 000f20"}, {"unreadable": "trade_count 2020202020"}),
    "key_is_unique": ({"ticker": "TWIN3"}, {"ticker": "TWIN3"}),
    "prices_are_positive": ({"low": ZERO}, {"open": ZERO, "low": ZERO}),
    "prices_lie_within_low_and_high": ({"open": Decimal("9.99")}, {"close": Decimal("10.01")}),
    "quote_factor_is_a_power_of_ten": (
        {"quote_factor": 3, "financial_volume": Decimal("333.33")},
        {"quote_factor": 99, "financial_volume": Decimal("10.10")},
    ),
    "volume_fits_quantity": ({"financial_volume": ZERO}, {"financial_volume": Decimal("1010.02")}),
}
OTHER_CHECKS = ("finding_counts_agree", "unit_prices_are_exact", "raw_and_refined_agree")
DAYS = sessions.sessions(dt.date(2019, 1, 2), dt.date(2019, 3, 29))


def told(rule: str, ticker: str) -> Row:
    return {"rule": rule, "table_name": "quotes", "ticker": ticker, "market_type": "010", "file_line": 2}


@pytest.fixture(scope="module")
def days(lab: Lab) -> dict[str, dt.date]:
    """Sessions by name: plain, of odd quotes that are told, and of findings that lack one or have one too many."""
    made: dict[str, tuple[list[Row], list[Row]]] = {
        "plain": ([{}], []),
        "told": (
            [{}, *(columns for odd in ODD.values() for columns in odd)],
            [told(rule, f"ODDA{n}") for n, rule in enumerate((rule for rule in ODD for _ in range(2)), 1)],
        ),
    }
    for rule, odd in ODD.items():
        made[f"{rule} hushed up"] = ([{}, *odd], [told(rule, "ODDA1")])
        made[f"{rule} made up"] = ([{}], [told(rule, "ODDA0")])
    correction = {"rule": "correction", "table_name": "quotes", "expected": "1 rows", "found": "1 rows"}
    made["corrected"] = ([{}], [correction])
    found = dict(zip(made, DAYS, strict=False))
    for name, day in found.items():
        changes, findings = made[name]
        rows = [quote(day, **{"ticker": f"ODDA{n}", **columns}) for n, columns in enumerate(changes)]
        for row, columns in zip(rows, changes, strict=True):
            row["finding_count"] = int(bool(columns))
        lab.put("raw_quotes", rows, str(day))
        lab.put("quotes", rows, str(day))
        lab.put("findings", findings, str(day))
    lab.crawl()
    return found


@pytest.fixture(scope="module")
def refined_day(lab: Lab) -> dt.date:
    """A session of the rows on which the Glue job is tested, with the findings that it tells of them."""
    day = dt.date(2018, 12, 28)
    rows = [{**quote(day, row["ticker"]), **row, "source_date": day} for row, _ in GLUE_ODD]
    told_of_it = [
        {"rule": rule, "table_name": "quotes", "ticker": row["ticker"], "market_type": row["market_type"],
         "file_line": line, "expected": expected, "found": found}
        for line, (row, told) in enumerate(GLUE_ODD, 2)
        for rule, expected, found in told
    ]  # fmt: skip
    for row, (_, told) in zip(rows, GLUE_ODD, strict=True):
        row["finding_count"] = len(told)
        factor = row["quote_factor"]
        exact = factor in (1, 10, 100, 1000)
        row |= {f"unit_{name}": row[name] / factor if exact else None for name in PRICES}
    lab.put("raw_quotes", rows, str(day))
    lab.put("quotes", rows, str(day))
    lab.put("findings", told_of_it, str(day))
    lab.crawl()
    return day


@pytest.mark.parametrize("check", [*ODD, *OTHER_CHECKS])
def test_the_checks_find_what_the_glue_job_tells_on_the_same_rows(lab: Lab, refined_day: dt.date, check: str):
    assert lab.check(check, refined_day).rows == [{check: "1"}]


@pytest.mark.parametrize("check", [*ODD, *OTHER_CHECKS])
def test_a_plain_session_passes_and_so_does_one_that_was_corrected(lab: Lab, days: dict[str, dt.date], check: str):
    for name in ("plain", "corrected"):
        assert lab.check(check, days[name]).rows == [{check: "1"}]


@pytest.mark.parametrize("check", [*ODD, *OTHER_CHECKS])
def test_odd_quotes_that_are_told_pass_every_check(lab: Lab, days: dict[str, dt.date], check: str):
    """Two of each rule: a check that counted those of another rule, or findings of another one, would fail."""
    assert lab.check(check, days["told"]).rows == [{check: "1"}]


@pytest.mark.parametrize("rule", ODD)
def test_what_is_odd_and_not_told_fails_its_check(lab: Lab, days: dict[str, dt.date], rule: str):
    day = days[f"{rule} hushed up"]
    with pytest.raises(Failed) as caught:
        lab.check(rule, day)
    assert f"findings of {day} does not match the odd rows on 1 sessions, as on {day}: 2 " in str(caught.value)
    assert f"; expected as many rows of rule {rule}, found 1; run refine again" in str(caught.value)


@pytest.mark.parametrize("rule", ODD)
def test_what_is_told_and_not_odd_fails_its_check(lab: Lab, days: dict[str, dt.date], rule: str):
    with pytest.raises(Failed, match=rf": 0 [^,;]*; expected as many rows of rule {rule}, found 1"):
        lab.check(rule, days[f"{rule} made up"])


def test_a_session_that_counts_other_findings_than_it_has_fails(lab: Lab, days: dict[str, dt.date]):
    day = days["volume_fits_quantity hushed up"]
    with pytest.raises(Failed, match=rf"as {day}: finding_count of quotes sums to 2; expected the rows of findings, 1"):
        lab.check("finding_counts_agree", day)


def test_over_a_year_the_sessions_that_differ_are_counted_and_the_first_named(lab: Lab, days: dict[str, dt.date]):
    wrong = sorted(days[f"prices_are_positive {how}"] for how in ("hushed up", "made up"))
    with pytest.raises(Failed, match=rf"findings of {DAYS[0]} to {DAYS[-1]} .* on 2 sessions, as on {wrong[0]}: "):
        lab.check("prices_are_positive", DAYS[0], DAYS[-1])
