"""What can be wrong with something B3 sent, each said so that a person knows the next step."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Of a cause that nobody foresaw, so that the message still fits on a line or two.
_LONGEST_CAUSE = 200


class SourceError(Exception):
    """Something from B3 is not what it should be.

    Args:
        source: what was read: a file's name, a URI, a URL.
        expected: what should have been there, and where (record, byte, field).
        found: what was there instead.
        hint: what to do next, a sentence.
    """

    def __init__(self, *, source: str, expected: str, found: str, hint: str) -> None:
        super().__init__(f"{source}: expected {expected}; found {found}. {hint}")
        self.source = source
        self.expected = expected
        self.found = found
        self.hint = hint

    # Exceptions pickle as cls(*args), which the keyword arguments rule out.
    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args, vars(self))


def _restore(cls: type[SourceError], args: tuple[Any, ...], state: dict[str, Any]) -> SourceError:
    error = cls.__new__(cls)
    error.args = args
    vars(error).update(state)
    return error


class TransientError(SourceError):
    """B3 answered, or failed to, in a way that may pass: worth another try later.

    Args:
        retry_after: when B3 says to come back, in seconds.
        fields: as of `SourceError`.
    """

    def __init__(self, *, retry_after: float | None = None, **fields: Any) -> None:
        super().__init__(**fields)
        self.retry_after = retry_after


class NotPublished(SourceError):
    """B3 has nothing there yet: a 404, or an answer of zero bytes."""


class NotServed(NotPublished):
    """B3 has no such file (404): not yet, or no longer."""


class NoRecords(NotPublished):
    """B3 serves the session's file, whole, and without one record of the session."""


class NoPortfolio(NotPublished):
    """B3 answers that an index has no such portfolio: of previews, what it says while there is none."""


class OtherSession(SourceError):
    """B3 is at another session than the one asked for, and what it serves undated has not landed for that one."""


class CalendarDiffers(SourceError):
    """B3 announces, or had, other sessions than the calendar that runs go by."""


class ClosedDay(SourceError):
    """The date asked for is not a trading session, so there will never be a file.

    Args:
        source: what would have been read.
        trade_date: the date asked for (America/Sao_Paulo).
        previous: the last session before it, None where B3 has no file of it.
        following: the first session after it.
        without_record: the file of B3 that shows it, None where it needs none.
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
    """The beginning is B3's, but it arrived cut short or damaged."""


class BadLayout(SourceError):
    """It is whole, but does not follow the layout B3 documents."""


class WrongDate(SourceError):
    """It is valid, but of another trade date than the one asked for."""


class Flood(SourceError):
    """Most rows of a session break one rule: the layout has changed, or this reader misreads it."""


class RecordsLost(SourceError):
    """A correction lacks more of what readers see than a correction takes back."""


class NotB3Data(SourceError):
    """It is something else: usually a web page in place of the data."""


class Unreadable(SourceError):
    """Reading it failed in a way that nobody foresaw; `__cause__` is that failure."""


_READER_FAILED = "Look at the answer and at the cause in the log, and bring the reader up to it."
_MACHINE_FAILED = "This machine may be to blame: see its disk and memory, and run the task again."


@contextmanager
def reading(source: str) -> Iterator[None]:
    """Raise Unreadable in place of whatever fails in the `with` block and is no SourceError.

    What ends the process (KeyboardInterrupt, SystemExit) stays as it is.

    Args:
        source: what is being read: a file's name, a URI, a URL.
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
            hint=_READER_FAILED if _is_of_the_answer(error) else _MACHINE_FAILED,
        ) from error


def _is_of_the_answer(error: Exception) -> bool:
    """Return whether the answer may be to blame, and not a full disk or too little memory."""
    return not (isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno is not None))


def printable(text: str) -> str:
    """Return `text` with what UTF-8 has no bytes for, half of a surrogate pair, written as an escape."""
    return text.encode("utf-8", "backslashreplace").decode()
