"""B3's addresses: hosts, paths, and the parameters in them."""

from __future__ import annotations

import base64
import json
from typing import Any

QUOTES_HOST = "https://bvmf.bmfbovespa.com.br"
QUOTES_PATH = "/InstDados/SerHist/"
# How the names of B3's files of a year begin.
ANNUAL_QUOTES = "COTAHIST_A"

LISTED_HOST = "https://sistemaswebb3-listados.b3.com.br"
INDEX_PATH = "/indexProxy/indexCall/"
SECTORS_PATH = "/listedCompaniesProxy/CompanyCall/GetDownloadIndustryClassification/"

SITE_HOST = "https://www.b3.com.br"
HOLIDAYS_PATH = (
    "/pt_br/solucoes/plataformas/puma-trading-system/para-participantes-e-traders/calendario-de-negociacao/feriados/"
)

# The lake's name of an index endpoint, and B3's name, in B3's spelling.
INDEX_METHODS = {
    "portfolio_day": "GetPortfolioDay",
    "theoretical": "GetTheoricalPortfolio",
    "preview": "GetQuartelyPreview",
}
LANGUAGE = "pt-br"
# GetPortfolioDay has two forms; in this one the rows carry their sector.
BY_SECTOR = "2"
# Rows per page, as B3's web site asks for.
PAGE_SIZE = 120
# The widest index has a few hundred rows.
MOST_PAGES = 50


def index_path(method: str, *, index: str, page: int = 1) -> str:
    """Return the path of one page of an index's portfolio.

    Args:
        method: one of the values of INDEX_METHODS.
        index: B3's code of the index, as `IBOV`.
        page: the page's number, from 1.

    Raises:
        ValueError: B3 has no such method.
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
    """Return the path of the sector classification of every company, an xlsx workbook."""
    return SECTORS_PATH + _token({"language": LANGUAGE})


def _token(query: dict[str, Any]) -> str:
    """Return a query as the last part of the path: compact JSON in base64."""
    return base64.b64encode(json.dumps(query, separators=(",", ":")).encode()).decode()
