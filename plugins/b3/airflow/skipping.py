"""Skip a task with a reason that people see."""

from __future__ import annotations

from typing import Any


def skip(reason: Exception | str, ti: Any) -> Exception:
    """Return the exception that skips a task. Airflow logs the reason; XCom `skipped` keeps it.

    Args:
        reason: why the task is skipped.
        ti: the task instance of the task's context.
    """
    try:
        from airflow.sdk.exceptions import AirflowSkipException
    except ImportError:  # Airflow 3.0
        from airflow.exceptions import AirflowSkipException  # type: ignore[no-redef]

    ti.xcom_push("skipped", str(reason))
    return AirflowSkipException(str(reason))
