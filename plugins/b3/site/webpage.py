"""Recognize web pages in place of data: answers of B3's firewall and its failing servers."""

from __future__ import annotations

import codecs
import warnings

from b3.errors import NotB3Data

_READ = 1 << 16
_LONGEST = 80
_REFUSED = (
    "B3's firewall or a failing server answers so: run the task again later. If it stays so, see extra `user_agent` of "
    "the connection."
)


def found(body: bytes) -> str | None:
    """Return a text for messages, with the page's title, if `body` is a web page; else None.

    Args:
        body: an answer, or its beginning.
    """
    if body.removeprefix(codecs.BOM_UTF8).lstrip()[:1] != b"<":
        return None
    return f'a web page, "{_title(_decoded(body[:_READ]))}"'


def refuse(body: bytes, *, source: str, expected: str) -> None:
    """Raise NotB3Data, with the page's title, if `body` is a web page.

    Args:
        body: an answer, or its beginning.
        source: name of the answer in the message.
        expected: what was expected instead.
    """
    page = found(body)
    if page is not None:
        raise NotB3Data(source=source, expected=expected, found=page, hint=_REFUSED)


def _decoded(body: bytes) -> str:
    try:
        # An incremental decoder accepts a letter that is cut in two at the end.
        return codecs.getincrementaldecoder("utf-8-sig")().decode(body)
    except UnicodeDecodeError:
        return body.decode("latin-1")


def _title(html: str) -> str:
    text = " ".join(_heading(html).split())
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def _heading(html: str) -> str:
    # Imported here: every reader of B3's files imports this module, but few ever meet a web page.
    from bs4 import BeautifulSoup, XMLParsedAsHTMLWarning
    from bs4.exceptions import ParserRejectedMarkup

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", XMLParsedAsHTMLWarning)
        try:
            page = BeautifulSoup(html, "html.parser")
        except ParserRejectedMarkup:
            # The parser rejects the markup, but it still is a web page.
            return html
    return (page.title or page.h1 or page).get_text(" ")
