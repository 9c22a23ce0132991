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
| `start` | starts the runs in order of trade date, each when the former has ended | runs of `b3_daily`, `b3_history` |
| `empty_inbox` | removes the files that have landed and whose runs are started | |

**Which runs.** A day is a run of `b3_daily`. A month is a run of `b3_daily` for each of its sessions. A year is a run
of `b3_history`. They take what landed and ask B3 nothing (`source: landing`). Both DAGs must be switched on: a run that
is started on a paused DAG waits, and this one with it. One run at a time is started, so that the nightly run of
`b3_daily` gets in between.

**Names.** B3's name says which days the file covers (`COTAHIST_D30042020`, `_M042020`, `_A2020`, `.ZIP` or `.TXT`), and
the records must agree. A file with any other name must be of one day: an extract must not replace a whole month or
year. For the same reason a month or a year must have every session of the file in `landing/`.

**The same file again** changes nothing: `landing/` holds its bytes already, and the ids of its runs are there already.
Bytes that `scrape` brought have no such run yet: it is started once, and finds the tables as they should be.
**Other bytes** of the same days are a correction: a new version in `landing/`, and new runs. A correction that loses
many records waits for a person, as in `b3_daily`.

**Waking.** The bucket tells EventBridge, which tells a queue, whose URL is in `B3_ARRIVALS_QUEUE_URL`. A message only
wakes the DAG: `land` lists `inbox/` itself. So a lost message costs an hour at most, and one that comes twice costs
nothing. Without a queue `inbox/` is listed every five minutes. One run always waits. To list `inbox/` at once, mark
its task `wait` as success. A run that is triggered by hand is queued until the waiting run has ended.

With `B3_ARRIVALS_WAIT=no` no run waits: something outside starts one when a file comes, such as the function of
`infra/arrivals.yaml`. `inbox/` is then listed by those runs alone.

**Running again** is always safe. A file leaves `inbox/` last, after its bytes are in `landing/` and its runs are
started. A run that is killed before that is done again by the next one, with the same result.

**When it fails.** Each message says what was expected and what was found. It goes to the alert topic, if one is set.

* An alert *inbox/… is rejected*, one for all files of a listing: the file is no COTAHIST file, or damaged, or of other
  days than its name says, or of a day on which B3 was closed or that is yet to come, or it lacks sessions of the one in
  `landing/`, or is older. No task has failed, and no table has changed. The bytes are in `landing/rejected/`, and
  `….reason.txt` beside them says what to do.
* An alert *the queue of inbox/ does not answer*: no task has failed. `inbox/` is listed every hour until the queue
  answers. See `B3_ARRIVALS_QUEUE_URL`, the rights on the queue, and the triggerer's log.
* `wait`: Airflow could not run it. `inbox/` is listed all the same.
* `land`: S3 fails. The files stay in `inbox/`. Clear the task.
* `start`: Airflow could not start a run, for instance because `b3_daily` does not import. The alert comes from
  `empty_inbox`, once. The files stay in `inbox/` and the next run tries again. Skipped means that the run was there
  before.
* `empty_inbox`: the message names each file that could not be landed, and says how many runs could not be started.
  These files stay in `inbox/`. The next run tries again within the hour, and fails again until the cause is mended or
  the file removed. For instance, an object in `landing/quotes/` that was put by hand says nothing of its origin: remove
  it.
* A started run fails: see `b3_daily` or `b3_history`. The file is in `landing/`; clear that run, not this one.
* The alarm on the queue `…-lost-arrival-events`: EventBridge could not deliver a message. The file is found within
  the hour. See the queue's policy.

**Settings**: `B3_LAKE_BUCKET`, `B3_ARRIVALS_QUEUE_URL`, `B3_ARRIVALS_WAIT`, `B3_ALERT_TOPIC_ARN`;
connections `aws_default` and `b3_default` (its label of the data alone).
"""

from __future__ import annotations

import datetime as dt

import pendulum
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, chain

from b3 import settings
from b3.airflow import task_docs, trigger_form
from b3.airflow.arrival_sensor import ArrivalSensor
from b3.airflow.dag_defaults import COMMON
from b3.airflow.tasks import arrivals

with DAG(
    dag_id="b3_arrivals",
    description="Files that others put into the lake's inbox/: check, land, start their runs",
    doc_md=__doc__,
    schedule="@continuous" if settings.arrivals_wait() else None,
    start_date=pendulum.datetime(2026, 1, 1),
    # The runs of a file are waited for. After a timeout the next run starts those that are missing.
    dagrun_timeout=dt.timedelta(days=7),
    params=trigger_form.arrivals(),
    user_defined_macros={"settings": settings.read},
    **COMMON,
) as dag:
    wait = ArrivalSensor(task_id="wait", sqs_queue="{{ settings().arrivals_queue_url or '' }}")
    landed = arrivals.land()
    start = TriggerDagRunOperator.partial(
        task_id="start",
        skip_when_already_exists=True,
        # One run at a time, in order of trade date: while runs are queued, Airflow makes no nightly run.
        max_active_tis_per_dag=1,
        # A run that fails has its own alert.
        allowed_states=["success", "failed"],
        failed_states=[],
        # Longer than any run that it waits for; its failure is told once, by empty_inbox.
        execution_timeout=dt.timedelta(hours=41),
        on_failure_callback=None,
        doc_md=task_docs.NOTES["start"].markdown(),
    ).expand_kwargs(landed)
    chain(wait, landed, start, arrivals.empty_inbox())

task_docs.describe(dag)
