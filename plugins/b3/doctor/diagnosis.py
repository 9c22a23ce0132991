"""Diagnoses of one thing each, an address of B3 or a part of a machine, and tables of diagnoses.

This module uses the standard library alone, and syntax of Python 3.9, so that it can report a Python that is too old.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 120
NO_ANSWER = "none"
_LONGEST_SUBJECT = 30
_LABEL = 12


@dataclass(frozen=True)
class Diagnosis:
    """The result of one check. `expected`, `found` and `advice` are empty if all is as expected.

    Attributes:
        subject: short name of the thing that was checked.
        answer: its answer, as "200, 412 kB"; NO_ANSWER if there was none.
        note: a remark, if all is as expected.
        expected: what was expected.
        found: what was found instead.
        advice: a sentence on what to do next.
        url: the whole address, if there is one.
        may_pass: whether the fault may pass by itself.
    """

    subject: str
    answer: str
    note: str = ""
    expected: str = ""
    found: str = ""
    advice: str = ""
    url: str = ""
    may_pass: bool = False

    @property
    def as_expected(self) -> bool:
        """Whether nothing differs."""
        return not self.found

    @property
    def verdict(self) -> str:
        """Text of the table's last column."""
        if self.as_expected:
            return f"as expected: {self.note}" if self.note else "as expected"
        return f"DIFFERS: found {self.found}, expected {self.expected}"


def table(diagnoses: Sequence[Diagnosis], heading: tuple[str, str, str]) -> str:
    """Return a line per diagnosis, at most WIDTH long, and below them the details of those that differ."""
    rows = [heading, *((each.subject, each.answer, each.verdict) for each in diagnoses)]
    first = min(max(len(row[0]) for row in rows), _LONGEST_SUBJECT)
    second = max(len(row[1]) for row in rows)
    last = WIDTH - first - second - 4
    lines = [
        f"{shortened(subject, first):<{first}}  {answer:<{second}}  {shortened(verdict, last)}".rstrip()
        for subject, answer, verdict in rows
    ]
    ruler = f"{'-' * first}  {'-' * second}  {'-' * min(last, max(len(row[2]) for row in rows))}"
    return "\n".join([lines[0], ruler, *lines[1:], *(details(each) for each in diagnoses if not each.as_expected)])


def details(diagnosis: Diagnosis) -> str:
    """Return a differing diagnosis in full: an empty line, the subject, and each text after its label."""
    told = {
        "address": diagnosis.url,
        "expected": diagnosis.expected,
        "found": diagnosis.found,
        "to do": diagnosis.advice,
    }
    wrap = textwrap.TextWrapper(WIDTH, break_long_words=False, break_on_hyphens=False)
    wrap.subsequent_indent = " " * _LABEL
    lines = ["", diagnosis.subject]
    for label, text in told.items():
        if text:
            wrap.initial_indent = f"  {label}".ljust(_LABEL)
            # Addresses are not wrapped: a long one would move to a line without its label.
            lines += [wrap.initial_indent + text] if label == "address" else wrap.wrap(" ".join(text.split()))
    return "\n".join(lines)


def shortened(text: str, width: int) -> str:
    """Return `text` on one line, cut to `width` characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 1]}…"
