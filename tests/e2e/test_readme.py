"""What the README shows is what a newcomer gets: its commands in a fresh clone with an empty home.

`make test-readme` runs it. It needs the package index, and takes as long as the first set-up.
"""

import os
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from infra.checkout import ROOT

pytestmark = pytest.mark.slow
BLOCK = re.compile(r"^```\n\$ (make .*?)\n```$", re.MULTILINE | re.DOTALL)
# Its figures are the machine's.
NOT_HERE = ("make bench",)
SET_UP_SECONDS = 1800


class Shown(NamedTuple):
    """A command and the lines that a document shows of its output."""

    command: str
    lines: list[str]


def shown(document: Path) -> list[Shown]:
    """Return the commands of a document's blocks that begin with `$ make`, and what they print there."""
    found = []
    for block in BLOCK.findall(document.read_text()):
        command, _, output = block.partition("\n")
        while command.count('"') % 2:
            more, _, output = output.partition("\n")
            command += f"\n{more}"
        if not command.startswith(NOT_HERE):
            found.append(Shown(command, output.splitlines()))
    return found


def steady(line: str) -> str:
    """Return a line without what differs from run to run: times, and the ids of job runs."""
    line = re.sub(r" +\d+(\.\d+)?( s\b| ms\b)", r" N\2", line)
    line = re.sub(r"where the time went, .*", "where the time went", line)
    return re.sub(r"\bjr_[0-9a-f]+", "jr_…", line).rstrip()


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("newcomer")
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder / "checkout")], check=True)
    (folder / "home").mkdir()
    return folder


@pytest.mark.parametrize("each", shown(ROOT / "README.md"), ids=lambda each: each.command.partition("\n")[0][:50])
def test_a_command_prints_what_the_readme_shows(clone, each):
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("B3_", "AWS_", "AIRFLOW"))}
    done = subprocess.run(
        ["bash", "-c", each.command],
        cwd=clone / "checkout", env={**environ, "HOME": str(clone / "home")},
        capture_output=True, text=True, timeout=SET_UP_SECONDS,
    )  # fmt: skip
    printed = {steady(line) for line in (done.stdout + done.stderr).splitlines()}

    assert done.returncode == 0, done.stderr[-2000:]
    missing = [line for line in each.lines if "…" not in line and steady(line) not in printed]
    assert missing == [], done.stdout
    assert len(each.lines) > 3
