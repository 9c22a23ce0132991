"""How a task is skipped so that a person sees why."""

from __future__ import annotations

from typing import Any


def skip(reason: Exception | str, ti: Any) -> Exception:
    """The exception that skips a task; the reason is logged, and kept as the task's XCom `skipped`.

    Args:
        reason: why, in words.
        ti: the task instance, as the task's context has it.
    """
    try:
        from airflow.sdk.exceptions import AirflowSkipException
    except ImportError:  # Airflow 3.0
        from airflow.exceptions import AirflowSkipException  # type: ignore[no-redef]

    ti.xcom_push("skipped", str(reason))
    return AirflowSkipException(str(reason))
