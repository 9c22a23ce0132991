"""Arguments that all DAGs of the lake share. How often a task is tried again says infra/mwaa.yaml, TaskRetries."""

from __future__ import annotations

import datetime as dt
from typing import Any

from b3 import settings
from b3.airflow import alerts

# Airflow ends a task that works for longer. The time while a task is deferred does not count. A request to B3 takes at
# most five tries of `total_timeout`, see `b3.site.hook`.
TASK_TIMEOUT = dt.timedelta(hours=2)
# Of a task that fetches or splits the files of several years.
YEARS_TIMEOUT = dt.timedelta(hours=6)
# How long a task waits for a crawl of another run: as long as one takes that lists decades.
CRAWL_WAIT = dt.timedelta(minutes=25)
# Of a query: more than Athena's own limit for one.
QUERY_TIMEOUT = dt.timedelta(minutes=40)

COMMON: dict[str, Any] = {
    "catchup": False,
    "max_active_runs": 1,
    "default_args": {
        "owner": "market-data",
        "on_failure_callback": alerts.publish,
        "execution_timeout": TASK_TIMEOUT,
    },
    "on_failure_callback": alerts.publish_timeout,
    "on_success_callback": alerts.recover,
    "tags": ["b3", "market-data", *settings.tags()],
}
