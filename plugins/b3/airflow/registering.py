"""Register partitions in the tasks that write them, unless crawlers do (setting B3_REGISTER).

A crawl is billed as ten minutes; a call that registers a hundred partitions costs next to nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from b3 import settings
from b3.airflow import aws, glue_arguments, run_dates


def written(table: str, uris: Iterable[str]) -> None:
    """Register the partitions of objects that a task has written to a raw table, unless crawlers do.

    Raises:
        RuntimeError: Glue refused one.
    """
    if not settings.read().crawls:
        always(table, uris)


def always(table: str, uris: Iterable[str]) -> None:
    """Register the partitions of objects that a task has written, whoever registers those of other tables.

    An hourly DAG does so: an hourly crawl would be billed as ten minutes, 730 times a month.

    Raises:
        RuntimeError: Glue refused one.
    """
    from b3.lake import partitions

    chosen = settings.read()
    keys = map(chosen.lake.key, uris)
    new = partitions.register(aws.glue_client(), chosen.glue_database, chosen.lake, table, keys)
    print(f"{table}: {new} new partitions registered")


def refined_session(context: Any) -> int:
    """Register what lies in refined/ for a run's session; return how many partitions are new.

    Raises:
        RuntimeError: Glue refused one.
    """
    return _refined([run_dates.trade_date(context["dag_run"])])


def refined_years(context: Any) -> int:
    """Register what lies in refined/ for the sessions that `upload` wrote; return how many partitions are new.

    Raises:
        RuntimeError: Glue refused one.
    """
    return _refined(glue_arguments.dates_of(context["ti"].xcom_pull(task_ids="upload")))


def _refined(sessions: list[dt.date]) -> int:
    from b3.lake import partitions

    chosen, glue = settings.read(), aws.glue_client()
    return partitions.register_refined(glue, aws.s3_client(), chosen.glue_database, chosen.lake, sessions)
