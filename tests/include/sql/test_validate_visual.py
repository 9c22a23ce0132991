"""The check of the visual job's table: it passes on the sums of index_stocks, and fails with its sentence on others."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from b3.calendar import sessions
from tests.include.sql.lab import Failed, Lab

CHECK = "visual_index_stocks_agree_with_index_stocks"
Row = dict[str, Any]
# Sessions that no other test of the lake has; the first Monday of the year, 2 January, was one of them.
FREE = iter(sessions.sessions(dt.date(2023, 1, 3), dt.date(2023, 4, 28)))


def constituents(day: dt.date) -> list[Row]:
    """Rows of index_stocks: one traded on all markets, one is in two indexes, one did not trade."""
    traded = {"AAAA3": (3, 300, "1234.56"), "BBBB4": (1, 7, "0.01"), "CCCC11": (0, None, None)}
    of = {"IBOV": ("AAAA3", "BBBB4", "CCCC11"), "SMLL": ("BBBB4",)}
    return [
        {
            "trade_date": day, "ticker": ticker, "index_code": index, "company_name": f"CIA {ticker[:4]}",
            "weight_pct": Decimal("25.000"), "theoretical_quantity": 1000, "market_count": traded[ticker][0],
            "total_quantity": traded[ticker][1],
            "total_financial_volume": traded[ticker][2] and Decimal(traded[ticker][2]),
            "rebalance_date": dt.date(2023, 1, 3), "days_since_rebalance": (day - dt.date(2023, 1, 3)).days,
        }
        for index, tickers in of.items()
        for ticker in tickers
    ]  # fmt: skip


def visual(rows: list[Row]) -> list[Row]:
    """The same constituents as rows of visual_index_stocks."""
    monday = dt.date(2023, 1, 2)
    return [
        {**row, "period_start": monday, "days_since_period_start": (row["trade_date"] - monday).days} for row in rows
    ]


def shift(row: Row, days: int) -> None:
    """Move the start of a row's period, and count the days from there."""
    row["period_start"] += dt.timedelta(days=days)
    row["days_since_period_start"] -= days


def put(lab: Lab, table: str, rows: list[Row]) -> None:
    """Write rows, and register their partitions; no crawler looks at the visual job's."""
    database = lab.outputs["GlueDatabase"]
    storage = lab.glue.get_table(DatabaseName=database, Name=table)["Table"]["StorageDescriptor"]
    for ticker in {row["ticker"] for row in rows}:
        of = [row for row in rows if row["ticker"] == ticker]
        values = [str(of[0]["trade_date"]), ticker]
        lab.put(table, of, *values)
        location = f"{storage['Location']}trade_date={values[0]}/ticker={values[1]}/"
        lab.glue.create_partition(
            DatabaseName=database,
            TableName=table,
            PartitionInput={"Values": values, "StorageDescriptor": {**storage, "Location": location}},
        )


def check(lab: Lab, spoil: Callable[[list[Row]], Any] = lambda rows: None) -> None:
    day = next(FREE)
    rows = constituents(day)
    made = visual(rows)
    spoil(made)
    put(lab, "index_stocks", rows)
    put(lab, "visual_index_stocks", made)
    assert lab.check(CHECK, day).rows == [{CHECK: "1"}]


def test_holds_of_the_same_sums_also_where_there_was_no_trade(lab: Lab):
    check(lab)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda rows: rows[0].update(total_financial_volume=Decimal("1234.57")),
         "1 of 4 constituents .* IBOV AAAA3: expected volume 1234.56, quantity 300, .*; found volume 1234.57,"),
        (lambda rows: rows[0].update(total_quantity=301), "found volume 1234.56, quantity 301"),
        (lambda rows: rows[2].update(total_financial_volume=Decimal("0.00")), "expected volume none"),
        (lambda rows: rows[0].update(market_count=2), "expected .* on 3 markets, .*; found .* on 2 markets, "),
        (lambda rows: rows[0].update(company_name=None), "expected .* company CIA AAAA; found .* company none;"),
        (lambda rows: rows[0].update(weight_pct=Decimal("25.001")), "found .* weight 25.001"),
        (lambda rows: rows[0].update(theoretical_quantity=1001), "expected .* of 1000, .*; found .* of 1001, "),
        (lambda rows: rows[0].update(days_since_period_start=0),
         r"expected .* rebalance 2023-01-03, \d+ days ago.*; found .* period from 2023-01-02, 0 days ago,"),
        (lambda rows: rows[0].update(period_start=dt.date(2022, 9, 5)), "found .* period from 2022-09-05"),
        (lambda rows: [shift(row, days=-7) for row in rows], "4 of 4 .* found .* period from 2022-12-26"),
        (lambda rows: [shift(row, days=1) for row in rows], "4 of 4 .* found .* period from 2023-01-03"),
        (lambda rows: rows.pop(), "1 of 4 constituents .* SMLL BBBB4: expected volume 0.01, .*; found nothing"),
        (lambda rows: rows.append({**rows[0], "index_code": "IBRA"}), "1 of 5 .* IBRA AAAA3: expected nothing; found"),
        (lambda rows: rows.append(rows[3]), "2 of 5 constituents .* SMLL BBBB4: .*; found volume 0.01, .*, 2 times"),
        (lambda rows: rows.clear(), "4 of 4 constituents .* found nothing; run b3_visual again"),
    ],
)  # fmt: skip
def test_fails_with_its_sentence_on(lab: Lab, spoil: Callable[[list[Row]], Any], said: str):
    with pytest.raises(Failed, match=said):
        check(lab, spoil)


def test_fails_on_a_session_that_neither_table_has(lab: Lab):
    with pytest.raises(Failed, match=r"0 of 0 constituents .*: expected some; run b3_visual again"):
        lab.check(CHECK, next(FREE))
