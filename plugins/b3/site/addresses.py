"""Where B3 publishes, and how its addresses are made."""

from __future__ import annotations

import base64
import json
from typing import Any

QUOTES_HOST = "https://bvmf.bmfbovespa.com.br"
QUOTES_PATH = "/InstDados/SerHist/"

LISTED_HOST = "https://sistemaswebb3-listados.b3.com.br"
INDEX_PATH = "/indexProxy/indexCall/"
SECTORS_PATH = "/listedCompaniesProxy/CompanyCall/GetDownloadIndustryClassification/"

SITE_HOST = "https://www.b3.com.br"
HOLIDAYS_PATH = (
    "/pt_br/solucoes/plataformas/puma-trading-system/para-participantes-e-traders/calendario-de-negociacao/feriados/"
)

# The lake's name of an index endpoint, and B3's, whose spelling is its own.
INDEX_METHODS = {
    "portfolio_day": "GetPortfolioDay",
    "theoretical": "GetTheoricalPortfolio",
    "preview": "GetQuartelyPreview",
}
LANGUAGE = "pt-br"
# Of the two forms of GetPortfolioDay, the one whose rows carry their sector.
BY_SECTOR = "2"
# Rows a page, as B3's own pages ask for.
PAGE_SIZE = 120
# The widest index has a few hundred rows.
MOST_PAGES = 50


def index_path(method: str, *, index: str, page: int = 1) -> str:
    """Path of one page of an index's portfolio.

    Args:
        method: one of the values of INDEX_METHODS.
        index: B3's code of the index, as `IBOV`.
        page: the page's number, from 1.

    Raises:
        ValueError: a method B3 does not have.
    """
    if method not in INDEX_METHODS.values():
        raise ValueError(f"{method!r} is none of B3's index methods: {', '.join(INDEX_METHODS.values())}")
    if method == INDEX_METHODS["portfolio_day"]:
        query = {
            "language": LANGUAGE,
            "pageNumber": page,
            "pageSize": PAGE_SIZE,
            "index": index,
            "segment": BY_SECTOR,
        }
    else:
        query = {"pageNumber": page, "pageSize": PAGE_SIZE, "language": LANGUAGE, "index": index}
    return f"{INDEX_PATH}{method}/{_token(query)}"


def sector_workbook_path() -> str:
    """Path of the sector classification of every company, an xlsx workbook."""
    return SECTORS_PATH + _token({"language": LANGUAGE})


def _token(query: dict[str, Any]) -> str:
    """A query as these addresses carry it: base64 of compact JSON, the last part of the path."""
    return base64.b64encode(json.dumps(query, separators=(",", ":")).encode()).decode()
