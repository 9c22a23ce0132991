"""The views over index_stocks: what they show, what they hide, and what they read."""

from decimal import Decimal

import pytest

from tests.include.sql.lab import DAYS, SQL, Lab, Market, price_change, rounded

LAST, MISSING, MIXED = DAYS[-1], DAYS[-2], DAYS[-3]
ON_LAST = f"WHERE trade_date = date '{LAST}'"
ON_ALL = f"WHERE trade_date >= date '{MIXED}'"


@pytest.fixture(scope="module")
def viewed(market: Market) -> Lab:
    """The lake with its views; made twice, as every run of the DAG makes them anew."""
    for _ in range(2):
        for path in sorted((SQL / "views").glob("*.sql")):
            market.lab.ask(path.read_text())
    return market.lab


def constituents(market: Market, index: str) -> list[dict]:
    return [row for row in market.index_stocks if (row["trade_date"], row["index_code"]) == (LAST, index)]


def change(row: dict) -> Decimal | None:
    return None if row["open"] is None else price_change(row["open"], row["close"])


@pytest.mark.parametrize("name", ["sector_summary", "stock_ranking"])
class TestBoth:
    def test_hide_what_is_incomplete_or_of_two_generations(self, viewed: Lab, name: str):
        found = viewed.ask(f"SELECT DISTINCT trade_date, index_code FROM {name} {ON_ALL} ORDER BY 1, 2").rows
        assert [tuple(row.values()) for row in found] == [
            (str(MIXED), "SMLL"), (str(MISSING), "SMLL"), (str(LAST), "IBOV"), (str(LAST), "SMLL"),
        ]  # fmt: skip

    def test_read_the_partitions_of_the_dates_alone(self, viewed: Lab, name: str):
        of_last, of_all = (viewed.scanned_partitions("index_stocks", *days) for days in ([LAST], DAYS[-3:]))
        assert viewed.ask(f"SELECT * FROM {name} {ON_LAST}").bytes_scanned == of_last
        assert viewed.ask(f"SELECT * FROM {name} {ON_ALL}").bytes_scanned == of_all > of_last


@pytest.mark.parametrize("index", ["IBOV", "SMLL"])
class TestSectorSummary:
    def test_sums_the_constituents_of_each_sector(self, viewed: Lab, market: Market, index: str):
        of = constituents(market, index)
        total = sum(row["total_financial_volume"] or 0 for row in of)
        expected = {}
        for sector in {row["sector"] for row in of}:
            mine = [row for row in of if row["sector"] == sector]
            volume = sum((row["total_financial_volume"] or Decimal() for row in mine), Decimal("0.00"))
            changes = [change(row) for row in mine if row["open"] is not None]
            expected[sector] = {
                "trade_date": str(LAST),
                "index_code": index,
                "sector": sector,
                "constituents": str(len(mine)),
                "traded_constituents": str(sum(row["market_count"] > 0 for row in mine)),
                "weight_pct": str(sum(row["weight_pct"] for row in mine)),
                "total_financial_volume": str(volume),
                "volume_share_pct": str(rounded(volume * 100 / total, 4)),
                "average_change_pct": str(rounded(sum(changes) / len(changes), 4)),
            }
        found = viewed.ask(f"SELECT * FROM sector_summary {ON_LAST} AND index_code = '{index}'").rows
        assert {row["sector"]: row for row in found} == expected
        assert len(found) == len(expected) >= 8


@pytest.mark.parametrize("index", ["IBOV", "SMLL"])
class TestStockRanking:
    def test_ranks_by_weight_volume_and_change_and_ties_by_ticker(self, viewed: Lab, market: Market, index: str):
        of = constituents(market, index)
        places = {}
        for name, value in (
            ("weight_rank", lambda row: row["weight_pct"]),
            ("volume_rank", lambda row: row["total_financial_volume"]),
            ("change_rank", change),
        ):
            ranked = sorted((row for row in of if value(row) is not None), key=lambda row: (-value(row), row["ticker"]))
            places[name] = {row["ticker"]: str(place) for place, row in enumerate(ranked, 1)}
        assert len({row["weight_pct"] for row in of}) < len(of), "no tie to break"
        found = viewed.ask(f"SELECT * FROM stock_ranking {ON_LAST} AND index_code = '{index}'").rows
        assert len(found) == len(of) == len({row["weight_rank"] for row in found})
        by_ticker = {row["ticker"]: row for row in of}
        for row in found:
            mine = by_ticker[row["ticker"]]
            volume, changed = mine["total_financial_volume"], change(mine)
            assert row == {
                "trade_date": str(LAST), "index_code": index, "ticker": mine["ticker"],
                "company_name": mine["company_name"], "sector": mine["sector"], "weight_pct": str(mine["weight_pct"]),
                "total_financial_volume": None if volume is None else str(volume),
                "change_pct": None if changed is None else str(changed),
                **{name: of_ticker.get(str(row["ticker"])) for name, of_ticker in places.items()},
            }  # fmt: skip

    def test_a_filter_on_the_ticker_leaves_its_ranks_as_they_are(self, viewed: Lab, market: Market, index: str):
        whole = viewed.ask(f"SELECT * FROM stock_ranking {ON_LAST} AND index_code = '{index}'").rows
        last = max(whole, key=lambda row: int(row["weight_rank"] or 0))
        alone = viewed.ask(f"SELECT * FROM stock_ranking {ON_LAST} AND ticker = '{last['ticker']}'").rows
        assert last in alone and int(last["weight_rank"] or 0) > 70


def test_what_did_not_trade_has_no_rank_by_what_it_lacks(viewed: Lab, market: Market):
    found = {
        row["ticker"]: row for row in viewed.ask(f"SELECT * FROM stock_ranking {ON_LAST} AND index_code = 'IBOV'").rows
    }
    silent, odd_only = found[market.silent], found[market.odd_only]
    assert [silent[name] is None for name in ("weight_rank", "volume_rank", "change_rank")] == [False, True, True]
    assert [odd_only[name] is None for name in ("weight_rank", "volume_rank", "change_rank")] == [False, False, True]
