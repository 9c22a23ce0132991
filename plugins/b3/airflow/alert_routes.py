"""How urgent the failure of a task is, and which section of docs/runbook.md says what to do."""

from __future__ import annotations

from b3.monitoring.alert import Severity

A_TASK_FAILED = "a-task-failed"
# By the beginning of the task's id. All others page: readers lack a session, or must not trust one.
_WARNINGS = ("report", "sectors.", "views.", "calendar_agrees", "examine", "transform", "compare", "start", "bitcoin.")
_SECTIONS = {
    "validate.": "a-check-failed",
    "refine": "the-glue-job-failed",
    "transform": "the-glue-job-failed",
    "crawl_": "a-crawl-failed",
    "views.": "athena-refused",
    "bitcoin.": "bitcoin",
    "compare": "the-lake-differs",
    "session_is_there": "a-session-is-missing",
    "examine": "b3-changed-something",
    "calendar_agrees": "b3-changed-something",
    "wait": "a-file-in-inbox",
    "land": "a-file-in-inbox",
    "start": "a-file-in-inbox",
    "empty_inbox": "a-file-in-inbox",
}
# By what the message says, which counts more than the task.
_SECTIONS_OF_ERRORS = {
    "DeadlineOver": "scrape-is-waiting",
    "Flood": "b3-sent-a-correction",
    "RecordsLost": "b3-sent-a-correction",
}


def severity_of(task_id: str) -> Severity:
    """Return how urgent a task's failure is."""
    return Severity.WARN if task_id.startswith(_WARNINGS) else Severity.PAGE


def section_of(task_id: str, message: str) -> str:
    """Return the anchor in docs/runbook.md for a task's failure.

    Args:
        task_id: the task.
        message: its error, whose first line begins with the error's name.
    """
    named = message.partition("\n")[0].split(":")
    for error in (part.strip() for part in named[:2]):
        if error in _SECTIONS_OF_ERRORS:
            return _SECTIONS_OF_ERRORS[error]
    return next((anchor for start, anchor in _SECTIONS.items() if task_id.startswith(start)), A_TASK_FAILED)
