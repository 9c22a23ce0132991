"""What the Makefile says."""

import re

from tests.places import ROOT

TEXT = (ROOT / "Makefile").read_text()
TARGETS = frozenset(re.findall(r"^([a-z-]+):", TEXT, re.MULTILINE))


def recipe(target: str) -> list[str]:
    """A target: what it needs, and its commands."""
    found = re.search(rf"^{target}:(.*?)##.*\n((?:\t.*\n)+)", TEXT, re.MULTILINE)
    assert found, target
    return [found[1].strip(), *(line.strip() for line in found[2].splitlines())]
