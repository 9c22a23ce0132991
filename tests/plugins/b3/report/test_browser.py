"""The page in a real browser: nothing is blocked, nothing fails, everybody can use it, in light, dark and print."""

from pathlib import Path

import pytest

from b3.report.page import render
from tests.browser import pages
from tests.browser.pages import Page
from tests.plugins.b3.report.sample import ORIGIN, figures

pytestmark = pytest.mark.skipif(pages.BROWSER is None, reason="needs chromium or google-chrome")
WAYS = {
    "light": Page("", axe=True),
    "dark": Page("", scheme="dark", axe=True),
    "phone": Page("", width=390, axe=True),
    "print": Page("", media="print"),
}


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What the browser saw of the page in each way."""
    folder = tmp_path_factory.mktemp("page")
    page = folder / "index.html"
    page.write_bytes(render(figures(), ORIGIN, None))
    shown = [
        Page(**{**vars(way), "url": page.as_uri(), "picture": str(folder / f"{name}.png")})
        for name, way in WAYS.items()
    ]
    return folder, dict(zip(WAYS, pages.show(*shown), strict=True))


@pytest.mark.parametrize("way", WAYS)
class TestThePage:
    def test_is_shown_without_a_complaint_and_asks_for_nothing(self, seen, way):
        assert seen[1][way].console == []
        assert seen[1][way].elsewhere == []

    def test_says_which_session_it_is_of(self, seen, way):
        assert "session of Thursday, 14 March 2024" in seen[1][way].text

    def test_has_nothing_that_a_screen_reader_or_a_keyboard_cannot_use(self, seen, way):
        assert seen[1][way].serious == []


def test_it_looks_different_in_the_dark(seen):
    folder: Path = seen[0]

    assert (folder / "light.png").read_bytes() != (folder / "dark.png").read_bytes()


def test_what_is_wrong_with_a_page_would_be_seen(tmp_path):
    bad = tmp_path / "index.html"
    page = render(figures(), ORIGIN, None)
    tag = b"<img src='x.png'><script>console.log(1)</script><img src='http://example.invalid/x.png'></main>"
    bad.write_bytes(page.replace(b"</main>", tag))

    (seen,) = pages.show(Page(bad.as_uri(), axe=True))

    assert any("Content Security Policy" in line for line in seen.console)
    assert any("image-alt" in line for line in seen.serious)
