"""Each analysis against pandas over the rows that were written, reckoned another way, to the last digit."""

from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from local.lake.analyses import Asked
from tests.include.sql.lab import (
    ANCIENT,
    APART,
    CLASSIFIED,
    DAYS,
    FIRST_CLASSIFIED,
    PENNY,
    SQL,
    Answer,
    Market,
    rounded,
)

LAST = DAYS[-1]
FILES = sorted(path.stem for path in (SQL / "analysis").glob("*.sql"))


def shown(value: Any) -> str | None:
    return None if value is None else str(value)


def column(answer: Answer, name: str, key: str = "ticker") -> dict[str | None, str | None]:
    return {row[key]: row[name] for row in answer.rows}


def percent(part: Decimal, whole: Decimal) -> Decimal:
    return rounded(part * 100 / whole, 4)


def closes(market: Market) -> pd.DataFrame:
    """Unit closes of the round lot, a row for each session of DAYS, a column for each stock or unit."""
    frame = market.spot("010").pivot(index="trade_date", columns="ticker", values="unit_close")
    return frame.reindex(DAYS)


@pytest.mark.parametrize("name", FILES)
def test_a_file_begins_with_its_question_and_is_plain_sql(name):
    sql = (SQL / "analysis" / f"{name}.sql").read_text()
    first = sql.splitlines()[0]
    assert first.startswith("-- ") and "?" in first
    assert "{{" not in sql and "{%" not in sql


class TestTopStocks:
    def test_are_the_ten_round_lots_of_the_largest_volume(self, market: Market):
        of = market.spot("010")
        best = of[of.trade_date == LAST].sort_values("financial_volume", ascending=False).head(10)
        found = market.lab.analyse("top_stocks")
        assert [list(row.values()) for row in found.rows] == [
            [row.ticker, row.short_name, row.asset_class, shown(rounded(row.unit_close, 8)), shown(row.change_pct),
             shown(row.quantity), shown(row.financial_volume)]
            for row in best.itertuples()
        ]  # fmt: skip
        assert list(found.rows[0]) == [
            "ticker", "short_name", "asset_class", "close", "change_pct", "quantity", "financial_volume",
        ]  # fmt: skip

    def test_show_what_one_share_costs_were_it_less_than_a_cent(self, market: Market):
        found = column(market.lab.analyse("top_stocks"), "close")
        assert found[PENNY] == "0.00045000"

    def test_of_another_session_read_that_session_alone(self, market: Market):
        for day in (None, DAYS[4]):
            found = market.lab.analyse("top_stocks", day)
            assert found.bytes_scanned == market.lab.scanned_partitions("quotes", day or LAST)
        of = market.spot("010")
        of = of[of.trade_date == DAYS[4]]
        assert found.rows[0]["financial_volume"] == shown(of.financial_volume.max())

    def test_of_an_index_are_the_ten_largest_of_its_constituents(self, market: Market):
        members = {row["ticker"] for row in market.index_stocks
                   if row["index_code"] == "IBOV" and row["trade_date"] == LAST}  # fmt: skip
        of = market.spot("010")
        of = of[(of.trade_date == LAST) & of.ticker.isin(members)]
        best = of.sort_values("financial_volume", ascending=False).head(10)
        found = market.lab.analyse("top_stocks", asked=Asked(index="IBOV"))
        assert [row["ticker"] for row in found.rows] == list(best.ticker)


@pytest.fixture(scope="module")
def by_sector(market: Market) -> Answer:
    return market.lab.analyse("sector_analysis")


@pytest.fixture(scope="module")
def securities(market: Market) -> pd.DataFrame:
    """Stocks and units of the last session, with the sector and the round lot of each."""
    of = market.spot("010", "017", "020")
    of = of[of.trade_date == LAST].copy()
    suffix = {"020": "F", "017": "L", "010": ""}
    of["security"] = [t.removesuffix(suffix[m]) for t, m in zip(of.ticker, of.market_type, strict=True)]
    sector = {row["root"]: row["sector"] for row in market.sectors}
    of["sector"] = [sector.get(security[:4], "Unclassified") for security in of.security]
    return of


class TestSectorAnalysis:
    def test_sums_every_sector_over_all_lots(self, by_sector: Answer, securities: pd.DataFrame):
        volume = securities.groupby("sector").financial_volume.sum()
        assert column(by_sector, "financial_volume", "sector") == {k: shown(v) for k, v in volume.items()}
        assert column(by_sector, "tickers", "sector") == {
            k: shown(v) for k, v in securities.groupby("sector").security.nunique().items()
        }
        total = securities.financial_volume.sum()
        assert column(by_sector, "volume_share_pct", "sector") == {
            k: shown(percent(v, total)) for k, v in volume.items()
        }
        assert [row["sector"] for row in by_sector.rows] == list(volume.sort_values(ascending=False).index)

    def test_counts_and_weighs_the_changes_of_the_round_lot(self, by_sector: Answer, securities: pd.DataFrame):
        round_lot = securities[securities.market_type == "010"]
        for row in by_sector.rows:
            of = round_lot[round_lot.sector == row["sector"]]
            assert row["advancers"] == shown(sum(of.change_pct > 0))
            assert row["decliners"] == shown(sum(of.change_pct < 0))
            weighted = sum(of.change_pct * of.financial_volume) / sum(of.financial_volume)
            assert row["weighted_change_pct"] == shown(rounded(rounded(weighted, 6), 4))

    def test_keeps_what_the_workbook_does_not_name(self, by_sector: Answer, securities: pd.DataFrame, market: Market):
        nameless = securities[securities.sector == "Unclassified"]
        assert market.unclassified in {security[:4] for security in nameless.security}
        assert column(by_sector, "tickers", "sector")["Unclassified"] == shown(nameless.security.nunique())

    def test_takes_the_classification_that_was_the_newest_on_the_session(self, by_sector: Answer, market: Market):
        before = {row["sector"] for row in market.lab.analyse("sector_analysis", FIRST_CLASSIFIED).rows}
        assert before == {"Before", "Unclassified"}
        assert {row["sector"] for row in market.lab.analyse("sector_analysis", DAYS[0]).rows} == {"Unclassified"}
        assert "Before" not in column(by_sector, "tickers", "sector")

    def test_reads_one_partition_of_each_table(self, by_sector: Answer, market: Market):
        lab = market.lab
        expected = lab.scanned_partitions("quotes", LAST) + lab.scanned_partitions("raw_sectors", CLASSIFIED)
        assert by_sector.bytes_scanned == expected


@pytest.fixture(scope="module")
def temporal(market: Market) -> Answer:
    return market.lab.analyse("temporal_analysis")


class TestTemporalAnalysis:
    def test_has_the_last_21_sessions_newest_first(self, temporal: Answer):
        assert [row["trade_date"] for row in temporal.rows] == [str(day) for day in reversed(DAYS[-21:])]

    def test_compares_volume_with_the_session_before_and_the_average(self, temporal: Answer, market: Market):
        by_day = market.spot("010", "017", "020").groupby("trade_date").financial_volume.sum()
        for row in temporal.rows:
            place = [str(day) for day in DAYS].index(str(row["trade_date"]))
            window = [by_day[day] for day in DAYS[max(place - 20, 0) : place + 1]]
            assert row["financial_volume"] == shown(window[-1])
            assert row["volume_change_pct"] == shown(percent(window[-1] - window[-2], window[-2]))
            average = rounded(sum(window, Decimal()) / 21, 2) if len(window) == 21 else None
            assert row["average_volume_21"] == shown(average)
            assert row["volume_to_average_pct"] == shown(average and percent(window[-1], average))
        assert [row["average_volume_21"] is not None for row in temporal.rows] == [True] * 5 + [False] * 16

    def test_counts_breadth_on_the_round_lot(self, temporal: Answer, market: Market):
        of = market.spot("010")
        for row in temporal.rows:
            day = of[of.trade_date.map(str) == row["trade_date"]]
            up, down = sum(day.change_pct > 0), sum(day.change_pct < 0)
            found = [row[name] for name in ("tickers", "advancers", "decliners", "net_advancers")]
            assert found == [shown(len(day)), shown(up), shown(down), shown(up - down)]

    def test_compares_nothing_across_a_session_that_the_lake_lacks(self, market: Market):
        rows = market.lab.analyse("temporal_analysis", DAYS[0]).rows
        assert [row["trade_date"] for row in rows] == [str(DAYS[0]), str(APART)]
        assert [row["volume_change_pct"] for row in rows] == [None, None]

    def test_reads_75_days_at_most(self, temporal: Answer, market: Market):
        assert (LAST - ANCIENT).days > 75 > (LAST - APART).days
        assert temporal.bytes_scanned == market.lab.scanned_partitions("quotes", APART, *DAYS)


class TestPriceTrend:
    @pytest.mark.parametrize("place", [-1, 7, 6, 5])
    def test_averages_and_returns_are_of_whole_windows_alone(self, market: Market, place: int):
        until = closes(market).loc[: DAYS[place]]
        listed = until.columns[until.iloc[-1].notna()]
        found = market.lab.analyse("price_trend", DAYS[place])
        assert [row["ticker"] for row in found.rows] == sorted(listed)
        for row in found.rows:
            prices = list(until[row["ticker"]])
            assert row["unit_close"] == shown(rounded(prices[-1], 8))
            for length in (7, 21):
                window, longer = prices[-length:], prices[-length - 1 :]
                average = returned = None
                if len(window) == length and not any(pd.isna(window)):
                    average = rounded(sum(window, Decimal()) / length, 8)
                if len(longer) == length + 1 and not any(pd.isna(longer)):
                    returned = rounded(rounded((longer[-1] - longer[0]) * 100 / longer[0], 8), 4)
                assert row[f"average_{length}"] == shown(average), row
                assert row[f"return_{length}_pct"] == shown(returned), row

    def test_one_session_without_a_trade_empties_the_windows_that_hold_it(self, market: Market):
        row = next(r for r in market.lab.analyse("price_trend").rows if r["ticker"] == market.interrupted)
        assert row["unit_close"] and {row[f"{name}"] for name in ("average_7", "average_21", "return_7_pct")} == {None}

    def test_of_a_ticker_is_its_row_alone(self, market: Market):
        row = market.lab.analyse("price_trend").rows[3]
        assert market.lab.analyse("price_trend", asked=Asked(ticker=row["ticker"])).rows == [row]

    def test_of_an_index_has_its_constituents_of_the_newest_portfolio_up_to_the_session(self, market: Market):
        members = {row["ticker"] for row in market.index_stocks
                   if row["index_code"] == "SMLL" and row["trade_date"] == LAST}  # fmt: skip
        rows = [row for row in market.lab.analyse("price_trend").rows if row["ticker"] in members]
        assert 0 < len(rows) < len(members) + 1
        found = market.lab.analyse("price_trend", asked=Asked(index="SMLL"))
        assert found.rows == rows
        expected = market.lab.scanned_partitions("quotes", APART, *DAYS)
        assert found.bytes_scanned == expected + market.lab.scanned_partitions("index_stocks", LAST)
        assert market.lab.analyse("price_trend", DAYS[3], asked=Asked(DAYS[3], index="SMLL")).rows == []

    def test_reads_45_days_at_most(self, market: Market):
        assert market.lab.analyse("price_trend").bytes_scanned == market.lab.scanned_partitions("quotes", APART, *DAYS)


@pytest.fixture(scope="module")
def liquidity(market: Market) -> Answer:
    return market.lab.analyse("liquidity")


class TestLiquidity:
    def test_measures_21_sessions(self, liquidity: Answer, market: Market):
        of = market.spot("010")
        of = of[of.trade_date.isin(DAYS[-21:])].sort_values("trade_date")
        by_ticker = dict(iter(of.groupby("ticker")))
        assert {row["ticker"] for row in liquidity.rows} == set(by_ticker)
        for row in liquidity.rows:
            mine = by_ticker[row["ticker"]]
            assert row["sessions_traded"] == shown(len(mine)) and row["sessions"] == "21"
            assert row["average_volume"] == shown(rounded(sum(mine.financial_volume) / 21, 2))
            spreads = [
                rounded((ask - bid) * 20000 / (ask + bid), 4)
                for bid, ask in zip(mine.best_bid, mine.best_ask, strict=True)
                if bid > 0 and ask >= bid
            ]
            mean = rounded(sum(spreads, Decimal()) / len(spreads), 4) if spreads else None
            assert row["spread_bp"] == shown(mean)
            prices = mine.unit_close.astype(float)
            volume = mine.financial_volume.astype(float).where(mine.financial_volume > 0)
            impact = (prices.pct_change().abs() * 100 / (volume / 1e6)).mean()
            assert (row["amihud"] is None) == bool(pd.isna(impact))
            if row["amihud"] is not None:
                assert float(row["amihud"]) == pytest.approx(impact, rel=1e-9)

    def test_of_a_ticker_and_of_an_index_are_the_same_rows(self, liquidity: Answer, market: Market):
        members = {row["ticker"] for row in market.index_stocks
                   if row["index_code"] == "IBOV" and row["trade_date"] == LAST}  # fmt: skip
        rows = [row for row in liquidity.rows if row["ticker"] in members]
        assert rows and market.lab.analyse("liquidity", asked=Asked(index="IBOV")).rows == rows
        ticker = rows[0]["ticker"]
        assert market.lab.analyse("liquidity", asked=Asked(ticker=ticker, index="IBOV")).rows == [rows[0]]

    def test_lists_the_most_traded_first(self, liquidity: Answer):
        volumes = [Decimal(row["average_volume"] or 0) for row in liquidity.rows]
        assert volumes == sorted(volumes, reverse=True) and len(volumes) > 100

    def test_reads_the_sessions_of_the_window_alone(self, liquidity: Answer, market: Market):
        assert liquidity.bytes_scanned == market.lab.scanned_partitions("quotes", *DAYS[-21:])
        short = market.lab.analyse("liquidity", DAYS[5])
        assert {row["sessions"] for row in short.rows} == {"7"}


@pytest.fixture(scope="module")
def options(market: Market) -> pd.DataFrame:
    """Options of the last session on what has a round lot, with its ticker and price."""
    of = market.quotes[market.quotes.trade_date == LAST]
    spot = of[of.market_type == "010"][["isin", "ticker", "unit_close"]]
    return of[of.asset_class == "option"].merge(spot, on="isin", suffixes=("", "_under"))


class TestOptionChain:
    ROOT = ("CAST(NULL AS varchar) AS root", "'{}' AS root")
    EXPIRY = ("CAST(NULL AS date) AS expiry_date", "date '{}' AS expiry_date")

    def check(self, answer: Answer, chain: pd.DataFrame) -> None:
        assert {row["underlying"] for row in answer.rows} == set(chain.ticker_under)
        assert {row["expiry_date"] for row in answer.rows} == {str(chain.expiry_date.iloc[0])}
        spot = chain.unit_close_under.iloc[0]
        sides = {}
        for row in chain.itertuples():
            side = "call" if row.market_type == "070" else "put"
            sides[row.ticker] = {
                "side": side, "close": shown(rounded(row.unit_close, 8)), "quantity": shown(row.quantity),
                "volume": shown(row.financial_volume), "strike": shown(rounded(row.strike_price / row.quote_factor, 8)),
            }  # fmt: skip
        found = {}
        for row in answer.rows:
            assert row["spot"] == shown(rounded(spot, 8))
            assert row["days_to_expiry"] == shown((chain.expiry_date.iloc[0] - LAST).days)
            distance = (Decimal(str(row["strike"])) - spot) * 100 / spot
            assert row["distance_pct"] == shown(rounded(rounded(distance, 8), 4))
            for side in ("call", "put"):
                if row[f"{side}_ticker"]:
                    found[row[f"{side}_ticker"]] = {
                        "side": side, "strike": row["strike"],
                        **{name: row[f"{side}_{name}"] for name in ("close", "quantity", "volume")},
                    }  # fmt: skip
        assert found == sides
        strikes = [Decimal(str(row["strike"])) for row in answer.rows]
        assert strikes == sorted(strikes) and len(strikes) == chain.strike_price.nunique()

    def test_is_by_default_of_the_most_traded_underlying_and_its_nearest_expiry(self, options, market: Market):
        busiest = options.groupby("ticker_under").financial_volume.sum().sort_values().index[-1]
        of = options[options.ticker_under == busiest]
        answer = market.lab.analyse("option_chain")
        self.check(answer, of[of.expiry_date == of.expiry_date.min()])
        assert answer.bytes_scanned == market.lab.scanned_partitions("quotes", LAST)

    def test_takes_another_root_and_expiry(self, options, market: Market):
        chosen = options.groupby("ticker_under").financial_volume.sum().sort_values().index[-4]
        of = options[options.ticker_under == chosen]
        expiry = sorted(of.expiry_date.unique())[1]
        chain = of[of.expiry_date == expiry]
        answer = market.lab.analyse(
            "option_chain",
            root=(self.ROOT[0], self.ROOT[1].format(chosen[:4])),
            expiry=(self.EXPIRY[0], self.EXPIRY[1].format(expiry)),
        )
        self.check(answer, chain)
        assert any(row["call_ticker"] and row["put_ticker"] for row in answer.rows)

    def test_takes_the_ticker_of_an_underlying(self, options, market: Market):
        chosen = options.groupby("ticker_under").financial_volume.sum().sort_values().index[-3]
        of = options[options.ticker_under == chosen]
        answer = market.lab.analyse("option_chain", asked=Asked(ticker=chosen))
        self.check(answer, of[of.expiry_date == of.expiry_date.min()])

    def test_of_a_share_quoted_per_thousand_is_of_one_share(self, options, market: Market):
        answer = market.lab.analyse("option_chain", root=(self.ROOT[0], self.ROOT[1].format(PENNY[:4])))
        self.check(answer, options[options.ticker_under == PENNY])
        (row,) = answer.rows
        found = [row[name] for name in ("spot", "strike", "distance_pct", "call_close", "put_close")]
        assert found == ["0.00045000", "0.00047000", "4.4444", "0.00002000", "0.00004000"]
