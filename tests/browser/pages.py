"""Pages in a real browser, for tests: what it shows, says and asks for."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path

from infra.checkout import ROOT
from local import setup

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
TIMEOUT_SECONDS = 900


@dataclass(frozen=True)
class Page:
    """A page to show.

    Attributes:
        url: its address.
        width: of the window, in pixels.
        height: of the window, in pixels.
        scheme: light or dark.
        media: screen or print; empty for the browser's default.
        before: a page to open first, such as one that logs in.
        storage: what the browser's local storage holds for the page.
        wait_for: regular expressions of texts that it has to show first, in turn.
        click: names of buttons to press then, in turn.
        settle_milliseconds: how long it may move after that.
        picture: where its picture goes; empty for none.
        whole: a picture of the whole page, not only of the window.
        axe: look for what a screen reader or a keyboard cannot use.
    """

    url: str
    width: int = 1200
    height: int = 900
    scheme: str = "light"
    media: str = ""
    before: str = ""
    storage: dict[str, str] = field(default_factory=dict)
    wait_for: tuple[str, ...] = ()
    click: tuple[str, ...] = ()
    settle_milliseconds: int = 0
    picture: str = ""
    whole: bool = False
    axe: bool = False


@dataclass(frozen=True)
class Seen:
    """What a page showed.

    Attributes:
        console: each message of the browser's console, as `error: …`.
        elsewhere: addresses on other machines that it asked for.
        serious: what axe-core calls serious or critical, a line each.
        text: its words.
    """

    console: list[str]
    elsewhere: list[str]
    serious: list[str]
    text: str


def show(*pages: Page) -> list[Seen]:
    """Show pages in turn.

    Raises:
        subprocess.CalledProcessError: the browser cannot, or a page lacks what it is waited for.
    """
    setup.make(setup.BROWSER)
    given = json.dumps({"executable": BROWSER, "pages": [asdict(page) for page in pages]})
    command = [str(setup.BROWSER.python), str(Path("tests") / "browser" / "drive.py")]
    done = subprocess.run(
        command, cwd=ROOT, input=given, stdout=subprocess.PIPE, text=True, check=True, timeout=TIMEOUT_SECONDS
    )
    return [Seen(**each) for each in json.loads(done.stdout)]
