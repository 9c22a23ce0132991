"""A fault that the lake meets: declared once, at the test that shows it.

docs/faults.md is made of these declarations, see tests/faults/document.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

# Stands in `seen` for a part of the message that differs from run to run, as a port.
GAP = "…"


@dataclass(frozen=True)
class Fault:
    """A row of the table of faults.

    Attributes:
        what: the fault, in a few plain words.
        seen: what the user sees: the message, or the part that tells it; "…" stands for any text.
        left: what is left in the lake, and what to do.
        given: what the test needs to bring the fault about.
    """

    what: str
    seen: str
    left: str
    given: Any = None


@dataclass
class Shown:
    """A fault while its test runs: the test has to show both what is seen and what is left."""

    fault: Fault
    missing: set[str] = field(default_factory=lambda: {"is_seen", "is_left"})

    @property
    def given(self) -> Any:
        """What the test needs to bring the fault about."""
        return self.fault.given

    def is_seen(self, said: BaseException | str) -> None:
        """Fail unless an error, with its notes, or a text says what the fault declares."""
        said = said if isinstance(said, str) else text_of(said)
        assert _says(said, self.fault.seen), f"expected {self.fault.seen!r}, found {said!r}"
        self.missing.discard("is_seen")

    def is_left(self, found: Any, expected: Any) -> None:
        """Fail unless what was found after the fault is what its declaration says in words."""
        assert found == expected
        self.missing.discard("is_left")

    def check(self) -> None:
        """Fail if the test did not show the fault."""
        assert not self.missing, f"the test did not ask {' and '.join(sorted(self.missing))} of its fault"


def text_of(error: BaseException) -> str:
    """Return an error as Airflow's log has it: type, message and notes."""
    return "\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", [])])


def _says(said: str, seen: str) -> bool:
    at = 0
    for part in seen.split(GAP):
        found = said.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return True


def shows(*faults: Fault) -> pytest.MarkDecorator:
    """Let a test run once for each fault, with a `Shown` as its argument `fault`."""
    return pytest.mark.parametrize("fault", faults, ids=[fault.what for fault in faults], indirect=True)


def declared(test: Any) -> list[Fault]:
    """Return the faults that a test function shows."""
    marks: Iterable[pytest.Mark] = getattr(test, "pytestmark", ())
    return [fault for mark in marks if mark.name == "parametrize" and mark.args[0] == "fault" for fault in mark.args[1]]
