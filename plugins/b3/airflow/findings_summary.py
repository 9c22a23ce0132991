"""What a run says of its findings: in its log, in its XCom, and to the alert topic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class RuleFindings:
    """The findings of a run under one rule, with the first of them as an example.

    Attributes:
        rule: its name in the table `findings`.
        findings: how many there are.
        sessions: on how many trade dates.
        first_date: the first of these.
        ticker: of the example; None for a correction, which is of a whole session.
        expected: of the example.
        found: of the example.
    """

    rule: str
    findings: int
    sessions: int
    first_date: str
    ticker: str | None
    expected: str
    found: str

    @classmethod
    def of(cls, row: Mapping[str, str | None]) -> RuleFindings:
        """Return what a row of include/sql/findings_by_rule.sql says."""
        counts = {name: int(row[name] or 0) for name in ("findings", "sessions")}
        return cls(**{**row, **counts})  # type: ignore[arg-type]

    def __str__(self) -> str:
        """In one line."""
        times = f"{self.findings} on {self.sessions} sessions, as on" if self.sessions > 1 else f"{self.findings} on"
        of_ticker = f" {self.ticker}" if self.ticker else ""
        return f"{self.rule}: {times} {self.first_date}{of_ticker}: expected {self.expected}; found {self.found}"


def subject(what: str, rules: Sequence[RuleFindings]) -> str:
    """Return the findings of a run in a few words.

    Args:
        what: what the run is for, as `b3_daily for 2005-03-14`.
        rules: the findings, by rule.
    """
    count = sum(each.findings for each in rules)
    return f"{what}: {count} {'finding' if count == 1 else 'findings'}"


def message(what: str, rules: Sequence[RuleFindings]) -> str:
    """Return the findings of a run, a line for each rule, and where to look."""
    lines = [f"{subject(what, rules)}. What B3 wrote is published as B3 wrote it."]
    lines += [f"* {each}" for each in rules]
    lines += [
        "",
        "SELECT * FROM findings has each of them; WHERE finding_count = 0 leaves the quotes out that break a rule.",
    ]
    return "\n".join(lines)
