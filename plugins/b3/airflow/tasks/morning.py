"""The task of b3_morning."""

from __future__ import annotations

import datetime as dt
from typing import Any

from airflow.sdk import task

from b3 import settings
from b3.airflow import alerts, aws, run_metrics, summaries
from b3.airflow.failing import for_good
from b3.airflow.skipping import skip
from b3.calendar import publication


@task(execution_timeout=dt.timedelta(minutes=10))
def session_is_there(ti: Any) -> int:
    """Return how many sessions the lake is behind, and fail if it is any. The number is a metric of CloudWatch as well.

    Before that, people are told of failures whose workers died before they told them.

    Raises:
        AirflowFailException: SessionMissing.
        AirflowSkipException: no run has brought anything yet.
    """
    from b3.monitoring import freshness

    alerts.retell()
    lake, s3, now = settings.read().lake, aws.s3_client(), publication.now()
    if not freshness.has_begun(s3, lake):
        # Its absence would be an alarm.
        _put(0)
        raise skip("no run of b3_daily has brought a session to this lake yet", ti)
    last = freshness.due(now)
    behind, good = freshness.sessions_behind(s3, lake, last)
    _put(behind)
    if behind:
        newest = f"that {good} is the last such session" if good else f"none of the last {freshness.MOST} sessions"
        if good == last:
            newest = f"it, but {behind} of the {freshness.MOST} sessions up to it missing; run_metrics has the others"
        error = freshness.SessionMissing(
            f"expected session {last} in the lake with its checks passed, found {newest}. See the run of b3_daily for "
            f"{last}."
        )
        raise for_good(error) from error
    summaries.tell(ti, f"{last}, the session before today, is there and its checks have passed")
    return behind


def _put(behind: int) -> None:
    run_metrics.to_cloudwatch([{"MetricName": "sessions_behind", "Value": behind, "Unit": "Count", "Dimensions": {}}])
