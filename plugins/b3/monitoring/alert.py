"""An alert: what people are told of one cause, and how urgently."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum

_LONGEST_SUBJECT = 100  # SNS takes no more
# The first sentence of most messages of this project.
_SENTENCE = re.compile(r"\bexpected (?P<expected>.+?)[;,] found (?P<found>.+)", re.IGNORECASE)
# What differs between two failures of one cause: addresses, ids, and numbers, which dates and times are made of.
_VARYING = (
    (re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s'\"]+", re.IGNORECASE), "<address>"),
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE), "<id>"),
    (re.compile(r"\w*[0-9a-f]{12,}\w*", re.IGNORECASE), "<id>"),
    (re.compile(r"\d(?:[\d.,:]*\d)?"), "#"),
    (re.compile(r"#(?:-#)+"), "#"),
)
_ERROR_CODE = re.compile(r"An error occurred \((?P<code>\w+)\) when calling")
# Codes of AWS that say the same of every task: rights and limits.
_OF_ALL_TASKS = re.compile(
    r"AccessDenied|Unauthorized|ExpiredToken|InvalidClientToken|Throttl|TooManyRequests|SlowDown"
)
# It says nothing of what took so long.
_TIMEOUT = "AirflowTaskTimeout"


class Severity(StrEnum):
    """How urgent an alert is: act now, look when there is time, or nothing to do."""

    PAGE = "page"
    WARN = "warn"
    INFO = "info"


@dataclass(frozen=True)
class Alert:
    """What people are told.

    Attributes:
        severity: how urgent it is.
        cause: what alerts of one cause share; people are told once a day. See `cause_of`.
        headline: what happened, in a few words.
        text: the message; its first line is the sentence that says it all.
        expected: what should have been; empty if the text has it.
        found: what was found instead.
        runbook: the section of docs/runbook.md that says what to do, as its anchor; empty for none.
        link: address of the run or the task in Airflow's UI; empty for none.
    """

    severity: Severity
    cause: str
    headline: str
    text: str
    expected: str = ""
    found: str = ""
    runbook: str = ""
    link: str = ""

    @property
    def subject(self) -> str:
        """The severity and the headline as SNS takes them: ASCII, no control character, at most 100 characters."""
        said = f"{self.severity}: {self.headline}"
        shown = "".join(character if character.isprintable() else "?" for character in said)
        return shown.encode("ascii", "replace").decode()[:_LONGEST_SUBJECT]

    @property
    def message(self) -> str:
        """The text, and below it a line each for what was expected, what was found, the runbook and the link."""
        lines = {
            "Expected": self.expected,
            "Found": self.found,
            "Runbook": self.runbook and f"docs/runbook.md#{self.runbook}",
            "Link": self.link,
        }
        below = "\n".join(f"{name}: {value}" for name, value in lines.items() if value)
        return f"{self.text}\n\n{below}" if below else self.text

    @property
    def key(self) -> str:
        """A short name of the severity and the cause, for objects of the lake. So no warning keeps a page back."""
        return hashlib.sha256(f"{self.severity}: {self.cause}".encode("utf-8", "backslashreplace")).hexdigest()[:20]


def cause_of(message: str, task: str) -> str:
    """Return what failures of one cause share: the first line of a message, without what differs between them.

    Addresses, ids, numbers and dates are left out. Of an error of AWS only its code counts: forty tasks whose role
    lacks a right fail in calls of many kinds. Of other codes than those of rights and limits, and of timeouts, each
    task is a cause of its own.

    Args:
        message: the error's name and text.
        task: DAG and task that failed.
    """
    first = message.partition("\n")[0]
    refused = _ERROR_CODE.search(first)
    if refused:
        shared = _OF_ALL_TASKS.search(refused["code"])
        return f"AWS: {refused['code']}" if shared else f"AWS: {refused['code']} in {task}"
    for pattern, instead in _VARYING:
        first = pattern.sub(instead, first)
    said = " ".join(first.split())
    return f"{said} in {task}" if _TIMEOUT in said else said


def expected_and_found(message: str) -> tuple[str, str] | None:
    """Return what the sentence `expected …, found …` in a message's first line has; None without such a sentence."""
    sentence = _SENTENCE.search(message.partition("\n")[0])
    return (sentence["expected"], sentence["found"]) if sentence else None
