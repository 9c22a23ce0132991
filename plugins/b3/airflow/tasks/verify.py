"""The task of b3_verify."""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any

from airflow.sdk import task

from b3 import settings
from b3.airflow import aws, run_dates
from b3.airflow.failing import for_good
from b3.airflow.skipping import skip

log = logging.getLogger(__name__)


@task(execution_timeout=dt.timedelta(hours=3))
def compare(dag_run: Any, ti: Any) -> str:
    """Compare the lake with what landed, and fail with the list of differences; skip if the lake is empty."""
    from b3.verify.differences import LakeDiffers
    from b3.verify.inventory import Days
    from b3.verify.lake import NothingToVerify, verify

    conf = run_dates.conf_of(dag_run)
    chosen = settings.read()
    days = Days.of(conf.get("from") or "", conf.get("to") or "")
    try:
        report = verify(aws.s3_client(), aws.glue_client(), chosen.lake, chosen.glue_database, days)
    except NothingToVerify as reason:
        raise skip(reason, ti) from reason
    for line in report.lines():
        log.error(line)
    if report.differences:
        error = LakeDiffers(report)
        raise for_good(error) from error
    return f"{report.verdict()} in {report.compared()}"
