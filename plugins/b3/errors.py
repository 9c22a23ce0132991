"""Errors about what B3 sent. Each message says what was expected, what was found, and what to do next."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# The text of an unforeseen cause is cut here, so that the message fits on a line or two.
_LONGEST_CAUSE = 200


class SourceError(Exception):
    """B3's data is not as expected.

    Args:
        source: name, URI or URL of the data.
        expected: what was expected, and its place (record, byte, field).
        found: what was found instead.
        hint: a sentence on what to do next.

    Attributes:
        received: what came of an answer that the hook refused, and its `Download`; see `keeping_received` of
            `b3.lake.landed`.
    """

    received: tuple[bytes, Any] | None = None

    def __init__(self, *, source: str, expected: str, found: str, hint: str) -> None:
        super().__init__(f"{source}: expected {expected}; found {found}. {hint}")
        self.source = source
        self.expected = expected
        self.found = found
        self.hint = hint

    # By default exceptions pickle as cls(*args), which fails with keyword-only arguments.
    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, vars(self))


def _restore(cls: type[SourceError], args: tuple[Any, ...], state: dict[str, Any]) -> SourceError:
    error = cls.__new__(cls)
    error.args = args
    vars(error).update(state)
    return error


class TransientError(SourceError):
    """B3 failed in a way that may pass: try again later.

    Args:
        retry_after: seconds until the next try, if B3 names them.
        fields: the arguments of `SourceError`.
    """

    def __init__(self, *, retry_after: float | None = None, **fields: Any) -> None:
        super().__init__(**fields)
        self.retry_after = retry_after


class TooSlow(TransientError):
    """B3's answer takes longer than an answer may: it is not asked for again at once."""


class Refused(SourceError):
    """The server refuses this client on purpose: asking again does not help, and may make it worse."""


class NotPublished(SourceError):
    """B3 has not published the data yet: it answers 404, or zero bytes."""


class NotServed(NotPublished):
    """B3 does not serve the file (404): not yet, or no longer."""


class NoRecords(NotPublished):
    """B3's file is whole, but has no record."""


class NoPortfolio(NotPublished):
    """B3 answers that an index has no such portfolio. Between previews, B3 answers so for the preview."""


class OtherSession(SourceError):
    """B3 serves another session than the one asked for, and the lake has no landed file of that one."""


class CalendarDiffers(SourceError):
    """B3's sessions differ from those of the calendar that runs use."""


class ClosedDay(SourceError):
    """The date asked for is no trading session, so its file will never exist.

    Args:
        source: name of that file.
        trade_date: the date asked for (America/Sao_Paulo).
        previous: the last session before it, None if B3 has no file of that one.
        following: the first session after it.
        without_record: B3's file that has no record of that day, None if the calendar is enough.
    """

    def __init__(
        self,
        *,
        source: str,
        trade_date: dt.date,
        previous: dt.date | None,
        following: dt.date,
        without_record: str | None = None,
    ) -> None:
        shown = f" (no record in {without_record})" if without_record else ""
        super().__init__(
            source=source,
            expected="a trading session",
            found=f"{trade_date:%A} {trade_date}, on which B3 was closed{shown}",
            hint=f"Ask for {f'{previous}, the session before it, or ' if previous else ''}{following}, the one after.",
        )
        self.trade_date = trade_date
        self.previous = previous
        self.following = following


class Truncated(SourceError):
    """The data begins as B3's does, but is cut short or damaged."""


class BadLayout(SourceError):
    """The data is whole, but does not follow the layout that B3 documents."""


class WrongDate(SourceError):
    """The data is valid, but for another trade date than the one asked for."""


class Flood(SourceError):
    """Most rows of a session break one rule: B3 changed the layout, or this reader misreads it."""


class RecordsLost(SourceError):
    """A correction lacks more records of the published quotes than corrections usually take back."""


class Outdated(SourceError):
    """The lake has another file of the same sessions, which came later."""


class NotB3Data(SourceError):
    """The data is something else, usually a web page."""


class Unreadable(SourceError):
    """The reader failed in an unforeseen way; `__cause__` is that failure."""


_READER_FAILED = "Look at the answer and at the cause in the log, and bring the reader up to it."
_MACHINE_FAILED = "This machine may be to blame: see its disk and memory, and run the task again."


@contextmanager
def reading(source: str) -> Iterator[None]:
    """Raise Unreadable in place of any exception in the `with` block that is no SourceError.

    KeyboardInterrupt and SystemExit pass unchanged.

    Args:
        source: name, URI or URL of the data.
    """
    try:
        yield
    except SourceError:
        raise
    except Exception as error:
        cause = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
        raise Unreadable(
            source=source,
            expected="an answer that can be read",
            found=printable(cause if len(cause) <= _LONGEST_CAUSE else cause[:_LONGEST_CAUSE] + "…"),
            hint=_MACHINE_FAILED if is_of_the_machine(error) else _READER_FAILED,
        ) from error


def is_of_the_machine(error: BaseException | None) -> bool:
    """Return whether a full disk or too little memory is the cause, and not the data that was read."""
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno is not None)


def printable(text: str) -> str:
    """Return `text` with halves of surrogate pairs, which UTF-8 cannot encode, written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()
