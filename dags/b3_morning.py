"""
### Page before B3 opens if the last session is not in the lake

```text
session_is_there
```

Every morning at eight in São Paulo, two hours before B3 opens, this DAG looks whether the session before today is in
the lake, and whether its checks have passed: then a run has left a row of it in `run_metrics`. On closed days it looks
for the same session again. So nothing is late at a weekend or at carnival.

It finds what no task of `b3_daily` can tell: a run that was never started, that still waits for B3, or whose worker
died. It costs a few requests to S3, and puts the metric `sessions_behind` to CloudWatch. The alarm of `infra/mwaa.yaml`
also rings if that metric does not come, as when Airflow itself is down.

**When it fails.** The message goes to the alert topic, if one is set.

* *SessionMissing*: the message names the session, and the last good one. Look at the run of `b3_daily` for that
  session. If there is none, trigger the DAG with `trade_date`. Then clear the task: people are told that all is well.
* Any other error is AWS's. Clear the task.

A lake to which no run has brought anything yet is skipped.

**Settings**: `B3_LAKE_BUCKET`, `B3_ALERT_TOPIC_ARN`; connection `aws_default`.
"""

from __future__ import annotations

import datetime as dt

import pendulum
from airflow.sdk import DAG
from airflow.timetables.trigger import CronTriggerTimetable

from b3.airflow import task_docs
from b3.airflow.dag_defaults import COMMON
from b3.airflow.tasks.morning import session_is_there

with DAG(
    dag_id="b3_morning",
    description="Page before B3 opens if the last session is not in the lake",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("0 8 * * *", timezone="America/Sao_Paulo"),
    start_date=pendulum.datetime(2026, 1, 2, tz="America/Sao_Paulo"),
    dagrun_timeout=dt.timedelta(hours=1),
    **COMMON,
) as dag:
    session_is_there()

task_docs.describe(dag)
