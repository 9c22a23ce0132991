"""What a failed script's standard error says, in one line."""

from __future__ import annotations

import re

LONGEST = 2000
_EXCEPTION = re.compile(
    r"^(?:[A-Za-z_][\w.]*\.)?([A-Z]\w*(?:Error|Exception|Exit|Interrupt|Warning)?\w*)(?::\s?(.*))?$"
)
_JAVA_CAUSE = re.compile(r"^Caused by: (?:[\w$.]+\.)?([\w$]+)(?:: (.*))?$")
_USELESS_CAUSES = {"SparkException", "RuntimeException", "InvocationTargetException", "ExecutionException"}


class LaunchError(Exception):
    """A run cannot be started: script or environment are missing."""


def summary(stderr: str, code: int) -> str:
    """The line that says why a script failed, as Glue shows it: `ValueError: expected …`.

    The last Python traceback decides. Of an error from the JVM, the deepest Java cause that says something is used.
    """
    lines = stderr.splitlines()
    start = max(
        (i for i, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")), default=None
    )
    if start is None:
        text = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return (f"{text} (exit code {code})" if text else _without_words(code))[:LONGEST]
    body = lines[start + 1 :]
    for i, line in enumerate(body):
        if line.startswith((" ", "\t")) or not line.strip():
            continue
        found = _EXCEPTION.match(line)
        if found:
            if found[1] == "Py4JJavaError":
                return _java(body[i:])[:LONGEST]
            rest = _continued(body[i + 1 :])
            words = f"{found[1]}: {found[2]}" if found[2] is not None else found[1]
            return "\n".join([words, *rest])[:LONGEST]
    text = next((line.strip() for line in reversed(body) if line.strip()), "")
    return (text or _without_words(code))[:LONGEST]


def _without_words(code: int) -> str:
    if code < 0:
        return f"Command failed: the script was ended by signal {-code} (out of memory, or killed from outside)"
    return f"Command failed with exit code {code}"


def _continued(lines: list[str]) -> list[str]:
    """The rest of a message that spans lines."""
    kept = []
    for line in lines:
        if not line.strip() or line.startswith(("\tat ", "JVM stacktrace", "Traceback", "During handling")):
            break
        if re.match(r"^\d\d/\d\d/\d\d \d\d:\d\d:\d\d |^\d{4}-\d\d-\d\d ", line):
            break
        kept.append(line)
    return kept[:20]


def _java(lines: list[str]) -> str:
    causes = [found for line in lines if (found := _JAVA_CAUSE.match(line.strip()))]
    for cause in reversed(causes):
        if cause[2] and cause[1] not in _USELESS_CAUSES:
            return f"{cause[1]}: {cause[2]}"
    # Py4J's own words come first ("An error occurred while calling …"), the Java exception on the line after them.
    for line in lines[1:]:
        found = re.match(r"^: (?:[\w$.]+\.)?([\w$]+)(?:: (.*))?$", line)
        if found:
            return f"{found[1]}: {found[2]}" if found[2] else found[1]
    return lines[0]
