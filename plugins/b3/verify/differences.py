"""Differences between what the lake has and what it should have."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from b3.errors import SourceError

# Kinds of differences, as a person counts them.
LANDED_DAMAGED = "landed bytes changed"
LANDED_HIDDEN = "landed object deleted"
UNREADABLE_SOURCE = "landed file unreadable"
MISSING = "object missing"
DAMAGED = "bytes changed"
ROWS = "rows differ"
STALE = "stale"
ORPHAN = "object without source"
UNKNOWN = "unknown object"
NO_TABLE = "table missing from the catalog"
NOT_IN_CATALOG = "partition missing from the catalog"
NO_OBJECT = "partition without object"
UNKNOWN_PARTITION = "unknown partition"

# An error message, and the alert that carries it, list so many differences. SNS takes 256 KB.
_LISTED = 100


class Difference(NamedTuple):
    """One thing that is not as it should be.

    Attributes:
        kind: one of this module's kinds.
        uri: the object, or the place that a partition points at.
        expected: what was expected.
        found: what was found instead.
        mend: what to do.
    """

    kind: str
    uri: str
    expected: str
    found: str
    mend: str

    def __str__(self) -> str:
        """Return the difference as one line."""
        line = f"{self.kind}: {self.uri}: expected {self.expected}; found {self.found}; to mend: {self.mend}"
        return " ".join(line.split())


@dataclass
class Report:
    """What was compared, and what differs.

    Attributes:
        differences: all that differs, in the order in which it was found.
        sessions: the sessions of the lake that were looked at.
        objects: number of objects that were read.
        partitions: number of partitions of the catalog that were compared.
    """

    differences: list[Difference] = field(default_factory=list)
    sessions: set[dt.date] = field(default_factory=set)
    objects: int = 0
    partitions: int = 0

    def compared(self) -> str:
        """Return what was compared, as text."""
        return f"{len(self.sessions):,} sessions, {self.objects:,} objects, {self.partitions:,} partitions"

    def verdict(self) -> str:
        """Return how many differences there are and of which kinds, as one sentence."""
        if not self.differences:
            return "no difference"
        kinds = Counter(difference.kind for difference in self.differences)
        named = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items(), key=lambda item: -item[1]))
        number = len(self.differences)
        return f"{number:,} difference{'s' * (number != 1)}: {named}"

    def lines(self) -> list[str]:
        """Return a line per difference, by kind and place."""
        return [str(difference) for difference in sorted(self.differences)]


class LakeDiffers(Exception):
    """The lake is not as landing/ and the catalog say. The message is the verdict, then a line per difference."""

    def __init__(self, report: Report) -> None:
        lines = report.lines()
        more = [f"… and {len(lines) - _LISTED:,} more: the log has them all"] if len(lines) > _LISTED else []
        super().__init__("\n".join([report.verdict(), *lines[:_LISTED], *more]))


def unreadable(uri: str, error: SourceError, mend: str) -> Difference:
    """Return the difference of a landed file of the right bytes that its reader refuses."""
    return Difference(UNREADABLE_SOURCE, uri, error.expected, error.found, mend)


def rebuild(trade_date: dt.date) -> str:
    """Return how a session's raw and refined objects are made again."""
    return f"make rebuild FROM={trade_date} TO={trade_date}"


def listed(names: Sequence[str], most: int = 5) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
