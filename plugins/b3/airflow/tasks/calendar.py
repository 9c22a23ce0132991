"""The task that compares B3's trading holidays with the calendar."""

from __future__ import annotations

from typing import Any

from airflow.sdk import task

from b3.airflow import run_source, summaries
from b3.airflow.skipping import skip


@task
def calendar_agrees(dag_run: Any, ti: Any) -> None:
    """Fail if B3 announces other trading holidays than the calendar has; skip if B3 does not answer."""
    from b3.calendar import holidays
    from b3.errors import NotPublished, TransientError
    from b3.site.hook import B3Hook

    if run_source.from_landing(dag_run):
        raise skip("this run asks nothing of B3", ti)
    try:
        holidays.check(B3Hook())
    except (NotPublished, TransientError) as reason:
        raise skip(reason, ti) from reason
    summaries.tell(ti, "B3's page of trading holidays has the closed days of the calendar")
