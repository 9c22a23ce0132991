"""Tells people that a task failed, or what a run found, through the lake's alert topic."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from b3 import settings
from b3.airflow import run_dates
from b3.calendar.sessions import day_of

log = logging.getLogger(__name__)

_LONGEST_SUBJECT = 100  # of SNS


def publish(context: Mapping[str, Any], *, aws_conn_id: str = "aws_default") -> None:
    """Publish a task's failure to B3_ALERT_TOPIC_ARN; without that setting, or if it cannot be, log so.

    Args:
        context: of a task that failed for good, as Airflow gives it to `on_failure_callback`.
        aws_conn_id: connection to publish with.
    """
    _publish(*describe(context), aws_conn_id)


def publish_timeout(context: Mapping[str, Any], *, aws_conn_id: str = "aws_default") -> None:
    """Publish that a run was ended by its dagrun_timeout, as `publish` does; other failed runs had a task that did.

    Args:
        context: of a DAG run that failed, as Airflow gives it to a DAG's `on_failure_callback`.
        aws_conn_id: connection to publish with.
    """
    if context.get("reason") != "timed_out":
        return
    dag, run_id = context["dag"], context["run_id"]
    _publish(
        _subject(f"{dag.dag_id} timed out{_of(context)} in {run_id}"),
        f"Expected the run to end within {dag.dagrun_timeout}; it was ended then, and its open tasks were skipped.\n\n"
        f"DAG {dag.dag_id}, run {run_id}. See in the Airflow UI where it stood, and clear the run to let it go on.",
        aws_conn_id,
    )


def inform(subject: str, message: str, *, aws_conn_id: str = "aws_default") -> None:
    """Publish something that needs no action, as `publish` does.

    Args:
        subject: a few words.
        message: the rest.
        aws_conn_id: connection to publish with.
    """
    _publish(_subject(f"info: {subject}"), message, aws_conn_id)


def _publish(subject: str, message: str, aws_conn_id: str) -> None:
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
    subject = _subject(f"{task.dag_id} {task.task_id} failed{_of(context)} in {task.run_id}")
    said = f"{type(error).__name__}: {error}" if isinstance(error, BaseException) else str(error or "no reason given")
    message = (
        f"{said}\n\n"
        f"DAG {task.dag_id}, task {task.task_id}, run {task.run_id}, try {task.try_number}.\n"
        "The task's log has the rest; the DAG's page in the Airflow UI says what to do when it fails."
    )
    return subject, message


def _of(context: Mapping[str, Any]) -> str:
    run = context.get("dag_run")  # a DAG's callback has none where no task of the run began
    return of_run(run) if run is not None else ""


def of_run(run: Any) -> str:
    """Return what a run is for, as ` for 2020-04-30`: its id names the day on which it was due, if any."""
    conf = {} if run.run_type in run_dates.BY_LOGICAL_DATE else run.conf or {}
    day = conf.get("trade_date") or conf.get("year") or (run.logical_date and day_of(run.logical_date))
    return f" for {day}" if day else ""


def _subject(text: str) -> str:
    return text.encode("ascii", "replace").decode()[:_LONGEST_SUBJECT]
