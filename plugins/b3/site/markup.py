"""Parse HTML within bounds. Some markup of a few KB keeps a parser busy for a minute."""

from __future__ import annotations

from html.parser import HTMLParser

from bs4 import BeautifulSoup
from bs4.builder import HTMLTreeBuilder

from b3.errors import BadLayout, printable
from b3.site import webpage

# A page has a few hundred KB, some thousand tags and texts, and a depth of about thirty.
_MOST_BYTES = 4 << 20
_MOST_PARTS = 40_000
_DEEPEST = 256
# The parser reads what does not end, as "<a <a <a", again from each of its characters.
_MOST_PENDING = 4 << 10
_PIECE = 4 << 10
_LOOK = "Open the address in a browser, and look at the page."
_VOID = frozenset(HTMLTreeBuilder.DEFAULT_EMPTY_ELEMENT_TAGS or ())


def parse(html: bytes, *, source: str) -> BeautifulSoup:
    """Return the tree of a web page.

    Args:
        html: the page, in UTF-8 or else in Latin-1.
        source: name of the page in messages.

    Raises:
        BadLayout: the page is too large, has too many tags and texts, is nested too deep, or has a tag that does not
            end or can't be read.
    """
    _check(len(html), "bytes", _MOST_BYTES, source)
    text = webpage.decoded(html)
    gauge = _Gauge(source)
    for start in range(0, len(text), _PIECE):
        try:
            gauge.feed(text[start : start + _PIECE])
        except AssertionError as error:
            raise BadLayout(
                source=source, expected="markup that can be read", found=printable(str(error)[:200]), hint=_LOOK
            ) from error
        _check(len(gauge.rawdata), "characters in a tag", _MOST_PENDING, source)
    return BeautifulSoup(text, "html.parser")


class _Gauge(HTMLParser):
    """Count the tags and texts of a page, and refuse it as soon as there are too many, or they are too deep."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self._source = source
        self._parts = 0
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._count()
        if tag not in _VOID:
            self._open.append(tag)
            _check(len(self._open), "elements, one within the other", _DEEPEST, self._source)

    def handle_data(self, data: str) -> None:
        self._count()

    def handle_comment(self, data: str) -> None:
        self._count()

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            while self._open.pop() != tag:
                pass

    def _count(self) -> None:
        self._parts += 1
        _check(self._parts, "tags and texts", _MOST_PARTS, self._source)


def _check(found: int, what: str, most: int, source: str) -> None:
    if found > most:
        raise BadLayout(source=source, expected=f"a web page of at most {most} {what}", found=f"{found}", hint=_LOOK)
