"""The task of b3_doctor."""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import asdict
from typing import Any

from airflow.sdk import task

from b3 import settings
from b3.airflow.failing import without_retry

log = logging.getLogger(__name__)


# Less than the dagrun_timeout of b3_doctor, so that the task says itself what it waited for.
@task(execution_timeout=dt.timedelta(minutes=100))
def examine(ti: Any) -> str:
    """Ask each of B3's addresses, and fail if an answer is not as its parser expects."""
    from b3.calendar import publication
    from b3.doctor import checkup, diagnosis
    from b3.site.hook import B3Hook

    diagnoses = checkup.examine(B3Hook(), settings.read().indexes, publication.now())
    ti.xcom_push("addresses", [asdict(each) for each in diagnoses])
    for line in diagnosis.table(diagnoses, checkup.HEADING).splitlines():
        log.info(line)
    with without_retry(checkup.AddressesDiffer):
        return checkup.judge(diagnoses)
