"""Show pages in a real browser and say what it saw: `python tests/browser/drive.py`, in an environment of its own.

Standard input is a JSON object of an executable and a list of pages, each the fields of `tests.browser.pages.Page`.
Standard output is a JSON list of what `tests.browser.pages.Seen` has, one for each page.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, sync_playwright

HERE = ("127.0.0.1", "localhost", "")
SERIOUS = ("serious", "critical")
PATIENCE_MILLISECONDS = 120_000


def main() -> None:
    """Show the pages in turn."""
    given = json.load(sys.stdin)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=given["executable"], args=["--no-sandbox"])
        json.dump([show(browser, page) for page in given["pages"]], sys.stdout)
        browser.close()


def show(browser: Browser, wanted: dict[str, Any]) -> dict[str, Any]:
    """Open a page in a window of its own, do what is asked for, and take its picture."""
    context = browser.new_context(
        viewport={"width": wanted["width"], "height": wanted["height"]},
        color_scheme=wanted["scheme"],
        device_scale_factor=1,
        locale="en-GB",
        timezone_id="UTC",
    )
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    for name, value in wanted["storage"].items():
        context.add_init_script(f"localStorage.setItem({json.dumps(name)}, {json.dumps(value)})")
    page = context.new_page()
    said: list[str] = []
    asked: set[str] = set()
    page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    page.on("request", lambda request: asked.add(request.url))
    if wanted["media"]:
        page.emulate_media(media=wanted["media"])
    if wanted["before"]:
        page.goto(wanted["before"])
        page.wait_for_load_state("networkidle")
    page.goto(wanted["url"])
    for words in wanted["wait_for"]:
        page.get_by_text(re.compile(words)).first.wait_for()
    for name in wanted["click"]:
        page.get_by_role("button", name=name).first.click()
    page.wait_for_timeout(wanted["settle_milliseconds"])
    if wanted["picture"]:
        page.screenshot(path=wanted["picture"], full_page=wanted["whole"])
    found = Axe().run(page).response["violations"] if wanted["axe"] else []
    text = page.inner_text("body")
    context.close()
    return {
        "console": said,
        "elsewhere": sorted(url for url in asked if (urlsplit(url).hostname or "") not in HERE),
        "serious": [
            f"{each['id']} on {len(each['nodes'])}, as {each['nodes'][0]['html'][:200]}: {each['help']}"
            for each in found
            if each["impact"] in SERIOUS
        ],
        "text": text,
    }


if __name__ == "__main__":
    main()
