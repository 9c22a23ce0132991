"""Recognize web pages in place of data: answers of B3's firewall and its failing servers."""

from __future__ import annotations

import codecs
import html
import re

from b3.errors import NotB3Data

_READ = 1 << 16
_LONGEST = 80
_UNESCAPED = 1000
_TAG = re.compile(r"<[^<>]*>")
# Comments, scripts and styles; one that does not end goes up to the end.
_UNSEEN = re.compile(r"<!--.*?(?:-->|\Z)|<(script|style)\b.*?(?:</\1[^<>]*>?|\Z)", re.DOTALL | re.IGNORECASE)
_HEADINGS = [
    (re.compile(rf"<{name}\b[^<>]*>", re.IGNORECASE), re.compile(rf"</{name}\b", re.IGNORECASE))
    for name in ("title", "h1")
]
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
    return f'a web page, "{_title(decoded(body[:_READ]))}"'


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


def decoded(body: bytes) -> str:
    """Return the text of a page, or of its beginning: in UTF-8, or else in Latin-1."""
    try:
        # An incremental decoder accepts a letter that is cut in two at the end.
        return codecs.getincrementaldecoder("utf-8-sig")().decode(body)
    except UnicodeDecodeError:
        return body.decode("latin-1")


def _title(markup: str) -> str:
    # Of a long text only the beginning is shown, so only the beginning is unescaped.
    text = html.unescape(" ".join(_heading(markup).split())[:_UNESCAPED])
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def _heading(markup: str) -> str:
    """Return the text of the page's title, of its first h1, or of the whole page.

    Each expression reads on from where it stopped: a parser of HTML takes a minute for 64 KB of "<a <a <a".
    """
    markup = _UNSEEN.sub(" ", markup)
    for begin, end in _HEADINGS:
        found = begin.search(markup)
        if found:
            ends = end.search(markup, found.end())
            return _TAG.sub(" ", markup[found.end() : ends.start() if ends else None])
    return _TAG.sub(" ", markup)
