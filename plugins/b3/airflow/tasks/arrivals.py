"""Tasks that take files from inbox/; the runs for them are started between the two."""

from __future__ import annotations

from typing import Any

from airflow.sdk import task

from b3 import settings
from b3.airflow import alerts, aws, summaries
from b3.airflow.dag_defaults import YEARS_TIMEOUT

LANDED = "landed"
# Airflow maps a task over 1,024 values at most (core.max_map_length). Files beyond it wait for the next run.
MOST_RUNS = 1000


# The inbox is listed also if waiting for a message failed.
@task(task_id="land", trigger_rule="all_done", max_active_tis_per_dag=1, execution_timeout=YEARS_TIMEOUT)
def land(ti: Any) -> list[dict[str, Any]]:
    """Bring each file of inbox/ to landing/, and return the runs to start, as TriggerDagRunOperator's arguments.

    A rejected file leaves inbox/ here, once its bytes and the reason are kept and people are told. XCom `landed` lists
    key and ETag of the others.
    """
    from b3.arrivals import inbox, landing, runs
    from b3.lake.commit import Overtaken
    from b3.site.hook import B3Hook

    s3, lake = aws.s3_client(), settings.read().lake
    b3 = B3Hook()
    b3.get_conn()  # which asks nothing, and reads the connection
    wanted: dict[str, runs.Run] = {}
    landed, rejected = [], []
    for arrival in inbox.waiting(s3, lake):
        try:
            outcome = landing.land(s3, lake, arrival, b3.source)
        except Overtaken as overtaken:
            print(f"{overtaken}: what replaced it comes with the next run")
            continue
        if isinstance(outcome, landing.Rejected):
            alerts.warn(f"{arrival.key} is rejected", _told(lake.uri(arrival.key), outcome))
            inbox.remove(s3, lake, arrival.key, arrival.etag)
            rejected.append(outcome.uri)
            continue
        of_file = {run.run_id: run for run in runs.of_file(outcome)}
        if len(wanted | of_file) > MOST_RUNS:
            break
        wanted |= of_file
        landed.append([arrival.key, arrival.etag])
    ti.xcom_push(LANDED, landed)
    summaries.tell(ti, f"{len(landed)} files landed, {len(rejected)} rejected; {len(wanted)} runs to start")
    return [{"trigger_dag_id": run.dag_id, "trigger_run_id": run.run_id, "conf": run.conf} for run in wanted.values()]


def _told(uri: str, rejected: Any) -> str:
    return (
        f"{rejected.reason}\n\n"
        f"The file came to {uri}. Its bytes are in {rejected.uri}, the reason is beside them. No table has changed.\n"
        "See whether it is the file that was meant, and put the right one into inbox/."
    )


# A run that was there before is skipped, which is fine; a run that could not be started keeps its file in inbox/.
@task(task_id="empty_inbox", trigger_rule="none_failed")
def empty_inbox(ti: Any) -> None:
    """Remove the files from inbox/ whose bytes are in landing/ and whose runs are started."""
    from b3.arrivals import inbox

    landed = ti.xcom_pull(task_ids="land", key=LANDED) or []
    s3, lake = (aws.s3_client(), settings.read().lake) if landed else (None, None)
    for key, etag in landed:
        inbox.remove(s3, lake, key, etag)  # type: ignore[arg-type]
    summaries.tell(ti, f"{len(landed)} files have left inbox/")
