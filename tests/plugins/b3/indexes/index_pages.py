"""Answers of B3's index endpoints, made by hand: a market of five shares."""

import json
from typing import Any

DAY_ROWS = (
    ("Bens Indls / Máqs e Equips", "MAQS3", "MAQUINAS", "ON      NM", "20,500", "20,500", "1.460.506.056"),
    ("Financ e Outros / Interms Financs", "BANC3", "BANCO", "ON  ED  N1", "10,125", "30,125", "711.833"),
    ("Financeiro e Outros/Interms Financs", "BANC4", "BANCO", "PN  ED  N1", "20,000", "30,125", "999"),
    ("Petróleo, Gás e Biocombustíveis", "OLEO3", "OLEO", "ON", "39,375", "39,375", "2.000.000.000"),
    ("Utilidade Públ / Energ Elétrica", "LUZZ11", "LUZ", "UNT     N2", "10,000", "10,000", "10.000"),
)
TOTAL_QUANTITY = "3.461.228.888"
REDUCTOR = "16.134.548,84098888"
DAY_NAMES = ("segment", "cod", "asset", "type", "part", "partAcum", "theoricalQty")


def day_rows() -> list[dict[str, Any]]:
    return [dict(zip(DAY_NAMES, row, strict=True)) for row in DAY_ROWS]


def day_header(**changes: Any) -> dict[str, Any]:
    return {
        "date": "05/10/26",
        "text": "Quantidade Teórica Total",
        "part": "100,000",
        "partAcum": "100,000",
        "textReductor": "Redutor",
        "reductor": REDUCTOR,
        "theoricalQty": TOTAL_QUANTITY,
    } | changes


def portfolio_rows() -> list[dict[str, Any]]:
    """The same shares, as the two endpoints without a date give them."""
    names = ("cod", "asset", "type", "theoricalQty", "part")
    return [{name: row[name] for name in names} | {"cont": number} for number, row in enumerate(day_rows(), 1)]


def portfolio_header(**changes: Any) -> dict[str, Any]:
    return {"part": "100,000", "theoricalQty": TOTAL_QUANTITY, "reductor": REDUCTOR} | changes


def documents(
    rows: list[dict[str, Any]] | None = None, header: dict[str, Any] | None = None, page_size: int = 120, **page: Any
) -> list[dict[str, Any]]:
    """The pages of a portfolio, of the day unless rows and header say otherwise; `page` changes every page."""
    rows = day_rows() if rows is None else rows
    header = day_header() if header is None else header
    count = max(1, -(-len(rows) // page_size))
    return [
        {
            "page": {"pageNumber": n + 1, "pageSize": page_size, "totalRecords": len(rows), "totalPages": count} | page,
            "header": dict(header),
            "results": rows[n * page_size : (n + 1) * page_size],
        }
        for n in range(count)
    ]


def as_bytes(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()


def day(**changes: Any) -> bytes:
    """One page of portfolio_day."""
    (document,) = documents(**changes)
    return as_bytes(document)


def undated(**changes: Any) -> bytes:
    """One page of theoretical or preview."""
    (document,) = documents(**{"rows": portfolio_rows(), "header": portfolio_header()} | changes)
    return as_bytes(document)
