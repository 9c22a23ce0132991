"""
### Verify the whole lake against what landed

```text
compare
```

B3 serves much of what is in `landing/` only once, and everything else is made from it. Every Sunday at six in São
Paulo, this DAG reads the whole lake and compares:

| what | with |
|---|---|
| bytes in `landing/` | the sha256 in their metadata; a delete marker over a landed file is told |
| raw quotes, every row | the file in `landing/` that was fetched last, read again by `upload`'s reader |
| raw portfolios and sectors, every row | their files in `landing/` |
| refined quotes and findings | their metadata: sha256, rows, ETag of the raw object; rows and volume of raw |
| refined constituents | their metadata: sha256, rows, `generation` of the raw objects; tickers of the portfolio |
| partitions in the catalog | objects, both ways, and where they point |
| objects and partitions | the names of the lake's layout |

Nothing is written. A worker holds a few sessions in memory. The files of a year are unpacked on its disk one by one.

**Which sessions.** All of them, or `from` and `to` of the trigger form. Answers in `landing/received/` and
`landing/rejected/` belong to no session and are read only with the whole lake.

Run it while no other DAG writes: what is uploaded and not refined yet is a difference.

**When it fails.** The first line says how many differences there are, and of which kinds. It goes to the alert topic,
if one is set. Each further line is one difference: kind, URI, expected, found, and what mends it. The log has them all.

* *LakeDiffers*: Airflow does not try again. `make rebuild FROM=D TO=D` on a machine is `b3_daily` with that trade date
  on AWS. Then clear the task.
* Any other error is AWS's: a permission is missing, or a service does not answer. Nothing is known about the lake.

`make verify` does the same on a laptop.

**Settings**: `B3_LAKE_BUCKET`, `B3_GLUE_DATABASE`, `B3_ALERT_TOPIC_ARN`; connection `aws_default`.
"""

from __future__ import annotations

import datetime as dt

import pendulum
from airflow.sdk import DAG
from airflow.timetables.trigger import CronTriggerTimetable

from b3.airflow import task_docs, trigger_form
from b3.airflow.dag_defaults import COMMON
from b3.airflow.tasks.verify import compare

with DAG(
    dag_id="b3_verify",
    description="Compare the whole lake with what landed",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("0 6 * * 0", timezone="America/Sao_Paulo"),
    start_date=pendulum.datetime(2026, 1, 4, tz="America/Sao_Paulo"),
    dagrun_timeout=dt.timedelta(hours=4),
    params=trigger_form.verify(),
    **COMMON,
) as dag:
    compare()

task_docs.describe(dag)
