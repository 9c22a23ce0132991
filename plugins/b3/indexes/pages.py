"""The pages of an index portfolio: JSON documents, checked for their structure.

B3's index service (sistemaswebb3-listados.b3.com.br/indexProxy/indexCall) is not documented. An answer is one page of
a portfolio: `{"page": …, "header": …, "results": […]}`. A portfolio of one page is kept as received. Several pages are
kept as one object: the JSON array of the pages as received (`join_pages`).
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from b3.errors import BadLayout, NoPortfolio, NotB3Data, NotPublished, Truncated, printable
from b3.site import webpage
from b3.site.addresses import MOST_PAGES

_PAGE_FIELDS = frozenset({"pageNumber", "pageSize", "totalRecords", "totalPages"})

READ_LAYOUT = (
    "B3 changed its answer: compare it with the former one in landing/, and adapt b3.indexes.pages and .portfolio."
)
ASK_AGAIN = "Run the task again: it asks for all pages again."


def page_count(page: bytes, *, source: str = "a page of an index") -> int:
    """Return the number of pages of a portfolio, as one of its pages says.

    Raises:
        SourceError: as `documents`; or the number is larger than MOST_PAGES.
    """
    count = count_in_page(documents(page, source)[0], "totalPages", source)
    if count > MOST_PAGES:
        raise BadLayout(
            source=source,
            expected=f"at most {MOST_PAGES} pages",
            found=f"{count} in page.totalPages",
            hint="Look at the answer: no index is that wide.",
        )
    return count


def join_pages(pages: Sequence[bytes]) -> bytes:
    """Return the pages of a portfolio as one object: a single page as it is, several pages as a JSON array."""
    if len(pages) == 1:
        return pages[0]
    return b"[" + b",\n".join(page.removeprefix(codecs.BOM_UTF8).strip() for page in pages) + b"]\n"


def documents(body: bytes, source: str) -> list[dict[str, Any]]:
    """Return the pages in an answer as JSON documents.

    Args:
        body: a page, or the JSON array of several pages.
        source: name of the answer in messages.

    Raises:
        NotPublished: no bytes.
        NoPortfolio: a page that announces no rows.
        NotB3Data: a web page, or anything else that is no JSON.
        Truncated: JSON that breaks off.
        BadLayout: no page, or a page whose fields are not those of B3.
    """
    if not body.removeprefix(codecs.BOM_UTF8).strip():
        raise NotPublished(
            source=source,
            expected="a page of JSON",
            found="not one byte",
            hint="B3 answers so for an index it does not know: see the index's code.",
        )
    webpage.refuse(body, source=source, expected="a page of JSON")
    answer = _parse(body, source)
    found = answer if isinstance(answer, list) else [answer]
    if not found:
        raise BadLayout(source=source, expected="at least one page", found="none", hint=ASK_AGAIN)
    for document in found:
        check_fields(document, frozenset({"page", "header", "results"}), "the page", source)
        check_fields(document["page"], _PAGE_FIELDS, "page", source)
        for name in _PAGE_FIELDS:
            count_in_page(document, name, source)
        if not document["page"]["totalRecords"]:
            raise NoPortfolio(
                source=source,
                expected="a portfolio",
                found="an answer of no rows (page.totalRecords 0)",
                hint="The index has no such portfolio now, or B3 does not know its code.",
            )
        if not isinstance(document["results"], list):
            raise BadLayout(
                source=source, expected="a list in results", found=excerpt(document["results"]), hint=READ_LAYOUT
            )
    return found


def _parse(body: bytes, source: str) -> Any:
    fields = {"source": source, "expected": "a page of JSON", "hint": ASK_AGAIN}
    begun = body.removeprefix(codecs.BOM_UTF8).lstrip()[:1] in (b"{", b"[")
    try:
        text = body.decode("utf-8-sig").strip()
        return json.loads(text, parse_float=Decimal)
    except UnicodeDecodeError as error:
        if begun and error.end == len(body):
            raise Truncated(found="JSON that breaks off within a letter", **fields) from error
        raise NotB3Data(found=f"{excerpt(body[:20])}, which is no UTF-8 ({error})", **fields) from error
    except ValueError as error:
        at_end = isinstance(error, json.JSONDecodeError) and error.pos >= len(text)
        if begun and (at_end or text[-1] not in "}]"):
            raise Truncated(found=f"JSON that breaks off after {excerpt(text[-20:])}", **fields) from error
        raise NotB3Data(found=f"{excerpt(text)} ({error})", **fields) from error


def count_in_page(document: dict[str, Any], name: str, source: str) -> int:
    """Return a field of `page`; raise BadLayout unless it is a count."""
    value = document["page"][name]
    if type(value) is not int or value < 0:
        raise BadLayout(source=source, expected=f"a count in page.{name}", found=excerpt(value), hint=READ_LAYOUT)
    return value


def check_fields(found: Any, expected: frozenset[str], place: str, source: str) -> None:
    """Raise BadLayout unless `found`, which messages call `place`, is an object with exactly these fields."""
    if not isinstance(found, dict):
        raise BadLayout(
            source=source,
            expected=f"the fields {', '.join(sorted(expected))} in {place}",
            found=excerpt(found),
            hint=READ_LAYOUT,
        )
    missing, unknown = sorted(expected - found.keys()), sorted(found.keys() - expected)
    if missing or unknown:
        names = printable(", ".join(unknown))
        parts = [f"no {', '.join(missing)}"] * bool(missing) + [f"an unknown {_short(names)}"] * bool(unknown)
        raise BadLayout(
            source=source,
            expected=f"the fields {', '.join(sorted(expected))} in {place}",
            found=" and ".join(parts),
            hint=READ_LAYOUT,
        )


def excerpt(value: Any) -> str:
    """Return a value's repr for messages, cut if it is long."""
    return _short(repr(value))


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:60] + "…"
