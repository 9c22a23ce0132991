"""The portfolios of B3's indexes: JSON of three endpoints, decoded exactly and checked whole.

`read_table` and `header_date` take one page, or the JSON array of all pages, see `b3.indexes.pages`. Numbers and dates
are texts in the language of the request. This module reads pt-br alone ("1.460.506.056", "2,792", dd/mm/yy): in en-us
the same characters mean other numbers and days.

portfolio_day names its session in header.date, which may not be the day of the call. theoretical (the portfolio in
force) and preview (the next one) have no date: the caller must know it.
"""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import Any

import pyarrow as pa

from b3.errors import BadLayout, Truncated, WrongDate, printable
from b3.indexes.pages import ASK_AGAIN, READ_LAYOUT, check_fields, count_in_page, documents, excerpt
from b3.indexes.sector_labels import split_label
from b3.site.addresses import INDEX_METHODS

SCHEMA = pa.schema(
    [
        pa.field("trade_date", pa.date32()),
        pa.field("index", pa.string(), nullable=False),
        pa.field("endpoint", pa.string(), nullable=False),
        pa.field("ticker", pa.string(), nullable=False),
        pa.field("company", pa.string(), nullable=False),
        pa.field("share_type", pa.string(), nullable=False),
        pa.field("sector", pa.string()),
        pa.field("subsector", pa.string()),
        pa.field("weight_pct", pa.decimal128(9, 3), nullable=False),
        pa.field("theoretical_quantity", pa.int64(), nullable=False),
        pa.field("reductor", pa.decimal128(28, 8)),
    ]
)

_DAY_HEADER = frozenset({"date", "text", "part", "partAcum", "textReductor", "reductor", "theoricalQty"})
_DAY_ROW = frozenset({"segment", "cod", "asset", "type", "part", "partAcum", "theoricalQty"})
_HEADER = frozenset({"part", "theoricalQty", "reductor"})
_ROW = frozenset({"cod", "asset", "type", "theoricalQty", "part", "cont"})
_FIELDS = {"portfolio_day": (_DAY_HEADER, _DAY_ROW), "theoretical": (_HEADER, _ROW), "preview": (_HEADER, _ROW)}

# At most six groups of thousands: 18 digits.
_PT_INTEGER = re.compile(r"(?:0|[1-9]\d{0,2}(?:\.\d{3}){0,5})", re.ASCII)
_PT_DECIMAL = re.compile(rf"{_PT_INTEGER.pattern},\d+", re.ASCII)
_EN_US = re.compile(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?|\d{1,3}\.\d+", re.ASCII)
# A ticker as the refined tables take it; the field of the quotes has 12 characters too.
_TICKER = re.compile(r"[A-Z0-9]{1,12}")
_DATE = re.compile(r"(\d\d)/(\d\d)/(\d\d)", re.ASCII)

# Each weight is rounded to 3 decimals, and so is their total.
_ROUNDING = Decimal("0.0005")
_WHOLE = Decimal(100)


def read_table(
    json_bytes: bytes, *, endpoint: str, index: str, trade_date: dt.date | None = None, source: str | None = None
) -> pa.Table:
    """Return the constituents of a portfolio, one row each (SCHEMA), in B3's order.

    weight_pct is in percent of the index, theoretical_quantity in shares. reductor is the same in every row: the
    portfolio's value divided by it gives the index's points. sector and subsector are spelled as
    `b3.indexes.sector_labels.split_label` does, and null if the answer has none.

    Args:
        json_bytes: the answer: a page, or the array of all pages in any order.
        endpoint: portfolio_day, theoretical or preview.
        index: B3's code of the index, as `IBOV`; the answer does not repeat it.
        trade_date: the session of the portfolio. For portfolio_day it is checked against the answer. For the other
            endpoints it becomes the column, which is null without it.
        source: name of the answer in messages.

    Raises:
        ValueError: an unknown endpoint.
        NotPublished: no bytes.
        NoPortfolio: an answer of no rows.
        NotB3Data: a web page, or anything else that is no JSON.
        Truncated: JSON that breaks off, or a page that is missing.
        WrongDate: portfolio_day is for another session than `trade_date`.
        BadLayout: a field is missing or unknown; a number or date is not in pt-br; a ticker is invalid or stands
            twice; UTF-8 can't encode a text; pages differ in their totals or header; or rows, weights or quantities
            do not add up to the totals in the answer.
    """
    if endpoint not in _FIELDS:
        raise ValueError(f"{endpoint!r} is no endpoint: {', '.join(_FIELDS)}")
    return _Answer(json_bytes, endpoint, source or f"{INDEX_METHODS[endpoint]} of {index}").table(index, trade_date)


def header_date(json_bytes: bytes, *, source: str = INDEX_METHODS["portfolio_day"]) -> dt.date:
    """Return the session of a portfolio_day answer; any of its pages will do.

    Raises:
        SourceError: as `read_table`, for the page and the header, but not for the rows.
    """
    return _Answer(json_bytes, "portfolio_day", source).date()


class _Answer:
    """The pages of one portfolio.

    Attributes:
        source: name of the answer in messages.
        documents: the pages, by page number.
        header: the header that all pages share.
    """

    def __init__(self, json_bytes: bytes, endpoint: str, source: str) -> None:
        self.endpoint = endpoint
        self.source = source
        self.header_fields, self.row_fields = _FIELDS[endpoint]
        self.documents = sorted(
            documents(json_bytes, source), key=lambda document: count_in_page(document, "pageNumber", source)
        )
        self.header = self._shared_header()

    def _shared_header(self) -> dict[str, Any]:
        first = self.documents[0]["header"]
        for document in self.documents:
            header, number = document["header"], document["page"]["pageNumber"]
            check_fields(header, self.header_fields, f"header of page {number}", self.source)
            for name, value in header.items():
                if value != first[name]:
                    raise BadLayout(
                        source=self.source,
                        expected=f"header.{name} {excerpt(first[name])} on every page",
                        found=f"{excerpt(value)} on page {number}",
                        hint=f"B3 changed portfolios between the pages. {ASK_AGAIN}",
                    )
        # Check this number before the date: a date in en-us can look like one in pt-br.
        total = self.decimal(first["part"], "header.part", 3)
        if total != _WHOLE:
            raise self.bad("header.part 100,000", repr(first["part"]))
        return first

    def date(self) -> dt.date:
        """Return the session of a portfolio_day."""
        value = self.header["date"]
        match = _DATE.fullmatch(value) if isinstance(value, str) else None
        try:
            if match:
                day, month, year = (int(part) for part in match.groups())
                return dt.date(2000 + year, month, day)
        except ValueError:
            pass
        raise self.bad("header.date as dd/mm/yy", excerpt(value))

    def table(self, index: str, trade_date: dt.date | None) -> pa.Table:
        """Return the rows of all pages."""
        if self.endpoint == "portfolio_day":
            date = self.date()
            if trade_date not in (None, date):
                raise WrongDate(
                    source=self.source,
                    expected=f"the portfolio of {trade_date}",
                    found=f"that of {date}",
                    hint="B3 serves one portfolio, of the session that it names: no other can be fetched.",
                )
            trade_date = date
        self._check_pages()
        places = [
            (f"row {number} of page {document['page']['pageNumber']}", row)
            for document in self.documents
            for number, row in enumerate(document["results"], 1)
        ]
        rows = [self._row(row, place) for place, row in places]
        self._check_tickers([(place, row["ticker"]) for (place, _), row in zip(places, rows, strict=True)])
        self._check_totals(rows)
        reductor = self.header["reductor"]
        shared = {
            "trade_date": trade_date,
            "index": index,
            "endpoint": self.endpoint,
            "reductor": None if reductor is None else self.decimal(reductor, "header.reductor", 8),
        }
        return pa.Table.from_pylist([row | shared for row in rows], schema=SCHEMA)

    def _check_pages(self) -> None:
        first = self.documents[0]["page"]
        for document in self.documents:
            for name in ("totalPages", "totalRecords"):
                if document["page"][name] != first[name]:
                    raise BadLayout(
                        source=self.source,
                        expected=f"page.{name} {first[name]} on every page",
                        found=f"{document['page'][name]} on page {document['page']['pageNumber']}",
                        hint=ASK_AGAIN,
                    )
        numbers = [document["page"]["pageNumber"] for document in self.documents]
        expected = range(1, first["totalPages"] + 1)
        missing = [number for number in expected if number not in numbers]
        if missing:
            raise Truncated(
                source=self.source,
                expected=f"the pages 1 to {first['totalPages']}",
                found=f"no page {', '.join(map(str, missing))}",
                hint=ASK_AGAIN,
            )
        if numbers != list(expected):
            raise BadLayout(
                source=self.source,
                expected=f"the pages 1 to {first['totalPages']}, each once",
                found=f"the pages {', '.join(map(str, numbers))}",
                hint=ASK_AGAIN,
            )

    def _row(self, row: Any, place: str) -> dict[str, Any]:
        check_fields(row, self.row_fields, place, self.source)
        label = self.text(row["segment"], f"segment in {place}") if row.get("segment") is not None else None
        sector, subsector = split_label(label) if label else (None, None)
        return {
            "ticker": self.ticker(row["cod"], f"cod in {place}"),
            "company": self.text(row["asset"], f"asset in {place}"),
            "share_type": self.text(row["type"], f"type in {place}"),
            "sector": sector,
            "subsector": subsector,
            "weight_pct": self.decimal(row["part"], f"part in {place}", 3),
            "theoretical_quantity": self.integer(row["theoricalQty"], f"theoricalQty in {place}"),
        }

    def _check_tickers(self, tickers: list[tuple[str, str]]) -> None:
        """Raise BadLayout if a ticker stands twice; `tickers` are pairs of place and ticker."""
        first: dict[str, str] = {}
        for place, ticker in tickers:
            if ticker in first:
                raise self.bad("every cod once", f"{ticker} in {first[ticker]} and in {place}", ASK_AGAIN)
            first[ticker] = place

    def _check_totals(self, rows: list[dict[str, Any]]) -> None:
        announced = self.documents[0]["page"]["totalRecords"]
        if len(rows) != announced:
            raise self.bad(f"{announced} rows, as page.totalRecords says", f"{len(rows)}", ASK_AGAIN)
        weights = sum((row["weight_pct"] for row in rows), Decimal())
        allowed = (len(rows) + 1) * _ROUNDING
        if abs(weights - _WHOLE) > allowed:
            raise self.bad(f"weights (part) that sum to 100, give or take {allowed}", f"{weights}")
        total = self.integer(self.header["theoricalQty"], "header.theoricalQty")
        quantity = sum(row["theoretical_quantity"] for row in rows)
        if quantity != total:
            raise self.bad(f"quantities (theoricalQty) that sum to the header's {total:,}", f"{quantity:,}")

    def text(self, value: Any, field: str) -> str:
        """Return a field's text, without the spaces around it."""
        if not isinstance(value, str) or not value.strip():
            raise self.bad(f"a text in {field}", excerpt(value))
        if printable(value) != value:
            raise self.bad(f"a text of whole letters in {field}", f"{excerpt(value)}, which UTF-8 has no bytes for")
        return value.strip()

    def ticker(self, value: Any, field: str) -> str:
        """Return a field's ticker, without the spaces around it."""
        text = self.text(value, field)
        if not _TICKER.fullmatch(text):
            raise self.bad(f"a ticker of A-Z and 0-9, 12 characters at most, in {field}", excerpt(value))
        return text

    def integer(self, value: Any, field: str) -> int:
        """Return a whole number, in pt-br 1.460.506.056."""
        return int(self._number(value, field, _PT_INTEGER, "a whole number").replace(".", ""))

    def decimal(self, value: Any, field: str, places: int) -> Decimal:
        """Return a number of at most `places` decimal places, in pt-br 16.134.548,84098888."""
        text = self._number(value, field, _PT_DECIMAL, f"a number of at most {places} decimal places")
        if len(text.partition(",")[2]) > places:
            raise self.bad(f"at most {places} decimal places in {field}", excerpt(value))
        return Decimal(text.replace(".", "").replace(",", "."))

    def _number(self, value: Any, field: str, pattern: re.Pattern[str], kind: str) -> str:
        if isinstance(value, str) and pattern.fullmatch(value):
            return value
        if isinstance(value, str) and _EN_US.fullmatch(value):
            raise self.bad(
                f"{kind} in pt-br, the language asked for, in {field}",
                f"{excerpt(value)}, as en-us writes it",
                'Ask with "language":"pt-br": en-us also swaps the day and the month of dates.',
            )
        raise self.bad(f"{kind} in pt-br in {field}", excerpt(value))

    def bad(self, expected: str, found: str, hint: str = READ_LAYOUT) -> BadLayout:
        """Return the error for a bad answer."""
        return BadLayout(source=self.source, expected=expected, found=found, hint=hint)
