"""Fail a task without another try. How a violated check fails is in b3.airflow.queries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


def for_good(error: Exception, note: str = "") -> Exception:
    """Return `error`, with a note beside it, as a failure after which Airflow does not try the task again."""
    try:
        from airflow.sdk.exceptions import AirflowFailException
    except ImportError:  # Airflow 3.0
        from airflow.exceptions import AirflowFailException  # type: ignore[no-redef]

    return AirflowFailException(f"{type(error).__name__}: {error}" + (f" ({note})" if note else ""))


@contextmanager
def without_retry(*kinds: type[Exception], note: str = "") -> Iterator[None]:
    """Let errors of these kinds fail the task for good, with a note beside them; others may be tried again."""
    try:
        yield
    except kinds as error:
        raise for_good(error, note) from error
