"""The page in a real browser: nothing is blocked, nothing fails, and something is drawn in light and dark."""

import shutil
import subprocess
import zlib
from pathlib import Path

import pytest

from b3.report.page import render
from tests.plugins.b3.report.sample import ORIGIN, figures

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="needs chromium or google-chrome")


@pytest.fixture
def shoot(tmp_path: Path):
    """Draw the page in a colour scheme; returns the picture's bytes and what the browser said."""
    page = tmp_path / "index.html"
    page.write_bytes(render(figures(), ORIGIN, None))

    def run(scheme: int, width: int) -> tuple[bytes, str]:
        picture = tmp_path / f"{scheme}-{width}.png"
        command = [
            BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr",
            f"--user-data-dir={tmp_path / 'profile'}", f"--blink-settings=preferredColorScheme={scheme}",
            f"--window-size={width},1200", f"--screenshot={picture}", page.as_uri(),
        ]  # fmt: skip
        said = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stderr
        return picture.read_bytes(), said

    return run


def pixels(png: bytes) -> bytes:
    """The rows of a picture, unpacked but still filtered: enough to see whether it is empty."""
    found, at = b"", 8
    while at < len(png):
        length, kind = int.from_bytes(png[at : at + 4]), png[at + 4 : at + 8]
        if kind == b"IDAT":
            found += png[at + 8 : at + 8 + length]
        at += 12 + length
    return zlib.decompress(found)


@pytest.mark.parametrize("width", [390, 1200])
def test_the_page_is_drawn_without_a_complaint(shoot, width):
    (light, said), (dark, also_said) = (shoot(scheme, width) for scheme in (1, 0))

    assert "CONSOLE" not in said + also_said
    for picture in (light, dark):
        assert len(set(pixels(picture))) > 100
    assert light != dark


def test_a_complaint_would_be_seen(shoot, tmp_path):
    page = render(figures(), ORIGIN, None).replace(b"</main>", b"<script>console.log(1)</script></main>")
    (tmp_path / "index.html").write_bytes(page)

    assert "CONSOLE" in shoot(1, 400)[1]
