"""
### Sums of the index portfolios by the visual Glue job, checked against those of `b3_daily`

```text
transform ─▶ validate
```

| task | does | leaves |
|---|---|---|
| `transform` | runs the Glue job whose nodes are in `include/glue/visual/` | table `visual_index_stocks` |
| `validate.*` | compares the table with `index_stocks`, to the cent | |

The job is one that Glue Studio shows and edits as a picture, see docs/visual.md. `b3_daily` does not need it: nothing
reads its table but the check.

**Which session.** A run starts when `b3_daily` has announced new constituents (asset `b3_index_stocks`). It takes the
trade date of the event that started it. Runs do not wait for each other: Airflow would hand a run that waited only the
first of several events, and keep the others until the next session. The job itself runs twice at a time.

The first run after a pause gets all events since the last run. It takes the newest 10 sessions; the log of `transform`
names the others. A run by hand takes `trade_date` from the trigger form. If that is empty, the trade date is the day of
the logical date.

**Running again** is always safe. The job replaces the partitions of its sessions and nothing else: the same raw rows
give the same bytes, and what is no longer wanted goes. The job adds its partitions to the catalog itself; no crawler
looks at them.

**When it fails.** The message goes to the alert topic, if one is set. The lake's other tables are not concerned.

* `transform`, *MissingSource*: the date has no raw quotes or no portfolio. Run `b3_daily` for it; dates of backfills
  have no portfolio.
* `transform`, *BadPartition*: a ticker of the raw portfolio is missing, or has a character that a folder's name may not
  have. Compare with B3's portfolio in `landing/`.
* `transform`, *SchemaMismatch*: the nodes and a table differ in their columns. Somebody changed one of them.
* `transform`, another error: what the job printed is in the log group of the job `refine`,
  `/aws-glue/jobs/<job>/output`, Spark's own log in `…/error`.
* `validate.*`: the two tables differ. `index_stocks` is the one to trust. If somebody saved the job in Glue Studio,
  its script is another one now: deploy again, then clear `transform`.

**Settings**: `B3_LAKE_BUCKET`, `B3_GLUE_DATABASE`, `B3_ATHENA_WORKGROUP`, `B3_ALERT_TOPIC_ARN`; connection
`aws_default`.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pendulum
from airflow.sdk import DAG

from b3 import settings
from b3.airflow import aws, event_sessions, task_docs, trigger_form
from b3.airflow.dag_defaults import COMMON

SQL = Path(__file__).parent / "include" / "sql"

with DAG(
    dag_id="b3_visual",
    description="The visual Glue job after each session with portfolios, and a check of its sums",
    doc_md=__doc__,
    schedule=event_sessions.INDEX_STOCKS,
    start_date=pendulum.datetime(1986, 1, 2),
    dagrun_timeout=dt.timedelta(hours=12),
    params=trigger_form.visual(),
    template_searchpath=[str(SQL)],
    user_defined_macros={"settings": settings.read, "period": event_sessions.of_run},
    # Not one run at a time, as the other DAGs: events that find a run busy wait. Airflow starts the next run at the
    # time of the first that waits, with the events until then, and forgets that others wait.
    **(COMMON | {"max_active_runs": 16}),
) as dag:
    aws.transform() >> aws.checks(SQL, "visual", group_id="validate")

task_docs.describe(dag)
