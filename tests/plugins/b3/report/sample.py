"""Figures of a small session, as the queries of include/sql/report/ return them."""

import datetime as dt
from decimal import Decimal
from typing import Any

from b3.report.figures import Figures
from b3.report.page import Origin

DAY, BEFORE = dt.date(2024, 3, 14), dt.date(2024, 3, 13)
ORIGIN = Origin("b3", "https://b3.example/COTAHIST_D14032024.ZIP", "a" * 64)


def mover(ticker: str, change: str | None, volume: str, **ranks: int) -> dict[str, Any]:
    return {
        "ticker": ticker, "short_name": f"NAME {ticker}", "close": Decimal("12.30000000"),
        "change_pct": change and Decimal(change), "financial_volume": Decimal(volume), "volume_rank": None,
        "gainer_rank": None, "loser_rank": None, "closes": "12.00000000 12.30000000", **ranks,
    }  # fmt: skip


def member(ticker: str, weight: str | None, former: str | None, change: str | None = "1.0000") -> dict[str, Any]:
    return {
        "index_code": "IBOV", "ticker": ticker, "company_name": f"{ticker} S.A.", "sector": "Saúde",
        "weight_pct": weight and Decimal(weight), "former_weight_pct": former and Decimal(former),
        "former_date": BEFORE if former else None, "change_pct": change and Decimal(change),
        "financial_volume": Decimal("1.00"),
    }  # fmt: skip


def figures(**replaced: list[dict[str, Any]]) -> Figures:
    """The figures, with the answers of some queries replaced."""
    answers: dict[str, list[dict[str, Any]]] = {
        "totals": [
            {"asset_class": "stock", "currency": "R$", "quotes": 700, "quantity": Decimal(1_254_786_659),
             "financial_volume": Decimal("27769679659.57")},
            {"asset_class": "option", "currency": "R$", "quotes": 300, "quantity": Decimal(1000),
             "financial_volume": Decimal("0.43")},
        ],
        "sessions": [
            {"trade_date": day, "advancers": up, "decliners": down, "unchanged": 5,
             "financial_volume": Decimal("30201482714.17")}
            for day, up, down in ((BEFORE, 100, 200), (DAY, 186, 208))
        ],
        "movers": [
            mover("DOWN3", "-3.0069", "157868817.53", loser_rank=1),
            mover("FLAT3", "0.0000", "1.00", volume_rank=2),
            mover("MUCH3", "2.1500", "1980858293.36", volume_rank=1, gainer_rank=1),
        ],
        "sector_changes": [
            {"trade_date": day, "sector": "Saúde", "change_pct": Decimal(change), "financial_volume": Decimal("1.00")}
            for day, change in ((BEFORE, "-1.2500"), (DAY, "0.0000"))
        ],
        "options": [
            {"root": root, "series": 2, "call_volume": Decimal("200.00"),
             "put_volume": Decimal("50.00")}
            for root in (None, "MUCH")
        ],
        "index_members": [
            member("MUCH3", "60.500", "60.000"), member("CAME3", "39.500", None, None), member("LEFT3", None, "40.000"),
        ],
        "quality": [
            {"trade_date": DAY, "raw_quotes": 1000, "raw_volume": Decimal("27769679660.00"), "quotes": 1000,
             "volume": Decimal("27769679660.00"), "odd_quotes": 1, "previous_session": BEFORE, "portfolio_rows": 240,
             "sectors_from": BEFORE}
        ],
        "findings": [
            {"rule": "prices_lie_within_low_and_high", "findings": 1, "ticker": "MUCH3", "expected": "low <= open",
             "found": "open 1.00"}
        ],
    }  # fmt: skip
    return Figures(DAY, **{**answers, **replaced})
