"""Tasks that take files from inbox/; the runs for them are started between the two."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import task

from b3 import settings
from b3.airflow import alerts, aws, failing, lineage, summaries
from b3.airflow.dag_defaults import YEARS_TIMEOUT
from b3.errors import printable

if TYPE_CHECKING:
    from b3.arrivals.landing import Rejected
    from b3.lake.layout import Lake

log = logging.getLogger(__name__)

LANDED = "landed"
# What could not be landed; the file is still in inbox/.
FAILED = "failed"
# The alert on several files has the reasons of these. SNS takes 256 KB.
_MOST_TOLD = 20
# Airflow maps a task over 1,024 values at most (core.max_map_length). Files beyond it wait for the next run.
MOST_RUNS = 1000


# The inbox is listed also if waiting for a message failed.
@task(task_id="land", trigger_rule="all_done", max_active_tis_per_dag=1, execution_timeout=YEARS_TIMEOUT)
def land(ti: Any, dag_run: Any) -> list[dict[str, Any]]:
    """Bring each file of inbox/ to landing/, and return the runs to start, as TriggerDagRunOperator's arguments.

    The runs are in order of trade date. A rejected file leaves inbox/ here, once its bytes and the reason are kept and
    people are told. XCom `landed` lists key and ETag of the others. A file that fails stays in inbox/ and stops no
    other: XCom `failed` says why, and `empty_inbox` fails for it.
    """
    from b3.airflow import run_starter
    from b3.arrivals import inbox, landing, runs
    from b3.lake import layout
    from b3.lake.commit import Overtaken
    from b3.site.hook import B3Hook

    s3, lake = aws.s3_client(), settings.read().lake
    b3 = B3Hook()
    b3.get_conn()  # which asks nothing, and reads the connection
    wanted: dict[str, runs.Run] = {}
    landed: list[list[str]] = []
    uris: list[str] = []
    rejected: list[landing.Rejected] = []
    failed: list[str] = []
    for arrival in inbox.waiting(s3, lake):
        try:
            outcome = landing.land(s3, lake, arrival, b3.source)
        except Overtaken as overtaken:
            print(f"{overtaken}: what replaced it comes with the next run")
            continue
        except Exception as error:
            log.exception("%s did not land", lake.uri(arrival.key))
            failed.append(printable(f"{arrival.key}: {type(error).__name__}: {error}"))
            continue
        if isinstance(outcome, landing.Rejected):
            rejected.append(outcome)
            continue
        of_file = {run.run_id: run for run in runs.of_file(outcome)}
        if len(wanted | of_file) > MOST_RUNS:
            break
        wanted |= of_file
        landed.append([arrival.key, arrival.etag])
        uris.append(outcome.uri)
    # What nobody is told of stays, and is rejected again by the next run.
    if rejected and _tell(lake, rejected):
        for each in rejected:
            inbox.remove(s3, lake, each.arrival.key, each.arrival.etag)
    ti.xcom_push(LANDED, landed)
    ti.xcom_push(FAILED, failed)
    lineage.record(ti, read=[lake.uri(layout.INBOX_PREFIX)], written=uris)
    summaries.tell(
        ti,
        f"{len(landed)} files landed, {len(rejected)} rejected, {len(failed)} failed; {len(wanted)} runs to start",
    )
    waiting = run_starter.waiting(dag_run)
    return [
        {"trigger_dag_id": run.dag_id, "trigger_run_id": run.run_id, "conf": run.conf, **waiting}
        for run in sorted(wanted.values(), key=lambda run: run.first)
    ]


def _tell(lake: Lake, rejected: Sequence[Rejected]) -> bool:
    """Publish one alert on all rejected files; return whether nobody failed to be told."""
    first, more = rejected[0].arrival.key, len(rejected) - 1
    told = [
        f"{each.reason}\n\nThe file came to {lake.uri(each.arrival.key)}. Its bytes are in {each.uri}, the reason is "
        "beside them."
        for each in rejected[:_MOST_TOLD]
    ]
    if len(rejected) > _MOST_TOLD:
        told.append(f"{len(rejected) - _MOST_TOLD} more: the log of the task `land` has them.")
    subject = f"{first} is rejected" if not more else f"{first} and {more} more are rejected"
    text = "\n\n".join(map(printable, [*told, "No table has changed."]))
    return alerts.warn(subject, text, runbook="a-file-in-inbox")


@task(task_id="empty_inbox", trigger_rule="all_done")
def empty_inbox(ti: Any) -> None:
    """Remove the files from inbox/ whose bytes are in landing/ and whose runs are started.

    A run that was there before is skipped, which is fine.

    Raises:
        AirflowFailException: a file did not land, or a run could not be started. It is the one alert about them. Or
            `wait` or `land` failed, so that the run does not end green; their own alerts tell people.
    """
    from b3.arrivals import inbox

    landed = ti.xcom_pull(task_ids="land", key=LANDED) or []
    failed = ti.xcom_pull(task_ids="land", key=FAILED) or []
    not_started = _not_started(ti) if landed else 0
    # A run that could not be started keeps the files in inbox/: it is not known of which file it is.
    leaving = [] if not_started else landed
    s3, lake = (aws.s3_client(), settings.read().lake) if leaving else (None, None)
    for key, etag in leaving:
        inbox.remove(s3, lake, key, etag)  # type: ignore[arg-type]
    summaries.tell(ti, f"{len(leaving)} files have left inbox/")
    problems = list(failed)
    if not_started:
        problems.append(f"{not_started} runs could not be started: see whether b3_daily and b3_history import")
    if not problems and (broken := _failed(ti)):
        raise failing.for_good(alerts.ToldBefore(f"expected wait and land to succeed, found that {broken} failed"))
    if problems:
        raise failing.for_good(RuntimeError("files stay in inbox/ until the next run: " + "; ".join(problems)))


def _failed(ti: Any) -> str:
    """Return which of `wait` and `land` failed in this run, in words; empty for none."""
    failed = []
    for name in ("wait", "land"):
        states = ti.get_task_states(dag_id=ti.dag_id, task_ids=[name], run_ids=[ti.run_id])
        found = [str(getattr(state, "value", state)) for tasks in states.values() for state in tasks.values()]
        if {"failed", "upstream_failed"} & set(found):
            failed.append(name)
    return " and ".join(failed)


def _not_started(ti: Any) -> int:
    """Return how many tasks `start` of this run failed."""
    states = ti.get_task_states(dag_id=ti.dag_id, task_ids=["start"], run_ids=[ti.run_id])
    found = [str(getattr(state, "value", state)) for tasks in states.values() for state in tasks.values()]
    return len([state for state in found if state not in ("success", "skipped")])
