"""Web pages in place of data: what B3's firewall and its failing servers answer, said in one line."""

from __future__ import annotations

from bs4 import BeautifulSoup

from b3.errors import NotB3Data

_READ = 1 << 16
_LONGEST = 80


def refuse(body: bytes, *, source: str, expected: str) -> None:
    """Raise NotB3Data, with the title of the page, if `body` is HTML.

    Args:
        body: an answer, whole or its beginning.
        source: what was read, for the message.
        expected: what should have come instead.
    """
    if body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<":
        raise NotB3Data(
            source=source,
            expected=expected,
            found=f'a web page, "{_title(body)}"',
            hint="B3's firewall or a failing server answers so: run the task again later; if it stays, see extra "
            "`user_agent` of the connection.",
        )


def _title(body: bytes) -> str:
    page = BeautifulSoup(body[:_READ], "html.parser")
    heading = page.title or page.h1 or page
    text = " ".join(heading.get_text(" ").split())
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
