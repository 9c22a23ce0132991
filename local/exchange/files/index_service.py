"""Answer calls of B3's index service: portfolios as JSON, in Portuguese or in English."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from local.exchange.answers import Answer, not_found
from local.exchange.market import indexes, sectors
from local.exchange.market.indexes import Constituent, Portfolio
from local.exchange.proxy_calls import BadCall, Paging, Parameters, paged, paging

Row = dict[str, Any]


class _Language(NamedTuple):
    """The format of dates and numbers in a language."""

    date: str
    thousands: str
    decimal: str
    quantity_text: str
    reductor_text: str

    def integer(self, number: int) -> str:
        return f"{number:,}".replace(",", self.thousands)

    def fixed(self, number: int, digits: int) -> str:
        whole, rest = divmod(number, 10**digits)
        return f"{self.integer(whole)}{self.decimal}{rest:0{digits}d}"


_LANGUAGES = {
    "pt-br": _Language("%d/%m/%y", ".", ",", "Quantidade Teórica Total", "Redutor"),
    "en-us": _Language("%m/%d/%y", ",", ".", "Total Theorethical Quantity", "Reductor"),
}


def answer(method: str, parameters: Parameters, today: dt.date) -> Answer:
    """Return the service's answer on `today`; 404 for an unknown method.

    Raises:
        BadCall: the method does not take these parameters.
    """
    serve = _METHODS.get(method)
    if not serve or today < indexes.FIRST_DATE:
        return not_found()
    return serve(parameters, paging(parameters), indexes.session_for(today))


def _language(parameters: Parameters) -> _Language:
    language = _LANGUAGES.get(str(parameters.get("language", "pt-br")))
    if not language:
        raise BadCall(f"language must be one of {', '.join(_LANGUAGES)}")
    return language


def _unknown_index(fields: tuple[str, ...], asked: Paging) -> Answer:
    return paged([], dict.fromkeys(fields), asked)


def _portfolio_day(parameters: Parameters, asked: Paging, session: dt.date) -> Answer:
    language, segment = _language(parameters), str(parameters.get("segment", "1"))
    if segment not in ("1", "2"):
        raise BadCall("segment must be 1, by company, or 2, by sector")
    fields = ("date", "text", "part", "partAcum", "textReductor", "reductor", "theoricalQty")
    if parameters.get("index") not in indexes.INDEXES:
        return _unknown_index(fields, asked)
    found = indexes.portfolio(parameters["index"], session)
    whole, by_sector = language.fixed(indexes.WHOLE, 3), segment == "2"
    header = (
        session.strftime(language.date),
        language.quantity_text,
        whole,
        whole if by_sector else None,
        language.reductor_text,
        language.fixed(found.reductor, 8),
        language.integer(found.quantity),
    )
    rows = _by_sector(found, language) if by_sector else [_day_row(row, language) for row in found.constituents]
    return paged(rows, dict(zip(fields, header, strict=True)), asked)


def _day_row(of: Constituent, language: _Language, sector: str | None = None, total: int | None = None) -> Row:
    return {
        "segment": sector,
        "cod": of.ticker,
        "asset": of.company,
        "type": of.specification,
        "part": language.fixed(of.weight, 3),
        "partAcum": None if total is None else language.fixed(total, 3),
        "theoricalQty": language.integer(of.quantity),
    }


def _by_sector(found: Portfolio, language: _Language) -> list[Row]:
    labelled: defaultdict[str, list[Constituent]] = defaultdict(list)
    for of in found.constituents:
        labelled[sectors.label(of.sector, of.issuer)].append(of)
    return [
        _day_row(of, language, label, sum(each.weight for each in labelled[label]))
        for label in sorted(labelled)
        for of in labelled[label]
    ]


def _theoretical_portfolio(parameters: Parameters, asked: Paging, session: dt.date) -> Answer:
    return _as_rebalanced(indexes.theoretical, parameters, asked, session)


def _preview(parameters: Parameters, asked: Paging, session: dt.date) -> Answer:
    return _as_rebalanced(indexes.preview, parameters, asked, session)


def _as_rebalanced(
    portfolio: Callable[[str, dt.date], Portfolio], parameters: Parameters, asked: Paging, session: dt.date
) -> Answer:
    language = _language(parameters)
    if parameters.get("index") not in indexes.INDEXES:
        return _unknown_index(("part", "theoricalQty", "reductor"), asked)
    found = portfolio(parameters["index"], session)
    header = {
        "part": language.fixed(indexes.WHOLE, 3),
        "theoricalQty": language.integer(found.quantity),
        "reductor": language.fixed(found.reductor, 8),
    }
    rows = [
        {
            "cod": of.ticker,
            "asset": of.company,
            "type": of.specification,
            "theoricalQty": language.integer(of.quantity),
            "part": language.fixed(of.weight, 3),
            "cont": position,
        }
        for position, of in enumerate(found.constituents, start=1)
    ]
    return paged(sorted(rows, key=lambda row: str(row["cod"])), header, asked)


def _stock_index(_: Parameters, asked: Paging, session: dt.date) -> Answer:
    held_by: defaultdict[str, list[str]] = defaultdict(list)
    shares: dict[str, Constituent] = {}
    for index in sorted(indexes.INDEXES):
        for of in indexes.portfolio(index, session).constituents:
            shares[of.ticker] = of
            held_by[of.ticker].append(index)
    rows = [
        {
            "company": of.company,
            "spotlight": f"{of.kind:<5}{of.listing_segment}".rstrip(),
            "code": of.ticker,
            "indexes": ",".join(held_by[of.ticker]),
        }
        for of in sorted(shares.values(), key=lambda of: (of.company, of.ticker))
    ]
    since = indexes.last_rebalance(session)
    header = {
        "update": session.isoformat(),
        "startMonth": since.month,
        "endMonth": since.month + 3,
        "year": since.year,
    }
    return paged(rows, header, asked)


_METHODS: Mapping[str, Callable[[Parameters, Paging, dt.date], Answer]] = {
    "GetPortfolioDay": _portfolio_day,
    "GetTheoricalPortfolio": _theoretical_portfolio,
    "GetQuartelyPreview": _preview,
    "GetStockIndex": _stock_index,
}
