"""
### Files that others put into the lake's inbox/

```text
wait ─▶ land ─▶ start ─▶ empty_inbox
```

A person or another system puts a COTAHIST file into `inbox/` of the lake's bucket: of a day, a month or a year, as ZIP
or as text. This DAG checks it, lands it, and starts the runs that bring it to the tables.

| task | does | leaves |
|---|---|---|
| `wait` | waits without a slot for a message that something came, an hour at most | |
| `land` | lists `inbox/`, checks every record of each file | `landing/quotes/`, or `landing/rejected/` and a reason |
| `start` | starts the runs, one after the other, in order of trade date | runs of `b3_daily` and `b3_history` |
| `empty_inbox` | removes the files that have landed and whose runs are started | |

**Which runs.** A day is a run of `b3_daily`. A month is a run of `b3_daily` for each of its sessions. A year is a run
of `b3_history`. They take what landed and ask B3 nothing (`source: landing`). Both DAGs must be switched on: a run that
is started on a paused DAG waits.

**Names.** B3's name says which days the file covers (`COTAHIST_D30042020`, `_M042020`, `_A2020`, `.ZIP` or `.TXT`), and
the records must agree. A file with any other name covers the shortest of day, month and year that has its records.

**The same file again** changes nothing: `landing/` holds its bytes already, and the ids of its runs are there already.
**Other bytes** of the same days are a correction: a new version in `landing/`, and new runs. A correction that loses
many records waits for a person, as in `b3_daily`.

**Waking.** The bucket tells EventBridge, which tells a queue, whose URL is in `B3_ARRIVALS_QUEUE_URL`. A message only
wakes the DAG: `land` lists `inbox/` itself. So a lost message costs an hour at most, and one that comes twice costs
nothing. Without a queue `inbox/` is listed every five minutes. There is always one run, which waits. A run triggered by
hand does not wait; clear `wait`, or mark it as success, to make the waiting run list at once.

**Running again** is always safe. A file leaves `inbox/` last, after its bytes are in `landing/` and its runs are
started. A run that is killed before that is done again by the next one, with the same result.

**When it fails.** Each message says what was expected and what was found. It goes to the alert topic, if one is set.

* An alert *inbox/… is rejected*: the file is no COTAHIST file, or damaged, or of other days than its name says, or of a
  day on which B3 was closed, or older than the one in `landing/`. No task has failed, and no table has changed. The
  bytes are in `landing/rejected/`, and `….reason.txt` beside them says what to do.
* `wait`: the queue does not answer. A retry does not wait, and `inbox/` is listed all the same. See
  `B3_ARRIVALS_QUEUE_URL` and the rights.
* `land`: S3 fails, or the worker lacks disk or memory. The files stay in `inbox/`. Clear the task.
* `start`: Airflow could not start a run, for instance because `b3_daily` does not import. The files stay in `inbox/`
  and the next run tries again. Skipped means that the run was there before.
* A started run fails: see `b3_daily` or `b3_history`. The file is in `landing/`; clear that run, not this one.
* The alarm on the queue `…-lost-arrival-events`: EventBridge could not deliver a message. The file is found within
  the hour. See the queue's policy.

**Settings**: `B3_LAKE_BUCKET`, `B3_ARRIVALS_QUEUE_URL`, `B3_ALERT_TOPIC_ARN`; connections `aws_default` and
`b3_default` (its label of the data alone).
"""

from __future__ import annotations

import datetime as dt

import pendulum
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, chain

from b3 import settings
from b3.airflow import task_docs
from b3.airflow.arrival_sensor import ArrivalSensor
from b3.airflow.dag_defaults import COMMON
from b3.airflow.tasks import arrivals

with DAG(
    dag_id="b3_arrivals",
    description="Files that others put into the lake's inbox/: check, land, start their runs",
    doc_md=__doc__,
    schedule="@continuous",
    start_date=pendulum.datetime(2026, 1, 1),
    dagrun_timeout=dt.timedelta(hours=12),
    user_defined_macros={"settings": settings.read},
    **COMMON,
) as dag:
    wait = ArrivalSensor(task_id="wait", sqs_queue="{{ settings().arrivals_queue_url or '' }}")
    landed = arrivals.land()
    start = TriggerDagRunOperator.partial(
        task_id="start",
        skip_when_already_exists=True,
        # In order of trade date.
        max_active_tis_per_dag=1,
        doc_md=task_docs.NOTES["start"].markdown(),
    ).expand_kwargs(landed)
    chain(wait, landed, start, arrivals.empty_inbox())

task_docs.describe(dag)
