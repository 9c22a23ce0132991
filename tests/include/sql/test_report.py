"""Each query of the report against pandas over the rows that were written, reckoned another way, to the last digit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from b3.lake import athena
from b3.report import figures
from b3.report.page import Origin, render
from local.aws import launch
from local.lake import provision
from tests.include.sql.lab import CLASSIFIED, DAYS, FIRST_CLASSIFIED, SQL, Lab, Market, rounded

LAST = DAYS[-1]
FILES = {path.stem: path.read_text() for path in (SQL / "report").glob("*.sql")}


def gather(market: Market | Small, day: dt.date) -> figures.Figures:
    outputs = market.lab.outputs

    def ask(sql: str) -> list[athena.Row]:
        return athena.ask(market.lab.athena, sql, outputs["GlueDatabase"], outputs["AthenaWorkgroup"])

    return figures.gather(ask, FILES, day)


@pytest.fixture(scope="module")
def found(market: Market) -> figures.Figures:
    return gather(market, LAST)


@dataclass
class Small:
    """A lake of two sessions: a share left an index, another came, and quotes broke rules."""

    lab: Lab


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Small]:
    # Two lakes of one AWS account would share their database.
    with launch.start(tmp_path_factory.mktemp("small")) as server, pytest.MonkeyPatch.context() as environment:
        for name, value in server.environment().items():
            environment.setenv(name, value)
        lab = Lab(server.endpoint, provision.provision(server.endpoint, "lake-of-the-report"))
        fill(lab)
        yield Small(lab)


def fill(lab: Lab) -> None:
    share = {"market_type": "010", "asset_class": "stock", "currency": "R$", "finding_count": 0}
    for day, members in (
        (DAYS[-2], {"STAY3": "60.000", "LEFT3": "40.000"}),
        (LAST, {"STAY3": "55.5", "CAME3": "44.5"}),
    ):
        quotes = [
            {**share, "ticker": "ODD3", "financial_volume": Decimal("10.01"), "finding_count": 2},
            {**share, "ticker": "STAY3", "financial_volume": Decimal("20.00")},
            # A key that repeats, as in B3's file of 10 October 1986.
            {**share, "ticker": "TWIN3", "financial_volume": Decimal("5.00"), "unit_close": Decimal("2.00000000")},
            {**share, "ticker": "TWIN3", "financial_volume": Decimal("5.00"), "unit_close": Decimal("3.00000000")},
        ]
        lab.put("quotes", quotes, str(day))
        lab.put("raw_quotes", quotes, str(day))
        rules = [("prices_are_positive", 9), ("key_is_unique", 7), ("prices_are_positive", 4)]
        lab.put(
            "findings",
            [{"rule": rule, "ticker": f"L{line}", "file_line": line, "expected": "x", "found": f"y{line}"}
             for rule, line in rules],
            str(day),
        )  # fmt: skip
        members_of_day = [
            {"index_code": "IBOV", "ticker": ticker, "weight_pct": Decimal(weight), "constituent_count": 2,
             "generation": "a"}
            for ticker, weight in members.items()
        ]  # fmt: skip
        lab.put_index_stocks(members_of_day, day)
    lab.crawl()


def on(frame: pd.DataFrame, day: dt.date) -> pd.DataFrame:
    return frame[frame.trade_date == day]


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_file_begins_with_what_it_asks_and_is_plain_sql(name):
    assert FILES[name].startswith("-- ")
    assert "{{" not in FILES[name] and "{%" not in FILES[name]


@pytest.mark.parametrize("name", sorted(FILES))
def test_without_a_date_the_last_session_is_asked_for(market: Market, found, name):
    assert market.lab.ask(FILES[name]).rows == market.lab.ask(figures.for_session(FILES[name], LAST)).rows


def test_totals_are_of_all_markets_by_asset_class(market: Market, found):
    of = on(market.quotes, LAST).groupby("asset_class")
    expected = {name: (len(rows), sum(rows.quantity), sum(rows.financial_volume, Decimal())) for name, rows in of}
    assert {
        row["asset_class"]: (row["quotes"], int(row["quantity"]), row["financial_volume"]) for row in found.totals
    } == expected
    volumes = [row["financial_volume"] for row in found.totals]
    assert volumes == sorted(volumes, reverse=True)


def test_sessions_have_breadth_of_the_round_lot_and_volume_of_all_lots(market: Market, found):
    for row in found.sessions:
        day = row["trade_date"]
        changes = on(market.spot("010"), day).change_pct
        assert (row["advancers"], row["decliners"], row["unchanged"]) == (
            sum(changes > 0), sum(changes < 0), sum(changes == 0),
        )  # fmt: skip
        assert row["financial_volume"] == sum(on(market.spot("010", "017", "020"), day).financial_volume)
    # The session apart is within 120 days; the ancient one is not.
    assert [row["trade_date"] for row in found.sessions] == [dt.date(2024, 1, 31), *DAYS]
    assert found.session == found.sessions[-1]


class TestMovers:
    def ranked(self, market: Market) -> pd.DataFrame:
        of = on(market.spot("010"), LAST)
        return of.sort_values(["financial_volume", "ticker"], ascending=[False, True])

    def test_most_traded_are_the_ten_of_the_largest_volume(self, market: Market, found):
        expected = self.ranked(market).head(10)
        assert [(r["ticker"], r["financial_volume"], r["close"]) for r in found.ranked("volume_rank")] == [
            (row.ticker, row.financial_volume, rounded(row.unit_close, 8)) for row in expected.itertuples()
        ]

    @pytest.mark.parametrize(("rank", "up"), [("gainer_rank", True), ("loser_rank", False)])
    def test_gainers_and_losers_are_among_the_hundred_most_traded(self, market: Market, found, rank, up):
        hundred = self.ranked(market).head(100)
        moved = hundred[hundred.change_pct > 0] if up else hundred[hundred.change_pct < 0]
        expected = moved.sort_values(["change_pct", "ticker"], ascending=[not up, True]).head(10)
        rows = found.ranked(rank)
        assert [(row["ticker"], row["change_pct"]) for row in rows] == list(
            zip(expected.ticker, expected.change_pct, strict=True)
        )
        assert [row[rank] for row in rows] == list(range(1, len(rows) + 1)) and rows

    def test_closes_are_those_of_the_sessions_in_order(self, market: Market, found):
        spot = market.spot("010")
        for row in found.movers:
            of = spot[(spot.ticker == row["ticker"]) & (spot.trade_date >= dt.date(2024, 1, 1))]
            closes = [rounded(value, 8) for value in of.sort_values("trade_date").unit_close]
            assert [Decimal(text) for text in row["closes"].split()] == closes


class TestSectorChanges:
    def changes(self, market: Market, sectors: dict[str, str]) -> dict[tuple[str, dt.date], Any]:
        spot = market.spot("010")
        spot = spot[spot.trade_date.isin(DAYS[-21:])].assign(sector=spot.ticker.str[:4].map(sectors))
        return {
            (sector, day): rounded(
                sum(rows.change_pct * rows.financial_volume) / sum(rows.financial_volume), 4
            )
            for (sector, day), rows in spot.dropna(subset=["sector"]).groupby(["sector", "trade_date"])
        }  # fmt: skip

    def test_are_weighted_by_volume_over_21_sessions(self, market: Market, found):
        expected = self.changes(market, {row["root"]: row["sector"] for row in market.sectors})
        assert {(row["sector"], row["trade_date"]): row["change_pct"] for row in found.sector_changes} == expected
        assert len({row["trade_date"] for row in found.sector_changes}) == 21

    def test_take_the_newest_workbook_up_to_the_session(self, market: Market):
        before = CLASSIFIED - dt.timedelta(days=1)
        assert {row["sector"] for row in gather(market, before).sector_changes} == {"Before"}

    def test_are_none_before_the_first_workbook(self, market: Market):
        assert gather(market, FIRST_CLASSIFIED - dt.timedelta(days=1)).sector_changes == []


def test_options_are_summed_for_the_market_and_for_the_ten_largest_roots(market: Market, found):
    options = on(market.quotes, LAST)
    options = options[options.asset_class == "option"].assign(root=lambda frame: frame.ticker.str[:4])

    def sums(rows: pd.DataFrame) -> tuple[Any, ...]:
        calls, puts = rows[rows.market_type == "070"], rows[rows.market_type == "080"]
        return (
            len(rows),
            sum(calls.financial_volume, Decimal()), sum(puts.financial_volume, Decimal()),
        )  # fmt: skip

    by_root = [(root, *sums(rows)) for root, rows in options.groupby("root")]
    largest = sorted(by_root, key=lambda row: (-(row[2] + row[3]), row[0]))[:10]
    assert [tuple(row.values()) for row in found.options] == [(None, *sums(options)), *largest]


class TestIndexMembers:
    def test_have_weight_change_and_volume(self, market: Market, found):
        of = {(row["index_code"], row["ticker"]): row for row in market.index_stocks if row["trade_date"] == LAST}
        present = [row for row in found.index_members if row["weight_pct"] is not None]
        assert {(row["index_code"], row["ticker"]) for row in present} == of.keys()
        for row in present:
            expected = of[row["index_code"], row["ticker"]]
            assert row["weight_pct"] == expected["weight_pct"]
            assert row["financial_volume"] == expected["total_financial_volume"]
            assert row["company_name"] == expected["company_name"] and row["sector"] == expected["sector"]
            if expected["open"] is None:
                assert row["change_pct"] is None
            else:
                assert row["change_pct"] == rounded((expected["close"] - expected["open"]) * 100 / expected["open"], 4)

    def test_are_compared_with_the_last_whole_session_before(self, market: Market, found):
        # IBOV is whole on the last session only; SMLL on the one before, too, which has fewer constituents.
        smll = [row for row in market.index_stocks if row["index_code"] == "SMLL"]
        former = {row["ticker"]: row["weight_pct"] for row in smll if row["trade_date"] == DAYS[-2]}
        rows = found.indexes()["SMLL"]
        assert {row["former_date"] for row in rows} == {DAYS[-2], None}
        assert {row["ticker"]: row["former_weight_pct"] for row in rows if row["former_date"]} == former
        came = {row["ticker"] for row in rows if row["former_weight_pct"] is None}
        assert came == {row["ticker"] for row in smll if row["trade_date"] == LAST} - former.keys() and came
        assert {row["former_date"] for row in found.indexes()["IBOV"]} == {None}

    def test_are_none_without_portfolios(self, market: Market):
        assert gather(market, DAYS[0]).index_members == []


def test_quality_counts_what_each_table_has(market: Market, found):
    (quality,) = found.quality
    refined = on(market.quotes, LAST)
    assert quality["quotes"] == len(refined)
    assert quality["volume"] == sum(refined.financial_volume)
    assert quality["portfolio_rows"] == len(market.portfolio)
    assert quality["sectors_from"] == CLASSIFIED
    assert quality["previous_session"] == DAYS[-2]
    # The lab writes no raw quotes: raw and refined do not agree, and the page says so.
    assert quality["raw_quotes"] == 0 and quality["raw_volume"] is None
    page = render(found, Origin("simulated", "", ""), None).decode()
    assert "RAW AND REFINED DIFFER" in page


def test_who_left_an_index_has_a_former_weight_alone(small: Small):
    weights = {
        row["ticker"]: (row["weight_pct"], row["former_weight_pct"], row["former_date"])
        for row in gather(small, LAST).index_members
    }
    assert weights == {
        "STAY3": (Decimal("55.500"), Decimal("60.000"), DAYS[-2]),
        "CAME3": (Decimal("44.500"), None, None),
        "LEFT3": (None, Decimal("40.000"), DAYS[-2]),
    }


def test_findings_are_counted_by_rule_with_the_first_line_as_example(small: Small):
    found = gather(small, LAST)
    assert [(row["rule"], row["findings"], row["ticker"], row["found"]) for row in found.findings] == [
        ("key_is_unique", 1, "L7", "y7"), ("prices_are_positive", 2, "L4", "y4"),
    ]  # fmt: skip
    assert found.currency == "R$"
    (quality,) = found.quality
    assert (quality["odd_quotes"], quality["quotes"], quality["raw_quotes"]) == (1, 4, 4)
    assert quality["volume"] == quality["raw_volume"] == Decimal("40.01")
    assert "RAW AND REFINED DIFFER" not in render(found, Origin("b3", "", ""), None).decode()


def test_a_key_that_repeats_has_two_rows_and_one_close_a_session(small: Small):
    rows = [row for row in gather(small, LAST).movers if row["ticker"] == "TWIN3"]

    assert [(row["close"], row["volume_rank"]) for row in rows] == [(Decimal(2), 3), (Decimal(3), 4)]
    assert {row["closes"] for row in rows} == {"3.00000000 3.00000000"}


def test_a_session_without_quotes_has_no_report(market: Market):
    with pytest.raises(Exception, match=r"expected quotes of 2024-03-16.*found no row"):
        gather(market, dt.date(2024, 3, 16))
