"""The checks of indexes and sectors: each passes on what is right, and fails with its sentence on what is not.

Every case is a session of its own in the lake: five constituents, right but for what the case spoils.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from b3.calendar import sessions
from tests.include.sql.lab import CLASSIFIED, DAYS, SQL, Failed, Lab, Market, index_stocks

ACROSS = "quotes_agree_with_index_stocks"
CHECKS = sorted(
    path.stem
    for path in (SQL / "validate").glob("*/*.sql")
    if path.parent.name in ("indexes", "sectors") or path.stem == ACROSS
)
Row = dict[str, Any]


@dataclass
class Session:
    """The rows of a session, by table, and how many of each the tasks said that they wrote."""

    day: dt.date
    quotes: list[Row]
    raw_index_portfolio: list[Row]
    index_stocks: list[Row]
    raw_sectors: list[Row]
    written: dict[str, int]


def right(day: dt.date) -> Session:
    """Two indexes of three shares; weights add up to 100 as far as their rounding lets them."""
    weights = {"IBOV": ("50.001", "30.000", "20.000"), "SMLL": ("33.333", "33.333", "33.333")}
    tickers = {"IBOV": ("AAAA3", "BBBB4", "CCCC11"), "SMLL": ("CCCC11", "DDDD3", "EEEE3")}
    portfolio: list[Row] = [
        {
            "trade_date": day, "source_date": day if endpoint == "portfolio_day" else None, "index": index,
            "endpoint": endpoint, "ticker": ticker, "company": f"CIA {ticker[:4]}", "share_type": "ON",
            "sector": "Financeiro", "subsector": None, "weight_pct": Decimal(weight), "theoretical_quantity": 1000,
            "reductor": Decimal("1.5"),
        }
        for endpoint in ("portfolio_day", "theoretical")
        for index in weights
        for ticker, weight in zip(tickers[index], weights[index], strict=True)
    ]  # fmt: skip
    lots = [("AAAA3", "010"), ("AAAA3F", "020"), ("AAAA3L", "017"), ("BBBB4", "010"), ("CCCC11F", "020"),
            ("DDDD3", "010"), ("ZZZZ3", "010")]  # fmt: skip
    quotes: list[Row] = [
        {
            "trade_date": day, "source_date": day, "ticker": ticker, "market_type": market_type,
            **dict.fromkeys(("open", "high", "low", "close"), Decimal("10.00")), "quote_factor": 1,
            "quantity": 100 + place, "financial_volume": Decimal(100_000 + place).scaleb(-2),
        }
        for place, (ticker, market_type) in enumerate(lots)
    ]  # fmt: skip
    roots: list[Row] = [{"root": r, "company": r, "sector": "Saúde"} for r in ("AAAA", "B3BB", "CCCC")]
    stocks = index_stocks(portfolio, quotes)
    return Session(day, quotes, portfolio, stocks, roots, {"indexes": len(portfolio), "sectors": len(roots)})


def change(table: str, place: int, **values: Any) -> Callable[[Session], None]:
    return lambda of: getattr(of, table)[place].update(values)


def drop(table: str, place: int) -> Callable[[Session], None]:
    return lambda of: getattr(of, table).pop(place)


def repeat(table: str, place: int, **values: Any) -> Callable[[Session], None]:
    def spoil(of: Session) -> None:
        of.written["indexes"] += table == "raw_index_portfolio"
        of.written["sectors"] += table == "raw_sectors"
        getattr(of, table).append({**getattr(of, table)[place], **values})

    return spoil


SPOILED: list[tuple[str, Callable[[Session], Any], str]] = [
    (
        "index_portfolio_is_complete",
        drop("raw_index_portfolio", 9),
        "has 11 rows, 0 of portfolio_day with another source_date, 0 repeated constituents, 0 indexes whose weights "
        "are not 100: expected 12 rows of this date",
    ),
    (
        "index_portfolio_is_complete",
        change("raw_index_portfolio", 0, source_date=dt.date(2020, 1, 2)),
        "12 rows, 1 of portfolio_day with another source_date, 0 repeated",
    ),
    (
        "index_portfolio_is_complete",
        repeat("raw_index_portfolio", 7, weight_pct=Decimal("0.000")),
        "13 rows, 0 of portfolio_day with another source_date, 1 repeated constituents, as IBOV theoretical BBBB4, 0",
    ),
    (
        "index_portfolio_is_complete",
        change("raw_index_portfolio", 5, weight_pct=Decimal("33.331")),
        "1 indexes whose weights are not 100, as SMLL with 99.997: expected 12 rows",
    ),
    (
        "index_stocks_agree_with_the_portfolio",
        drop("index_stocks", 1),
        "3 of 6 constituents on {day} differ between raw_index_portfolio and index_stocks, as IBOV CCCC11: expected "
        "weight 20.000, quantity 1000; found weight 20.000, quantity 1000, as one of 2 rows where constituent_count "
        "is 3; run refine again",
    ),
    (
        "index_stocks_agree_with_the_portfolio",
        change("index_stocks", 3, weight_pct=Decimal("33.334")),
        "1 of 6 constituents on {day} differ between raw_index_portfolio and index_stocks, as SMLL CCCC11: expected "
        "weight 33.333, quantity 1000; found weight 33.334, quantity 1000, as one of 3",
    ),
    (
        "index_stocks_agree_with_the_portfolio",
        change("index_stocks", 0, theoretical_quantity=1001),
        "1 of 6 .*as IBOV AAAA3: expected weight 50.001, quantity 1000; found weight 50.001, quantity 1001",
    ),
    (
        "index_stocks_agree_with_the_portfolio",
        change("index_stocks", 4, ticker="FFFF3"),
        "2 of 7 .*as SMLL FFFF3: expected nothing; found weight 33.333",
    ),
    (
        "index_stocks_agree_with_the_portfolio",
        lambda of: (of.raw_index_portfolio.clear(), of.index_stocks.clear()),
        "0 of 0 constituents on {day} differ .*: expected some; run refine again",
    ),
    (
        "index_stocks_are_one_generation",
        change("index_stocks", 2, generation="b" * 16),
        f"has 2 generations in 6 rows, {'a' * 16} to {'b' * 16}, and 0 rows without one: expected one generation",
    ),
    (
        "index_stocks_are_one_generation",
        change("index_stocks", 2, generation=None),
        "has 1 generations in 6 rows, .* and 1 rows without one: expected one generation",
    ),
    (
        "index_stocks_are_one_generation",
        lambda of: of.index_stocks.clear(),
        "has 0 generations in 0 rows, none to none",
    ),
    (
        ACROSS,
        change("quotes", 2, financial_volume=Decimal("1000.03")),
        "1 constituents of index_stocks in {day}, on 1 dates, have other totals than quotes, as on {day}, IBOV AAAA3 "
        "\\(quantity 303, volume 3000.03\\): expected quantity 303, volume 3000.04 over round lot, odd lot and auction"
        "; run b3_daily again, from scrape on, for {day}'",
    ),
    (
        ACROSS,
        drop("quotes", 4),
        "2 constituents .*, IBOV CCCC11 \\(quantity 104, volume 1000.04\\): expected quantity null, volume null over",
    ),
    (
        ACROSS,
        change("index_stocks", 1, total_quantity=None),
        "1 constituents .*, IBOV BBBB4 \\(quantity null, volume 1000.03\\): expected quantity 103, volume 1000.03",
    ),
    (
        "sectors_are_whole",
        drop("raw_sectors", 0),
        "has 2 rows of 2 roots, 0 of them not of four characters, and 0 without a sector: expected 3 rows",
    ),
    ("sectors_are_whole", repeat("raw_sectors", 0), "has 4 rows of 3 roots, 0 of them not .*: expected 4 rows"),
    ("sectors_are_whole", change("raw_sectors", 1, root="B3BBX"), "3 roots, 1 of them not of four characters, and 0"),
    ("sectors_are_whole", change("raw_sectors", 1, sector=" "), "and 1 without a sector: expected 3 rows, each root"),
]


@pytest.fixture(scope="module")
def cases(lab: Lab) -> list[Session]:
    """A session that is right, and one for each of SPOILED."""
    days = sessions.sessions(dt.date(2020, 3, 2), dt.date(2020, 6, 30))
    made = [right(day) for day in days[: len(SPOILED) + 1]]
    for session, (_, spoil, _) in zip(made[1:], SPOILED, strict=True):
        spoil(session)
    for session in made:
        for table in ("quotes", "raw_index_portfolio", "raw_sectors"):
            lab.put(table, getattr(session, table), str(session.day))
        lab.put_index_stocks(session.index_stocks, session.day)
    lab.crawl()
    return made


def test_every_check_of_indexes_and_sectors_has_a_case_that_it_fails():
    assert {check for check, _, _ in SPOILED} == set(CHECKS)


@pytest.mark.parametrize("check", CHECKS)
class TestEveryCheck:
    def test_passes_on_what_is_right(self, lab: Lab, cases: list[Session], check: str):
        found = lab.check(check, cases[0].day, **cases[0].written)
        assert found.rows == [{check: "1"}]
        assert (
            0
            < found.bytes_scanned
            <= sum(
                lab.scanned_partitions(table, cases[0].day)
                for table in ("quotes", "raw_index_portfolio", "raw_sectors", "index_stocks")
            )
        )

    def test_passes_on_a_simulated_session(self, market: Market, check: str):
        day = CLASSIFIED if check.startswith("sectors_") else DAYS[-1]
        found = market.lab.check(check, day, indexes=len(market.portfolio), sectors=len(market.sectors))
        assert found.rows == [{check: "1"}]


@pytest.mark.parametrize("number", range(len(SPOILED)), ids=[f"{c}-{i}" for i, (c, _, _) in enumerate(SPOILED)])
def test_a_check_fails_with_figures_on_what_is_wrong(lab: Lab, cases: list[Session], number: int):
    check, _, sentence = SPOILED[number]
    session = cases[number + 1]
    with pytest.raises(Failed, match=sentence.format(day=session.day)):
        lab.check(check, session.day, **session.written)


class TestOverAYear:
    """As b3_history asks: quotes have every session of it, and index_stocks those of some sessions, or none."""

    def test_each_date_whose_constituents_differ_from_quotes_is_named(self, lab: Lab, cases: list[Session]):
        """The session before them has no constituents; that after them is right."""
        wrong = [place for place, (check, _, _) in enumerate(SPOILED, start=1) if check == ACROSS]
        first, last = cases[wrong[0] - 1], cases[wrong[-1] + 1]
        assert first.quotes
        assert not first.index_stocks

        with pytest.raises(Failed) as raised:
            lab.check(ACROSS, first.day, last.day)

        days = [str(cases[place].day) for place in wrong]
        assert (
            f"'4 constituents of index_stocks in {first.day} to {last.day}, on 3 dates, have other totals than quotes, "
            f"as on {days[0]}, IBOV AAAA3 (quantity 303, volume 3000.03): expected quantity 303, volume 3000.04 over "
            f"round lot, odd lot and auction; run b3_daily again, from scrape on, for {', '.join(days)}'"
        ) in str(raised.value)

    def test_one_without_constituents_passes(self, lab: Lab, cases: list[Session]):
        (alone,) = [
            session for session in cases if session.quotes and session.raw_index_portfolio and not session.index_stocks
        ]

        assert lab.check(ACROSS, alone.day).rows == [{ACROSS: "1"}]
        assert lab.check(ACROSS, dt.date(1999, 1, 1), dt.date(1999, 12, 31)).rows == [{ACROSS: "1"}]

    def test_no_other_year_is_read(self, lab: Lab, cases: list[Session]):
        day, last = cases[0].day, cases[1].day

        scanned = lab.check(ACROSS, day, last).bytes_scanned

        assert 0 < scanned <= sum(lab.scanned_partitions(table, day, last) for table in ("quotes", "index_stocks"))
