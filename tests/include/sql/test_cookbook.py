"""Each statement of docs/cookbook.md runs, finds rows, and says what pandas says."""

import datetime as dt
import math
import re
from decimal import Decimal

import pandas as pd
import pytest

from tests.include.sql.lab import ANCIENT, DAYS, Market
from tests.places import ROOT

DOCUMENT = (ROOT / "docs" / "cookbook.md").read_text(encoding="utf-8")
RECIPES = dict(re.findall(r"^## ([^\n]+)\n(?:(?!^## ).)*?```sql\n(.*?)```", DOCUMENT, re.MULTILINE | re.DOTALL))
TICKER = "PETR4"
# What is odd on a session long before the others.
FOUND = ("key_is_unique", "key_is_unique", "correction")


@pytest.fixture(scope="module")
def share(market: Market) -> str:
    """A constituent with options, that trades in all three markets on each session; it stands for PETR4."""
    of = market.spot("010")
    whole = of[of.trade_date.isin(DAYS)].groupby("ticker").trade_date.nunique()
    last = market.quotes[market.quotes.trade_date == DAYS[-1]]
    underlying = set(last[last.asset_class == "option"]["isin"])
    constituents = {row["ticker"] for row in market.portfolio if row["index"] == "IBOV"}
    found = last[
        last.ticker.isin(constituents & set(whole[whole == len(DAYS)].index))
        & last["isin"].isin(underlying)
        & (last.market_type == "010")
    ]
    return found.sort_values("financial_volume").ticker.iloc[-1]


@pytest.fixture(scope="module")
def answers(market: Market, share: str) -> dict[str, list[dict]]:
    """The rows of each statement."""
    for path in sorted((ROOT / "include" / "sql" / "views").glob("*.sql")):
        market.lab.ask(path.read_text())
    market.lab.put("findings", [{"rule": rule, "table_name": "quotes"} for rule in FOUND], str(ANCIENT))
    market.lab.crawl()
    return {name: market.lab.ask(sql.replace(TICKER, share)).rows for name, sql in RECIPES.items()}


def test_every_block_is_a_recipe_and_there_are_a_dozen():
    assert len(RECIPES) >= 12
    assert len(RECIPES) == DOCUMENT.count("```sql") == DOCUMENT.count("\n## ")


@pytest.mark.parametrize("name", RECIPES)
def test_it_has_an_answer(answers, name):
    assert answers[name]
    assert [column for column in answers[name][0] if all(row[column] is None for row in answers[name])] == []


@pytest.mark.parametrize("name", RECIPES)
def test_it_filters_on_the_partition(name):
    assert "trade_date" in RECIPES[name].partition("WHERE")[2]


class TestFigures:
    @pytest.fixture
    def closes(self, market: Market, share: str) -> pd.Series:
        of = market.quotes[(market.quotes.ticker == share) & (market.quotes.market_type == "010")]
        return of.set_index("trade_date").sort_index().unit_close.astype(float)

    def test_a_stocks_year(self, answers, market, share):
        of = market.quotes[(market.quotes.ticker == share) & (market.quotes.market_type == "010")]
        (row,) = answers["A stock's year"]

        assert int(row["sessions"]) == len(of)
        assert Decimal(row["highest"]) == of.unit_high.max()
        assert Decimal(row["lowest"]) == of.unit_low.min()
        assert Decimal(row["financial_volume"]) == of.financial_volume.sum()

    def test_volatility_and_average(self, answers, closes):
        newest = answers["Moving average and volatility of 20 sessions"][0]
        returns = (closes / closes.shift()).apply(math.log)

        assert newest["trade_date"] == str(DAYS[-1])
        assert float(newest["average_20"]) == pytest.approx(closes.iloc[-20:].mean(), abs=1e-4)
        assert float(newest["volatility_pct"]) == pytest.approx(returns.iloc[-20:].std() * 252**0.5 * 100, abs=0.01)

    def test_points_add_up_to_the_change_of_the_index(self, answers, market, share):
        rows = answers["How many points each constituent gave to the index"]
        quotes = market.quotes[market.quotes.market_type == "010"].set_index(["trade_date", "ticker"])
        of = {row["ticker"]: row for row in market.portfolio if row["index"] == "IBOV"}

        assert len(rows) == 10
        for row in rows:
            ticker = row["ticker"]
            step = quotes.loc[(DAYS[-1], ticker)].unit_close - quotes.loc[(DAYS[-2], ticker)].unit_close
            points = of[ticker]["theoretical_quantity"] * step / of[ticker]["reductor"]
            assert float(row["points"]) == pytest.approx(float(points), abs=0.005)

    def test_months_and_sectors_add_up_to_the_volume(self, answers, market):
        spot = market.spot("010", "017", "020")
        total = sum(Decimal(row["financial_volume"]) for row in answers["Volume by month and sector"])

        assert total == spot.financial_volume.sum()

    def test_gaps_come_by_size_and_are_of_the_opening(self, answers, market):
        rows = answers["Gaps between sessions"]
        sizes = [abs(float(row["gap_pct"])) for row in rows]
        quotes = market.quotes[market.quotes.market_type == "010"].set_index(["trade_date", "ticker"])
        first = rows[0]
        day = dt.date.fromisoformat(first["trade_date"])

        assert sizes == sorted(sizes, reverse=True)
        assert float(first["open"]) == float(quotes.loc[(day, first["ticker"])].unit_open)

    def test_findings_are_counted_by_rule(self, answers):
        assert answers["Days with findings"] == [
            {"rule": "key_is_unique", "sessions": "1", "findings": "2", "last_session": str(ANCIENT)},
            {"rule": "correction", "sessions": "1", "findings": "1", "last_session": str(ANCIENT)},
        ]

    def test_options_are_near_the_money_and_of_one_expiry(self, answers):
        rows = answers["Options near the money"]

        assert {row["kind"] for row in rows} == {"call", "put"}
        assert len({row["expiry_date"] for row in rows}) == 1
        assert all(abs(float(row["strike"]) / float(row["spot"]) - 1) <= 0.1 for row in rows)

    def test_the_odd_lot_is_a_part(self, answers):
        assert all(0 <= float(row["odd_lot_pct"]) <= 100 for row in answers["Who trades in odd lots"])
