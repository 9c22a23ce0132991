"""Airflow's scheduler, which has read what tasks import before it forks for them: `python -m local.lake.ui_scheduler`.

LocalExecutor forks the scheduler at its start, and forks again for each task. Whatever the scheduler has imported by
then, no task imports once more. Here it is Airflow's and other projects' code alone: a task reads this repository's
DAGs and plugins anew, so an edit of them holds for the next task. The timetable, and what it imports, Airflow itself
reads at its start: an edit of these needs another start.
"""

from __future__ import annotations

import importlib
import sys

READ_BY_TASKS = (
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "airflow.providers.amazon.aws.hooks.s3",
    "airflow.providers.amazon.aws.hooks.sns",
    "airflow.providers.amazon.aws.operators.athena",
    "airflow.providers.amazon.aws.operators.glue",
    "airflow.providers.amazon.aws.operators.glue_crawler",
    "airflow.providers.amazon.aws.sensors.sqs",
    "airflow.providers.openlineage.plugins.listener",
    "boto3",
    "bs4",
    "exchange_calendars",
    "pyarrow.parquet",
)


def main() -> None:
    """Serve until a signal."""
    for name in READ_BY_TASKS:
        importlib.import_module(name)
    from airflow.__main__ import main as airflow

    sys.argv = ["airflow", "scheduler", "--skip-serve-logs"]
    airflow()


if __name__ == "__main__":
    main()
