"""Tells people that a task failed, through the lake's alert topic."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from b3 import settings

log = logging.getLogger(__name__)

_LONGEST_SUBJECT = 100  # of SNS


def publish(context: Mapping[str, Any], *, aws_conn_id: str = "aws_default") -> None:
    """Publish a task's failure to B3_ALERT_TOPIC_ARN; without that setting, or if it cannot be, log so.

    Args:
        context: of a task that failed for good, as Airflow gives it to `on_failure_callback`.
        aws_conn_id: connection to publish with.
    """
    subject, message = describe(context)
    try:
        topic = settings.read().alert_topic_arn
        if topic is None:
            log.info("no B3_ALERT_TOPIC_ARN, nobody is told: %s", subject)
            return
        from airflow.providers.amazon.aws.hooks.sns import SnsHook

        SnsHook(aws_conn_id=aws_conn_id).publish_to_target(target_arn=topic, subject=subject, message=message)
    except Exception:  # the failure of the task is the one to report
        log.exception("expected to publish this alert, and failed: %s", subject)


def describe(context: Mapping[str, Any]) -> tuple[str, str]:
    """Subject, in ASCII and of at most 100 characters, and text of the alert for a failed task."""
    task = context["ti"]
    error = context.get("exception")
    subject = f"{task.dag_id} {task.task_id} failed in {task.run_id}".encode("ascii", "replace").decode()
    said = f"{type(error).__name__}: {error}" if isinstance(error, BaseException) else str(error or "no reason given")
    message = (
        f"{said}\n\n"
        f"DAG {task.dag_id}, task {task.task_id}, run {task.run_id}, try {task.try_number}.\n"
        "The task's log has the rest; the DAG's page in the Airflow UI says what to do when it fails."
    )
    return subject[:_LONGEST_SUBJECT], message
