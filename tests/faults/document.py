"""`make faults`: writes docs/faults.md from the declarations in tests/faults.

    python -m tests.faults.document

No test runs for it: the test modules are imported, and their marks are read.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType

from tests.faults.fault import Fault, declared
from tests.places import ROOT

DOCUMENT = ROOT / "docs" / "faults.md"
HERE = Path(__file__).parent
# The folder of a group's tests, its heading, and a sentence below it.
GROUPS = {
    "source": ("What B3 sends", "B3 does not answer, or answers with something else."),
    "arrivals": (
        "What others put into inbox/",
        "A file comes that is none, or comes again, or the task that takes it is killed.",
    ),
    "crash": (
        "What ends in the middle",
        "A task is killed, or the machine fails it. Of a killed task Airflow says that its process ended with SIGKILL; "
        "what is quoted is the log of the task that is run next.",
    ),
    "concurrency": ("What runs at the same time", "Two tasks, runs or commands work on the same session."),
    "aws": ("What AWS refuses", "S3, Glue, Athena or SNS refuse a request, or what they were asked for fails."),
    "corrections": ("What B3 corrects", "B3 serves a file again, with other content, or with the same."),
    "intruders": ("Who tries to get in", "Someone else reaches a port, answers in B3's place, or types a command."),
}
_HEAD = """# Faults

Made by `make faults` from the tests in `tests/faults/`: each row is a test that brings the fault about, and compares
the message and the lake with what stands here. Do not edit it.

A message is quoted in part; "…" stands for what differs from run to run. Messages about B3's files begin with the kind
of the error and the address. They end with what to do.
"""


def tests_of(group: str) -> Iterator[FunctionType]:
    """Yield the test functions of a group, in the order of their files."""
    for path in sorted((HERE / group).glob("test_*.py")):
        module = importlib.import_module(f"tests.faults.{group}.{path.stem}")
        for name, test in vars(module).items():
            if name.startswith("test_") and inspect.isfunction(test):
                yield test


def faults_of(group: str) -> list[Fault]:
    """Return the faults of a group, in the order of its tests."""
    return [fault for test in tests_of(group) for fault in declared(test)]


def text() -> str:
    """Return the document."""
    groups = {group: faults_of(group) for group in GROUPS}
    parts = [_HEAD]
    for group, faults in groups.items():
        heading, says = GROUPS[group]
        parts += [f"## {heading}\n", f"{says} {len(faults)} faults, in `tests/faults/{group}/`.\n"]
        rows = [f"| {_cell(fault.what)} | {_code(fault.seen)} | {_cell(fault.left)} |" for fault in faults]
        parts.append("\n".join(["| fault | what you see | what is left, and what to do |", "|---|---|---|", *rows, ""]))
    return "\n".join(parts)


def _cell(value: str) -> str:
    return value.replace("|", "\\|")


def _code(value: str) -> str:
    return f"`{_cell(value).replace('`', chr(39))}`"


def main() -> None:
    """Write the document, and say how many faults it has."""
    DOCUMENT.write_text(text(), encoding="utf-8")
    print(f"docs/faults.md: {sum(len(faults_of(group)) for group in GROUPS)} faults")


if __name__ == "__main__":
    main()
