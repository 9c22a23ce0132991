"""
### B3's market data of one session, from the exchange to tables that are ready to query

```text
scrape ─────────▶ upload ─────────┬─▶ crawl_raw ─▶ refine ─▶ crawl_refined ─┬▶ quotes_ready ──▶ validate ─┬▶ report
indexes.scrape ─▶ indexes.upload ─┤                                         ├▶ indexes_ready ─▶ validate ─┼▶ summary
  ├▶ indexes.complete             │                                         ├▶ sectors_ready ─▶ validate ─┘
  └▶ sectors.scrape               │                                         └▶ views
       └▶ sectors.upload ─────────┘
calendar_agrees
```

| task | does | leaves |
|---|---|---|
| `scrape` | downloads the session's COTAHIST file from B3 and checks every record | `landing/quotes/` |
| `upload` | writes its records as typed Parquet; stops at a flood and at lost records | `raw/quotes/trade_date=…/` |
| `indexes.*` | do the same for the portfolios of `B3_INDEXES` | `landing/index/`, `raw/index_portfolio/` |
| `sectors.*` | do the same for the sector classification, if it changed | `landing/sectors/`, `raw/sectors/` |
| `crawl_raw` | lets Glue register the partitions | tables `raw_quotes`, `raw_index_portfolio`, `raw_sectors` |
| `refine` | runs the Glue Spark job | `refined/quotes/`, `refined/findings/`, `refined/index_stocks/` |
| `crawl_refined` | lets Glue register the partitions | tables `quotes`, `findings`, `index_stocks` |
| `raw_registered`, `refined_registered` | end once the partitions are in the catalog, whoever registered them | |
| `quotes_ready`, … | start a data set's checks, once its raw rows are written and its tables are registered | |
| `validate.*` | run one Athena query per file of `include/sql/validate/`; a violated one fails with its figures | |
| `report` | writes a page on the session: figures, charts, checks that failed | `reports/trade_date=…/` |
| `summary` | lists what is odd in the quotes: in log, XCom, and an alert marked info; records the run | `run_metrics` |
| `views.*` | replace one Athena view per file of `include/sql/views/` | `sector_summary`, `stock_ranking` |
| `calendar_agrees` | compares B3's page of trading holidays with the calendar that runs use | |

**Which session.** There is one run per session of B3, and none on closed days. The logical date is midnight UTC of the
trade date. The run starts at 22:30 São Paulo time (`B3_PUBLISHED_AT`), after B3 publishes. A run triggered by hand
takes `trade_date` from the trigger form (or its conf). If that is empty, the trade date is the day of the logical date:
midnight UTC names that day, any other instant is read in São Paulo. On a closed day the run fails, and names the
sessions around it.

**Before 2000** the calendar has days on which B3 held no session, such as 1990-03-14. It also lacks a session, on a
Saturday of 1986: only a run by hand takes it. B3's file of the year decides, once it is in `landing/`. Without that
file, `scrape` asks B3 for any day but a Sunday. The previous session comes from the same file, or else from the
calendar: so run `b3_history` first. A scheduled or backfilled run for a day that turns out closed is skipped.

**Late files.** B3 may not have published yet (it answers 404, nothing, or a web page), or may fail to answer. Then
`scrape` asks again every ten minutes. It holds no slot meanwhile. Its XCom `answers` lists what B3 answered so far. At
noon of the day after the session it fails for good, with each answer and its time. It does not wait for older sessions.

**Portfolios.** B3 serves only the current portfolio of an index. The portfolio names its session, which may not be the
day of the call, and lands under that session. A run whose trade date has no portfolios skips `indexes.*` and
`sectors.*`, and says why; its quotes go on. The sector classification has no date: it is fetched only while B3's
portfolios are those of the trade date. So a backfill of old dates has quotes and no invented portfolios. If `indexes.*`
or `sectors.*` fail, the quotes go on as well. The run fails at its end: in `indexes.complete`, or in the checks whose
rows are missing.

**Odd rows** are published as B3 wrote them. Each is a row of `findings`, and a run with findings is green. Two cases
wait for a person: a flood (more than half of the rows break one rule), and a correction that loses more than a tenth of
the records. Then `upload` fails with both counts, and readers keep the former quotes. To publish the new ones, set
`accept_flood` or `accept_loss` in the trigger form.

**Backfills.** `airflow backfill create --dag-id b3_daily --from-date 2020-04-27 --to-date 2020-05-05` makes the six
sessions of these days, both ends included. `trade_date` in its conf is not used.

**Running again** is always safe. Every task rewrites its own partition and nothing else: the same source gives the
same bytes, and readers see the old partition or the new one. `scrape` asks B3 again. When B3 no longer serves the file
(404), a file in `landing/` is used: the daily one, or that of the month or the year. If several files in `landing/`
hold the session, `upload` reads the one that was fetched last, by the time when its bytes first came. That is a daily
file that B3 corrected, or a year's file that `b3_history` brought later. A daily file that did not change does not
replace the year's; a daily file that is fetched for the first time does. Runs of a backfill take turns: one at a time
at the crawlers, two at the Glue job. Airflow before 3.3 does not count deferred tasks: add `--max-active-runs 1`.

**From landing/.** With `source: landing` in the trigger form, nothing is asked of B3: every task takes what has landed.
So tables can be written again, and what has landed is used while B3 is out of reach.

**When it fails.** Each message says what was expected and what was found. It goes to the alert topic, if one is set.

* `scrape`, *DeadlineOver*: B3 did not publish by noon of the day after. *NotServed*: B3 no longer serves the file, or
  the session is yet to come. Clear the task once B3 has the file. *ClosedDay*: there was no session. (A scheduled or
  backfilled run is skipped instead.)
* Any scrape, *Truncated*, *NotB3Data*, *BadLayout*, *WrongDate*, *NoRecords* or *Unreadable*: B3 sent something else.
  The bytes are in `landing/rejected/`, and nothing downstream changed. Clear the task later; `indexes.*` and
  `sectors.*` on the same day.
* `indexes.complete`: an answer for an index is missing or bad; the others of the day have landed. A bad answer is in
  `landing/rejected/`. Clear `indexes.scrape` on the same day.
* `upload`, *Flood* or *RecordsLost*: compare the newest version of the file in `landing/` with the former one, whose
  quotes readers see (on a local lake, with `make diff`). If B3 is right, trigger the DAG again for that date with
  `accept_flood` or `accept_loss`.
* `refine`: what the job printed is in the log group `/aws-glue/jobs/<job>/output`, Spark's own log in `…/error`.
  Readers still see the former partition.
* `report`: the tables are as they should be; only the page is missing. It can wait. Clear the task.
* `validate.*`: the tables already show the new partition. Treat the trade date as suspect until the check passes. If
  `…_partition_is_there` fails right after a green crawl, and the crawlers use S3 events, the event came after the
  crawl. Clear the crawl and the tasks after it.
* `calendar_agrees`: B3 announces other holidays than the calendar has. The data is right. The message says what to
  upgrade, which sessions would be skipped, and which closed days would be asked for in vain.

**Without crawls.** AWS bills a crawl as ten minutes, and two of them are nearly all that a session costs. With
`B3_REGISTER=tasks` each task registers the partitions that it writes, and the crawls are skipped. The tables are the
same.

**Settings**: `B3_LAKE_BUCKET`, `B3_GLUE_DATABASE`, `B3_RAW_CRAWLER`, `B3_REFINED_CRAWLER`, `B3_GLUE_JOB`,
`B3_ATHENA_WORKGROUP`, `B3_INDEXES`, `B3_ALERT_TOPIC_ARN`, `B3_PUBLISHED_AT`, `B3_PUBLICATION_DEADLINE_HOURS`,
`B3_REGISTER`;
connections `aws_default` and `b3_default`.
Airflow's setting `core.default_task_retries` says how often a task is tried again, except crawls (ten times) and
queries (once).
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pendulum
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, TaskGroup, chain

from b3 import settings
from b3.airflow import aws, glue_arguments, registering, task_docs, trigger_form
from b3.airflow.dag_defaults import COMMON
from b3.airflow.operators import CaptureQuotesOperator
from b3.airflow.tasks import calendar, indexes, quotes, sectors
from b3.airflow.tasks.report import report
from b3.airflow.tasks.summary import summary
from b3.calendar.timetable import SessionTimetable

SQL = Path(__file__).parent / "include" / "sql"

with DAG(
    dag_id="b3_daily",
    description="B3's market data of one session: capture, refine, validate",
    doc_md=__doc__,
    schedule=SessionTimetable(settings.published_at()),
    start_date=pendulum.datetime(1986, 1, 2),
    # A run may wait for B3 from its session's midnight until noon of the next day, see b3.calendar.publication.
    dagrun_timeout=dt.timedelta(hours=40),
    params=trigger_form.daily(),
    template_searchpath=[str(SQL)],
    user_defined_macros=glue_arguments.DAILY_MACROS,
    **COMMON,
) as dag:
    scrape = CaptureQuotesOperator(task_id="scrape", deadline_hours="{{ settings().publication_deadline_hours }}")
    upload = quotes.upload()
    with TaskGroup("indexes"):
        captured = indexes.scrape()
        upload_indexes = indexes.upload(captured)
        indexes.complete(captured)
    with TaskGroup("sectors"):
        landed = sectors.scrape()
        upload_sectors = sectors.upload(landed)
    # Whatever arrived is registered: quotes do not wait for what B3 failed to send beside them.
    crawl_raw = aws.crawl("crawl_raw", "{{ settings().raw_crawler }}", trigger_rule="all_done")
    refine = aws.refine(glue_arguments.ONE_SESSION)
    # Whatever was refined is registered: a bad portfolio does not hide the day's quotes.
    crawl_refined = aws.crawl(
        "crawl_refined",
        "{{ settings().refined_crawler }}",
        trigger_rule="all_done",
        register=registering.refined_session,
    )
    raw_registered, refined_registered = aws.registered("raw_registered"), aws.registered("refined_registered")
    # A check runs only if what it checks was written.
    ready = {data_set: EmptyOperator(task_id=f"{data_set}_ready") for data_set in ("quotes", "indexes", "sectors")}
    with TaskGroup("validate") as validate:
        for data_set, gate in ready.items():
            gate >> aws.checks(SQL, data_set)
    views = aws.views(SQL)
    calendar.calendar_agrees()

    chain(scrape, upload, [crawl_raw, refine])
    crawl_raw >> raw_registered >> refine >> crawl_refined >> refined_registered
    captured >> landed
    [upload_indexes, upload_sectors] >> crawl_raw
    refined_registered >> [*ready.values(), views]
    upload >> ready["quotes"]
    [upload_indexes, refine] >> ready["indexes"]
    upload_sectors >> ready["sectors"]
    validate >> report(SQL, "{{ trade_date(dag_run) }}")
    # A failed refine fails the run even if all that it should have written was there before.
    [refine, validate] >> summary()

task_docs.describe(dag)
