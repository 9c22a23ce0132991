"""What all DAGs of the lake have in common."""

from __future__ import annotations

from typing import Any

from b3.airflow import alerts

COMMON: dict[str, Any] = {
    "catchup": False,
    "max_active_runs": 1,
    "default_args": {"owner": "market-data", "on_failure_callback": alerts.publish},
    "on_failure_callback": alerts.publish_timeout,
    "tags": ["b3", "market-data"],
}
