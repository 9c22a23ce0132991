"""The findings of a run in words, for its log, its XCom and the alert topic."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class RuleFindings:
    """A run's findings under one rule, with the first finding as an example: a row of include/sql/findings_by_rule.sql.

    Attributes:
        rule: the rule's name in the table `findings`.
        findings: number of findings.
        sessions: number of trade dates that have any.
        first_date: the first of these dates.
        ticker: ticker of the example; None for a correction, which concerns a whole session.
        expected: text of the example.
        found: text of the example.
    """

    rule: str
    findings: int
    sessions: int
    first_date: dt.date
    ticker: str | None
    expected: str
    found: str

    def __str__(self) -> str:
        """Return one line: rule, counts, and the example."""
        times = f"{self.findings} on {self.sessions} sessions, as on" if self.sessions > 1 else f"{self.findings} on"
        of_ticker = f" {self.ticker}" if self.ticker else ""
        return f"{self.rule}: {times} {self.first_date}{of_ticker}: expected {self.expected}; found {self.found}"


def subject(what: str, rules: Sequence[RuleFindings]) -> str:
    """Return a few words: the run, and the number of its findings.

    Args:
        what: the run and its date, as `b3_daily for 2005-03-14`.
        rules: the findings, by rule.
    """
    count = sum(each.findings for each in rules)
    return f"{what}: {count} {'finding' if count == 1 else 'findings'}"


def message(what: str, rules: Sequence[RuleFindings]) -> str:
    """Return the text of the summary: one line per rule, and the queries that show more."""
    lines = [f"{subject(what, rules)}. What B3 wrote is published as B3 wrote it."]
    lines += [f"* {each}" for each in rules]
    lines += [
        "",
        "SELECT * FROM findings shows each; on quotes, WHERE finding_count = 0 leaves out the rows that break a rule.",
    ]
    return "\n".join(lines)
