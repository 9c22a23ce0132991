"""Web pages in place of data: what B3's firewall and its failing servers answer, said in one line."""

from __future__ import annotations

import codecs
import warnings

from b3.errors import NotB3Data

_READ = 1 << 16
_LONGEST = 80
_REFUSED = (
    "B3's firewall or a failing server answers so: run the task again later; if it stays, see extra `user_agent` of "
    "the connection."
)


def found(body: bytes) -> str | None:
    """What messages call `body` if it is a web page, by its title; None if it is something else.

    Args:
        body: an answer, whole or its beginning.
    """
    if body.removeprefix(codecs.BOM_UTF8).lstrip()[:1] != b"<":
        return None
    return f'a web page, "{_title(_decoded(body[:_READ]))}"'


def refuse(body: bytes, *, source: str, expected: str) -> None:
    """Raise NotB3Data, with the title of the page, if `body` is a web page.

    Args:
        body: an answer, whole or its beginning.
        source: what was read, for the message.
        expected: what should have come instead.
    """
    page = found(body)
    if page is not None:
        raise NotB3Data(source=source, expected=expected, found=page, hint=_REFUSED)


def _decoded(body: bytes) -> str:
    try:
        # Incrementally, because a letter may be cut in two at the end.
        return codecs.getincrementaldecoder("utf-8-sig")().decode(body)
    except UnicodeDecodeError:
        return body.decode("latin-1")


def _title(html: str) -> str:
    text = " ".join(_heading(html).split())
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def _heading(html: str) -> str:
    # Imported here: every reader of B3's files imports this module, and hardly any of them meets a page.
    from bs4 import BeautifulSoup, XMLParsedAsHTMLWarning
    from bs4.exceptions import ParserRejectedMarkup

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", XMLParsedAsHTMLWarning)
        try:
            page = BeautifulSoup(html, "html.parser")
        except ParserRejectedMarkup:
            # Markup that no parser takes is still a web page in place of data.
            return html
    return (page.title or page.h1 or page).get_text(" ")
