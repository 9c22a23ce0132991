"""
### Check that B3's addresses still answer as the parsers expect

```text
examine
```

B3 moves and changes its addresses without notice. Every Saturday at noon in São Paulo, this DAG asks each address that
`b3_daily` and `b3_history` use. It compares the answer with what the parser expects. So a change is known before the
next session, and not after its portfolios are lost.

| address | what must hold |
|---|---|
| `COTAHIST_D….ZIP` of the last session | the whole file: ZIP, header, every record of that session, trailer |
| `COTAHIST_M….ZIP`, `COTAHIST_A….ZIP` | the beginning alone: ZIP, header, first records and their dates |
| `GetPortfolioDay` of each index | all pages: fields, numbers in pt-br, totals, a session near today |
| `GetTheoricalPortfolio` | the same, without a session |
| `GetQuartelyPreview` | the same, or no rows: B3 has no preview at times |
| sector workbook | sheet, headings, companies |
| page of trading holidays | readable, with the closed days of the calendar that runs use |

Requests follow each other after half a second. A fault that may pass is asked for once more at the end. Nothing is
written to the lake. The run looks at the present, whatever its logical date.

The log has the table. XCom `addresses` has it as JSON, also if the run failed.

**When it fails.** The first line of the message names the fault. It goes to the alert topic, if one is set.

* *AddressesDiffer*: the table names each address that differs, with expected, found and what to do. Airflow does not
  try again. If B3 moved an address, correct `b3.site.addresses`. If B3 changed an answer, correct the parser that the
  advice names. Until then `b3_daily` refuses that answer, and keeps its bytes in `landing/rejected/`.
* *OutOfReach*: no address answers. The cause is more often the network than B3. Clear the task later.
* A 403, a 5xx or a web page in place of data may come from B3's firewall or its weekend maintenance. Clear the task on
  Monday, and trust that run.

`make doctor` does the same on a laptop, and checks the machine as well.

**Settings**: `B3_INDEXES`, `B3_ALERT_TOPIC_ARN`; connection `b3_default`.
"""

from __future__ import annotations

import datetime as dt

import pendulum
from airflow.sdk import DAG
from airflow.timetables.trigger import CronTriggerTimetable

from b3.airflow import task_docs
from b3.airflow.dag_defaults import COMMON
from b3.airflow.tasks.doctor import examine

with DAG(
    dag_id="b3_doctor",
    description="Check that B3's addresses still answer as the parsers expect",
    doc_md=__doc__,
    schedule=CronTriggerTimetable("0 12 * * 6", timezone="America/Sao_Paulo"),
    start_date=pendulum.datetime(2026, 1, 3, tz="America/Sao_Paulo"),
    dagrun_timeout=dt.timedelta(hours=2),
    **COMMON,
) as dag:
    examine()

task_docs.describe(dag)
