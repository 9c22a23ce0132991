"""Alerts through the lake's SNS topic: a task failed, a run timed out, a file is refused, or a run has findings."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from b3 import settings
from b3.airflow import run_dates
from b3.calendar.sessions import day_of

log = logging.getLogger(__name__)

_LONGEST_SUBJECT = 100  # SNS takes no more


def publish(context: Mapping[str, Any], *, aws_conn_id: str = "aws_default") -> None:
    """Publish a task's failure to B3_ALERT_TOPIC_ARN. Without that setting, or if SNS fails, log it.

    Args:
        context: the context that Airflow gives to `on_failure_callback`, after the last try.
        aws_conn_id: connection to publish with.
    """
    _publish(*describe(context), aws_conn_id)


def publish_timeout(context: Mapping[str, Any], *, aws_conn_id: str = "aws_default") -> None:
    """Publish, as `publish` does, that its dagrun_timeout ended a run. For other failures a task has alerted.

    Args:
        context: the context that Airflow gives to a DAG's `on_failure_callback`.
        aws_conn_id: connection to publish with.
    """
    if context.get("reason") != "timed_out":
        return
    dag, run_id = context["dag"], context["run_id"]
    _publish(
        _subject(f"{dag.dag_id} timed out{_of(context)} in {run_id}"),
        f"Expected the run to end within {dag.dagrun_timeout}; Airflow ended it, and skipped its open tasks.\n\n"
        f"DAG {dag.dag_id}, run {run_id}. See in the Airflow UI how far it came, and clear the run to go on.",
        aws_conn_id,
    )


def inform(subject: str, message: str, *, aws_conn_id: str = "aws_default") -> None:
    """Publish news that needs no action, as `publish` does.

    Args:
        subject: the news in a few words.
        message: the whole text.
        aws_conn_id: connection to publish with.
    """
    _publish(_subject(f"info: {subject}"), message, aws_conn_id)


def warn(subject: str, message: str, *, aws_conn_id: str = "aws_default") -> bool:
    """Publish news that a person must look at although no task failed, as `publish` does.

    Return False if SNS failed.

    Args:
        subject: the news in a few words.
        message: the whole text: what was expected, what was found, what to do.
        aws_conn_id: connection to publish with.
    """
    return _publish(_subject(f"warning: {subject}"), message, aws_conn_id)


def _publish(subject: str, message: str, aws_conn_id: str) -> bool:
    """Return False if a topic is set and SNS failed."""
    try:
        topic = settings.read().alert_topic_arn
        if topic is None:
            log.info("B3_ALERT_TOPIC_ARN is not set, so nothing is published: %s", subject)
            return True
        from airflow.providers.amazon.aws.hooks.sns import SnsHook

        SnsHook(aws_conn_id=aws_conn_id).publish_to_target(target_arn=topic, subject=subject, message=message)
    except Exception:  # a failed alert must not hide the failure of the task
        log.exception("could not publish this alert: %s", subject)
        return False
    return True


def describe(context: Mapping[str, Any]) -> tuple[str, str]:
    """Return subject (ASCII, at most 100 characters) and text of the alert for a failed task."""
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
    run = context.get("dag_run")  # a DAG's callback has no run if none of its tasks began
    return of_run(run) if run is not None else ""


def of_run(run: Any) -> str:
    """Return a run's trade date or years, as ` for 2020-04-30`. The run's id has only the day it was due."""
    conf = {} if run.run_type in run_dates.BY_LOGICAL_DATE else run.conf or {}
    day = conf.get("trade_date") or conf.get("year") or (run.logical_date and day_of(run.logical_date))
    first, last = conf.get("year"), conf.get("last_year")
    until = f" to {last}" if last is not None and str(last) != str(first) else ""
    return f" for {day}{until}" if day else ""


def _subject(text: str) -> str:
    # SNS refuses a subject with control characters, such as a newline in an object's key.
    shown = "".join(character if character.isprintable() else "?" for character in text)
    return shown.encode("ascii", "replace").decode()[:_LONGEST_SUBJECT]
