"""The portfolios of B3's indexes: JSON of three endpoints, decoded exactly and checked whole.

From the answers of sistemaswebb3-listados.b3.com.br/indexProxy/indexCall, which B3 does not document. An answer is
one page of a portfolio, a document `{"page": …, "header": …, "results": […]}` with numbers and dates as texts, in
the language asked for. This reads pt-br alone ("1.460.506.056", "2,792", dd/mm/yy): in en-us the same characters
mean other numbers and days.

A portfolio is kept as one object: the page as received where there is one, else the JSON array of its pages as
received (`join_pages`). Both are what `read_table` and `header_date` take.

portfolio_day says which session it is for in header.date, which is not the day of the call. theoretical (the
portfolio in force) and preview (the next one) say nothing of a date: whoever asked knows it.
"""

from __future__ import annotations

import codecs
import datetime as dt
import json
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

from b3.errors import BadLayout, NoPortfolio, NotB3Data, NotPublished, Truncated, WrongDate, printable
from b3.indexes.sector_labels import split_label
from b3.site import webpage
from b3.site.addresses import INDEX_METHODS, MOST_PAGES

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

_PAGE_FIELDS = frozenset({"pageNumber", "pageSize", "totalRecords", "totalPages"})
_DAY_HEADER = frozenset({"date", "text", "part", "partAcum", "textReductor", "reductor", "theoricalQty"})
_DAY_ROW = frozenset({"segment", "cod", "asset", "type", "part", "partAcum", "theoricalQty"})
_HEADER = frozenset({"part", "theoricalQty", "reductor"})
_ROW = frozenset({"cod", "asset", "type", "theoricalQty", "part", "cont"})
_FIELDS = {"portfolio_day": (_DAY_HEADER, _DAY_ROW), "theoretical": (_HEADER, _ROW), "preview": (_HEADER, _ROW)}

# Up to six groups of thousands, which is what 18 digits hold.
_PT_INTEGER = re.compile(r"(?:0|[1-9]\d{0,2}(?:\.\d{3}){0,5})", re.ASCII)
_PT_DECIMAL = re.compile(rf"{_PT_INTEGER.pattern},\d+", re.ASCII)
_EN_US = re.compile(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?|\d{1,3}\.\d+", re.ASCII)
# What the refined tables take for a ticker, and no longer than the quotes' own field.
_TICKER = re.compile(r"[A-Z0-9]{1,12}")
_DATE = re.compile(r"(\d\d)/(\d\d)/(\d\d)", re.ASCII)

# Each weight is rounded to 3 decimals, so is their total.
_ROUNDING = Decimal("0.0005")
_WHOLE = Decimal(100)

_READ_LAYOUT = (
    "B3 changed its answer: compare it with the one before in landing/, and bring b3.indexes.portfolio up to it."
)
_ASK_AGAIN = "Run the task again: it asks for every page anew."


def read_table(
    json_bytes: bytes, *, endpoint: str, index: str, trade_date: dt.date | None = None, source: str | None = None
) -> pa.Table:
    """The constituents of a portfolio, in B3's order, one row each (SCHEMA).

    weight_pct is in percent of the index; theoretical_quantity in shares; reductor, the same in every row, is the
    number the portfolio's value is divided by for the index's points. sector and subsector are those of
    `b3.indexes.sector_labels.split_label`, null where the answer has none.

    Args:
        json_bytes: the answer: a page, or the array of all pages in any order.
        endpoint: portfolio_day, theoretical or preview.
        index: B3's code of the index, as `IBOV`; the answer does not repeat it.
        trade_date: the session the portfolio is for. Of portfolio_day it is checked; of the others it becomes
            the column, which is null without it.
        source: what the bytes are of, for messages.

    Raises:
        ValueError: an endpoint that does not exist.
        NotPublished: no bytes.
        NoPortfolio: an answer of no rows.
        NotB3Data: a web page, or anything else that is no JSON.
        Truncated: JSON that breaks off, or a page that is missing.
        WrongDate: portfolio_day is for another session than `trade_date`.
        BadLayout: a field that is missing or unknown; numbers or a date not as in pt-br; a ticker that is none, or
            comes twice; a text that UTF-8 can't hold; pages that differ in their totals or header; rows, weights or
            quantities that do not add up to what the answer announces.
    """
    if endpoint not in _FIELDS:
        raise ValueError(f"{endpoint!r} is no endpoint: {', '.join(_FIELDS)}")
    return _Answer(json_bytes, endpoint, source or f"{INDEX_METHODS[endpoint]} of {index}").table(index, trade_date)


def header_date(json_bytes: bytes, *, source: str = INDEX_METHODS["portfolio_day"]) -> dt.date:
    """The session a portfolio_day answer is for; any of its pages will do.

    Raises:
        SourceError: as `read_table`, of what lies above the rows.
    """
    return _Answer(json_bytes, "portfolio_day", source).date()


def page_count(page: bytes, *, source: str = "a page of an index") -> int:
    """Return how many pages the portfolio has of which `page` is one.

    Raises:
        SourceError: as `read_table`, of what is no page, or one of more than MOST_PAGES.
    """
    count = _page_number(_documents(page, source)[0], "totalPages", source)
    if count > MOST_PAGES:
        raise BadLayout(
            source=source,
            expected=f"at most {MOST_PAGES} pages",
            found=f"{count} in page.totalPages",
            hint="Look at the answer: no index is that wide.",
        )
    return count


def join_pages(pages: Sequence[bytes]) -> bytes:
    """The pages of a portfolio as one object: a single one as it is, several as the JSON array of them."""
    if len(pages) == 1:
        return pages[0]
    return b"[" + b",\n".join(page.removeprefix(codecs.BOM_UTF8).strip() for page in pages) + b"]\n"


class _Answer:
    """The pages of one portfolio.

    Attributes:
        source: what they are of, for messages.
        documents: them, by page number.
        header: the header they share.
    """

    def __init__(self, json_bytes: bytes, endpoint: str, source: str) -> None:
        self.endpoint = endpoint
        self.source = source
        self.header_fields, self.row_fields = _FIELDS[endpoint]
        self.documents = sorted(
            _documents(json_bytes, source), key=lambda document: _page_number(document, "pageNumber", source)
        )
        self.header = self._shared_header()

    def _shared_header(self) -> dict[str, Any]:
        first = self.documents[0]["header"]
        for document in self.documents:
            header, number = document["header"], document["page"]["pageNumber"]
            _check_fields(header, self.header_fields, f"header of page {number}", self.source)
            for name, value in header.items():
                if value != first[name]:
                    raise BadLayout(
                        source=self.source,
                        expected=f"header.{name} {_excerpt(first[name])} on every page",
                        found=f"{_excerpt(value)} on page {number}",
                        hint=f"B3 changed portfolios between the pages. {_ASK_AGAIN}",
                    )
        # Before anything else of the header: the date alone does not betray en-us.
        total = self.decimal(first["part"], "header.part", 3)
        if total != _WHOLE:
            raise self.bad("header.part 100,000", repr(first["part"]))
        return first

    def date(self) -> dt.date:
        """The session of a portfolio_day."""
        value = self.header["date"]
        match = _DATE.fullmatch(value) if isinstance(value, str) else None
        try:
            if match:
                day, month, year = (int(part) for part in match.groups())
                return dt.date(2000 + year, month, day)
        except ValueError:
            pass
        raise self.bad("header.date as dd/mm/yy", _excerpt(value))

    def table(self, index: str, trade_date: dt.date | None) -> pa.Table:
        """All rows of all pages."""
        if self.endpoint == "portfolio_day":
            date = self.date()
            if trade_date not in (None, date):
                raise WrongDate(
                    source=self.source,
                    expected=f"the portfolio of {trade_date}",
                    found=f"that of {date}",
                    hint="B3 serves one portfolio, that of the session it names: one of another day can't be had.",
                )
            trade_date = date
        self._check_pages()
        places = [
            (f"row {number} of page {document['page']['pageNumber']}", row)
            for document in self.documents
            for number, row in enumerate(document["results"], 1)
        ]
        rows = [self._row(row, where) for where, row in places]
        self._check_tickers([(where, row["ticker"]) for (where, _), row in zip(places, rows, strict=True)])
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
                        hint=_ASK_AGAIN,
                    )
        numbers = [document["page"]["pageNumber"] for document in self.documents]
        expected = range(1, first["totalPages"] + 1)
        missing = [number for number in expected if number not in numbers]
        if missing:
            raise Truncated(
                source=self.source,
                expected=f"the pages 1 to {first['totalPages']}",
                found=f"no page {', '.join(map(str, missing))}",
                hint=_ASK_AGAIN,
            )
        if numbers != list(expected):
            raise BadLayout(
                source=self.source,
                expected=f"the pages 1 to {first['totalPages']}, each once",
                found=f"the pages {', '.join(map(str, numbers))}",
                hint=_ASK_AGAIN,
            )

    def _row(self, row: Any, where: str) -> dict[str, Any]:
        _check_fields(row, self.row_fields, where, self.source)
        label = self.text(row["segment"], f"segment in {where}") if row.get("segment") is not None else None
        sector, subsector = split_label(label) if label else (None, None)
        return {
            "ticker": self.ticker(row["cod"], f"cod in {where}"),
            "company": self.text(row["asset"], f"asset in {where}"),
            "share_type": self.text(row["type"], f"type in {where}"),
            "sector": sector,
            "subsector": subsector,
            "weight_pct": self.decimal(row["part"], f"part in {where}", 3),
            "theoretical_quantity": self.integer(row["theoricalQty"], f"theoricalQty in {where}"),
        }

    def _check_tickers(self, tickers: list[tuple[str, str]]) -> None:
        """Refuse a ticker that comes twice; `tickers` are pairs of place and ticker."""
        first: dict[str, str] = {}
        for where, ticker in tickers:
            if ticker in first:
                raise self.bad("every cod once", f"{ticker} in {first[ticker]} and in {where}", _ASK_AGAIN)
            first[ticker] = where

    def _check_totals(self, rows: list[dict[str, Any]]) -> None:
        announced = self.documents[0]["page"]["totalRecords"]
        if len(rows) != announced:
            raise self.bad(f"{announced} rows, as page.totalRecords says", f"{len(rows)}", _ASK_AGAIN)
        weights = sum((row["weight_pct"] for row in rows), Decimal())
        allowed = (len(rows) + 1) * _ROUNDING
        if abs(weights - _WHOLE) > allowed:
            raise self.bad(f"weights (part) that sum to 100, give or take {allowed}", f"{weights}")
        total = self.integer(self.header["theoricalQty"], "header.theoricalQty")
        quantity = sum(row["theoretical_quantity"] for row in rows)
        if quantity != total:
            raise self.bad(f"quantities (theoricalQty) that sum to the header's {total:,}", f"{quantity:,}")

    def text(self, value: Any, field: str) -> str:
        """A field's text, without the spaces around it."""
        if not isinstance(value, str) or not value.strip():
            raise self.bad(f"a text in {field}", _excerpt(value))
        if printable(value) != value:
            raise self.bad(f"a text of whole letters in {field}", f"{_excerpt(value)}, which UTF-8 has no bytes for")
        return value.strip()

    def ticker(self, value: Any, field: str) -> str:
        """Return a field's ticker, without the spaces around it."""
        text = self.text(value, field)
        if not _TICKER.fullmatch(text):
            raise self.bad(f"a ticker of A-Z and 0-9, 12 characters at most, in {field}", _excerpt(value))
        return text

    def integer(self, value: Any, field: str) -> int:
        """A whole number as pt-br writes it: 1.460.506.056."""
        return int(self._number(value, field, _PT_INTEGER, "a whole number").replace(".", ""))

    def decimal(self, value: Any, field: str, places: int) -> Decimal:
        """A number as pt-br writes it, of at most so many decimal places: 16.134.548,84098888."""
        text = self._number(value, field, _PT_DECIMAL, f"a number of at most {places} decimal places")
        if len(text.partition(",")[2]) > places:
            raise self.bad(f"at most {places} decimal places in {field}", _excerpt(value))
        return Decimal(text.replace(".", "").replace(",", "."))

    def _number(self, value: Any, field: str, pattern: re.Pattern[str], what: str) -> str:
        if isinstance(value, str) and pattern.fullmatch(value):
            return value
        if isinstance(value, str) and _EN_US.fullmatch(value):
            raise self.bad(
                f"{what} in pt-br, the language asked for, in {field}",
                f"{_excerpt(value)}, as en-us writes it",
                'Ask with "language":"pt-br": in en-us the dates, too, have other days and months.',
            )
        raise self.bad(f"{what} in pt-br in {field}", _excerpt(value))

    def bad(self, expected: str, found: str, hint: str = _READ_LAYOUT) -> BadLayout:
        """The error of an answer that is not as it should be."""
        return BadLayout(source=self.source, expected=expected, found=found, hint=hint)


def _documents(body: bytes, source: str) -> list[dict[str, Any]]:
    """The pages of an answer, known to be pages of a portfolio with rows."""
    if not body.removeprefix(codecs.BOM_UTF8).strip():
        raise NotPublished(
            source=source,
            expected="a page of JSON",
            found="not one byte",
            hint="B3 answers so for an index it does not know: see the index's code.",
        )
    webpage.refuse(body, source=source, expected="a page of JSON")
    answer = _parse(body, source)
    documents = answer if isinstance(answer, list) else [answer]
    if not documents:
        raise BadLayout(source=source, expected="at least one page", found="none", hint=_ASK_AGAIN)
    for document in documents:
        _check_fields(document, frozenset({"page", "header", "results"}), "the page", source)
        _check_fields(document["page"], _PAGE_FIELDS, "page", source)
        for name in _PAGE_FIELDS:
            _page_number(document, name, source)
        if not document["page"]["totalRecords"]:
            raise NoPortfolio(
                source=source,
                expected="a portfolio",
                found="an answer of no rows (page.totalRecords 0)",
                hint="The index has no such portfolio now, or B3 does not know its code.",
            )
        if not isinstance(document["results"], list):
            raise BadLayout(
                source=source, expected="a list in results", found=_excerpt(document["results"]), hint=_READ_LAYOUT
            )
    return documents


def _parse(body: bytes, source: str) -> Any:
    fields = {"source": source, "expected": "a page of JSON", "hint": _ASK_AGAIN}
    begun = body.removeprefix(codecs.BOM_UTF8).lstrip()[:1] in (b"{", b"[")
    try:
        text = body.decode("utf-8-sig").strip()
        return json.loads(text, parse_float=Decimal)
    except UnicodeDecodeError as error:
        if begun and error.end == len(body):
            raise Truncated(found="JSON that breaks off within a letter", **fields) from error
        raise NotB3Data(found=f"{_excerpt(body[:20])}, which is no UTF-8 ({error})", **fields) from error
    except ValueError as error:
        at_end = isinstance(error, json.JSONDecodeError) and error.pos >= len(text)
        if begun and (at_end or text[-1] not in "}]"):
            raise Truncated(found=f"JSON that breaks off after {_excerpt(text[-20:])}", **fields) from error
        raise NotB3Data(found=f"{_excerpt(text)} ({error})", **fields) from error


def _page_number(document: dict[str, Any], name: str, source: str) -> int:
    value = document["page"][name]
    if type(value) is not int or value < 0:
        raise BadLayout(source=source, expected=f"a count in page.{name}", found=_excerpt(value), hint=_READ_LAYOUT)
    return value


def _check_fields(found: Any, expected: frozenset[str], where: str, source: str) -> None:
    if not isinstance(found, dict):
        raise BadLayout(
            source=source,
            expected=f"the fields {', '.join(sorted(expected))} in {where}",
            found=_excerpt(found),
            hint=_READ_LAYOUT,
        )
    missing, unknown = sorted(expected - found.keys()), sorted(found.keys() - expected)
    if missing or unknown:
        names = printable(", ".join(unknown))
        parts = [f"no {', '.join(missing)}"] * bool(missing) + [f"an unknown {_short(names)}"] * bool(unknown)
        raise BadLayout(
            source=source,
            expected=f"the fields {', '.join(sorted(expected))} in {where}",
            found=" and ".join(parts),
            hint=_READ_LAYOUT,
        )


def _excerpt(value: Any) -> str:
    return _short(repr(value))


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:60] + "…"
