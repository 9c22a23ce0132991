"""Alerts of the DAGs: a task failed, a run timed out, news, and that all is well again.

People are told by the lake's SNS topic and by the log, once a day for each cause: `b3.monitoring.journal`. An alert
that cannot be sent, or not be looked up, never fails a task. What an alert holds is in docs/alerts.md.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from b3 import settings
from b3.airflow import alert_routes, clients, run_dates
from b3.calendar import publication
from b3.calendar.sessions import SAO_PAULO, day_of
from b3.monitoring.alert import Alert, Severity, cause_of, expected_and_found

if TYPE_CHECKING:
    from b3.monitoring.journal import Claim, Journal, OpenAlert

log = logging.getLogger(__name__)

# Runs of these DAGs are for a session or for years; of the others, the next run that succeeds ends what failed.
_OF_A_DATE = ("b3_daily", "b3_history")
# For how long after its failure a cause that nobody was told of is told.
_RETELL = dt.timedelta(days=7)


class ToldBefore(Exception):
    """A task fails because of another one, whose alert people have."""


def publish(context: Mapping[str, Any]) -> None:
    """Tell people that a task failed.

    Args:
        context: the context that Airflow gives to `on_failure_callback`, after the last try.
    """
    if ToldBefore.__name__ in str(context.get("exception")):
        return
    task = context["ti"]
    _tell(_of_failure(context), failed=(task.dag_id, _scopes(task.dag_id, task.run_id, context.get("dag_run"))))


def publish_timeout(context: Mapping[str, Any]) -> None:
    """Tell people that its dagrun_timeout ended a run. For other failures a task has told them.

    Args:
        context: the context that Airflow gives to a DAG's `on_failure_callback`.
    """
    if context.get("reason") != "timed_out":
        return
    dag, run_id = context["dag"], context["run_id"]
    alert = Alert(
        Severity.PAGE,
        f"{dag.dag_id} timed out",
        f"{dag.dag_id} timed out{_of(context)} in {run_id}",
        f"Expected the run to end within {dag.dagrun_timeout}; Airflow ended it, and skipped its open tasks.\n\n"
        f"DAG {dag.dag_id}, run {run_id}. See in the Airflow UI how far it came, and clear the run to go on.",
        expected=f"the run to end within {dag.dagrun_timeout}",
        found="that it had not ended",
        runbook=alert_routes.A_TASK_FAILED,
        link=_link(dag.dag_id, run_id),
    )
    _tell(alert, failed=(dag.dag_id, _scopes(dag.dag_id, run_id, context.get("dag_run"))))


def recover(context: Mapping[str, Any]) -> None:
    """Tell people that a cause has ended: the DAG has succeeded for all that had failed of it.

    Args:
        context: the context that Airflow gives to a DAG's `on_success_callback`.
    """
    dag_id, run_id = context["dag"].dag_id, context["run_id"]
    try:
        journal = _journal()
        scopes = _scopes(dag_id, run_id, context.get("dag_run"))
        ended = [each for scope in scopes for each in journal.ended(dag_id, scope)]
    except Exception:  # the run has succeeded, whatever S3 says of its alerts
        log.exception("could not look whether alerts of %s have ended", dag_id)
        return
    for each in ended:
        former = each.subject.partition(": ")[2]
        alert = Alert(
            Severity.INFO,
            each.cause,
            f"recovered: {former}",
            f"Recovered: {former}.\n\nIt began at {each.since}. {run_id} of {dag_id} has succeeded, and nothing else "
            "that failed of this cause is open. Nothing has to be done.",
            link=_link(dag_id, run_id),
        )
        # A note that is still there is told by the next run that succeeds.
        if _tell(alert, key=each.cause, recovery=True):
            _forget(journal, each)


def inform(subject: str, message: str) -> None:
    """Tell people news that needs no action.

    Args:
        subject: the news in a few words.
        message: the whole text; the same news is told once a day.
    """
    _tell(Alert(Severity.INFO, f"{subject}\n{message}", subject, message))


def warn(
    subject: str,
    message: str,
    *,
    runbook: str = alert_routes.A_TASK_FAILED,
    cause: str | None = None,
) -> bool:
    """Tell people what they must look at although no task failed. Return False if they could not be told.

    Args:
        subject: the news in a few words.
        message: the whole text: what was expected, what was found, what to do.
        runbook: anchor in docs/runbook.md.
        cause: what warnings have in common of which one a day is enough; by default subject and message.
    """
    expected, found = expected_and_found(message) or ("", "")
    alert = Alert(Severity.WARN, cause or f"{subject}\n{message}", subject, message, expected, found, runbook)
    return _tell(alert)


def retell() -> int:
    """Tell people of open causes that nobody told them of: a worker died before it could, or SNS refused.

    Older ones than _RETELL are left alone, since notes of what was told expire.

    Returns:
        How many causes people were told of.
    """
    retold = 0
    try:
        journal, now = _journal(), publication.now()
        for note in journal.all_open():
            since = dt.datetime.fromisoformat(note.since)
            if now - since > _RETELL:
                continue
            first = day_of(since)
            days = (first + dt.timedelta(days=n) for n in range((_today() - first).days + 1))
            if any(journal.was_told(note.cause, day) for day in days):
                continue
            severity, _, headline = note.subject.partition(": ")
            alert = Alert(
                Severity(severity),
                note.cause,
                headline,
                f"{headline}.\n\nIt failed at {note.since}, and has not succeeded since. You were not told then: the "
                "worker died, or SNS refused. The task's log has the rest.",
                runbook=note.runbook,
                link=note.link,
            )
            retold += _tell(alert, key=note.cause)
    except Exception:  # who asks has other things to do
        log.exception("could not look for alerts that nobody was told of")
    return retold


def describe(context: Mapping[str, Any]) -> tuple[str, str]:
    """Return subject and text of the alert for a failed task."""
    alert = _of_failure(context)
    return alert.subject, alert.message


def _of_failure(context: Mapping[str, Any]) -> Alert:
    task = context["ti"]
    error = context.get("exception")
    said = f"{type(error).__name__}: {error}" if isinstance(error, BaseException) else str(error or "no reason given")
    expected, found = expected_and_found(said) or (f"{task.task_id} to succeed", said.partition("\n")[0])
    return Alert(
        alert_routes.severity_of(task.task_id),
        # A message that says nothing of the cause is one cause for each task.
        cause_of(said, f"{task.dag_id} {task.task_id}") if error else f"{task.dag_id} {task.task_id}",
        f"{task.dag_id} {task.task_id} failed{_of(context)} in {task.run_id}",
        f"{said}\n\n"
        f"DAG {task.dag_id}, task {task.task_id}, run {task.run_id}, try {task.try_number}.\n"
        "The task's log has the rest; the DAG's page in the Airflow UI says what to do when it fails. Nobody is told "
        "again today of other tasks that fail of this cause.",
        expected,
        found,
        alert_routes.section_of(task.task_id, said.removeprefix("AirflowFailException: ")),
        _link(task.dag_id, task.run_id, task.task_id, getattr(task, "map_index", -1)),
    )


def _tell(
    alert: Alert,
    *,
    failed: tuple[str, list[str]] | None = None,
    key: str | None = None,
    recovery: bool = False,
) -> bool:
    """Tell people of an alert, unless they have been told today. Return False if it is not certain that they are told.

    Args:
        alert: the alert.
        failed: the DAG and the scopes that it leaves open until they succeed.
        key: key of the cause, by default the alert's.
        recovery: whether it tells the end of the cause.
    """
    journal, claim = None, None
    try:
        journal = _journal()
        if failed:
            for scope in failed[1]:
                journal.open(alert, failed[0], scope)
        today, cause = _today(), key or alert.key
        claim = journal.claim(cause, today, recovery=recovery)
        if claim is None:
            log.info("people have been told today of this cause, or another task tells them: %s", alert.subject)
            return journal.was_told(cause, today, recovery=recovery)
    except Exception:  # better told twice than never
        log.exception("could not look whether people have been told, so they are: %s", alert.subject)
    told = _publish(alert)
    if journal and claim:
        _note(journal, claim, told)
        if told and failed:
            _expect_end(journal, alert)
    return told


def _publish(alert: Alert) -> bool:
    """Return False if a topic is set and SNS failed."""
    try:
        topic = settings.read().alert_topic_arn
        if topic is None:
            log.info("B3_ALERT_TOPIC_ARN is not set, so nothing is published: %s", alert.subject)
            return True
        from airflow.providers.amazon.aws.hooks.sns import SnsHook

        hook = SnsHook(aws_conn_id=clients.CONNECTION, config=clients.over_connection(clients.brief()))
        hook.publish_to_target(target_arn=topic, subject=alert.subject, message=alert.message)
    except Exception:  # a failed alert must not hide the failure of the task
        log.exception("could not publish this alert: %s", alert.subject)
        return False
    log.info("people are told: %s", alert.subject)
    return True


def _note(journal: Journal, claim: Claim, told: bool) -> None:
    try:
        if told:
            journal.confirm(claim)
        else:
            journal.give_back(claim)
    except Exception:  # the alert may be told a second time
        log.exception("could not note in %s whether people were told", claim.key)


def _expect_end(journal: Journal, alert: Alert) -> None:
    """Let people be told of the end of a cause that they were told of after a former end on the same day."""
    try:
        journal.forget(alert.key, _today(), recovery=True)
    except Exception:  # its end is not told today
        log.exception("could not remove the note of a former end: %s", alert.subject)


def _forget(journal: Journal, ended: OpenAlert) -> None:
    """Close a cause. Should it fail again today, people are told again, and of its end as well."""
    try:
        journal.forget(ended.cause, _today())
        journal.close(ended)
    except Exception:  # the next run that succeeds closes it
        log.exception("could not close %s", ended.key)


def _today() -> dt.date:
    return publication.now().astimezone(SAO_PAULO).date()


def _journal() -> Journal:
    from b3.monitoring.journal import Journal

    s3 = clients.s3_client(clients.brief())
    return Journal(s3, settings.read().lake, publication.now())


def _scopes(dag_id: str, run_id: str, run: Any) -> list[str]:
    """Return what a run shares with those that end its failures: the session, its years, the run, or nothing."""
    if run is None:
        return ["any"]
    if run.run_type == "asset_triggered":
        return [run_id]
    if dag_id == "b3_history":
        # A run of wrong years fails, and has what `of_run` says of it.
        with contextlib.suppress(ValueError):
            return [str(year) for year in run_dates.years(run).years]
    if dag_id in _OF_A_DATE:
        return [of_run(run).removeprefix(" for ") or "any"]
    conf = run_dates.conf_of(run)
    return [" to ".join(str(conf[name]) for name in ("from", "to") if conf.get(name)) or "any"]


def _link(dag_id: str, run_id: str, task_id: str | None = None, map_index: int = -1) -> str:
    """Return the address of a run or a task in Airflow's UI; empty if Airflow does not know its own address."""
    from airflow.configuration import conf

    base = conf.get("api", "base_url", fallback="")
    if not base:
        return ""
    run = f"{base.rstrip('/')}/dags/{quote(dag_id, '')}/runs/{quote(run_id, '')}"
    if task_id is None:
        return run
    mapped = f"/mapped/{map_index}" if map_index >= 0 else ""
    return f"{run}/tasks/{quote(task_id, '')}{mapped}"


def _of(context: Mapping[str, Any]) -> str:
    run = context.get("dag_run")  # a DAG's callback has no run if none of its tasks began
    return of_run(run) if run is not None else ""


def of_run(run: Any) -> str:
    """Return a run's trade date or years, as ` for 2020-04-30`. The run's id has only the day it was due."""
    conf = run_dates.conf_of(run)
    day = conf.get("trade_date") or conf.get("year") or (run.logical_date and day_of(run.logical_date))
    first, last = conf.get("year"), conf.get("last_year")
    until = f" to {last}" if last is not None and str(last) != str(first) else ""
    return f" for {day}{until}" if day else ""
