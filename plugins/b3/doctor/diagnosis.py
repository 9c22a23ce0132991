"""What a look at something found, and tables of it: an address of B3's, or something of a machine.

Standard library alone, and no syntax beyond Python 3.9, so that it can tell that a Python is too old.
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
    """What was found of one thing. `expected`, `found` and `advice` are empty if it is as expected.

    Attributes:
        subject: what was looked at, short.
        answer: what it said, as "200, 412 kB"; NO_ANSWER if nothing came.
        note: what is good to know where all is as expected.
        expected: what should have been there.
        found: what was there instead.
        advice: what to do next, a sentence.
        url: the whole address, if it has one.
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
        """Return whether nothing differs."""
        return not self.found

    @property
    def verdict(self) -> str:
        """Return the last column of the table."""
        if self.as_expected:
            return f"as expected: {self.note}" if self.note else "as expected"
        return f"DIFFERS: found {self.found}, expected {self.expected}"


def table(diagnoses: Sequence[Diagnosis], heading: tuple[str, str, str]) -> str:
    """Return a line for each diagnosis, none longer than WIDTH, and below them what to do about those that differ."""
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
    """Return what differs, in full: an empty line, the subject, and each text after its label; addresses stay whole."""
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
            # An address on its own line would be parted from its label.
            lines += [wrap.initial_indent + text] if label == "address" else wrap.wrap(" ".join(text.split()))
    return "\n".join(lines)


def shortened(text: str, width: int) -> str:
    """Return `text` on one line, cut to `width` characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 1]}…"
