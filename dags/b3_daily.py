"""
### B3's market data of one session, from the exchange to tables that are ready to query

    scrape ─────────▶ upload ─────────┬─▶ crawl_raw ─▶ refine ─▶ crawl_refined ─┬▶ quotes_ready ──▶ validate ─▶ summary
    indexes.scrape ─▶ indexes.upload ─┤                                         ├▶ indexes_ready ─▶ validate
      ├▶ indexes.complete             │                                         ├▶ sectors_ready ─▶ validate
      └▶ sectors.scrape ─▶ sectors.upload ┘                                     └▶ views
    calendar_agrees

| task | does | leaves |
|---|---|---|
| `scrape` | downloads the session's COTAHIST file from B3, checks it to its last record | `landing/quotes/` |
| `upload` | parses it to typed Parquet; holds back what waits for a person | `raw/quotes/trade_date=…/` |
| `indexes.*` | the same for the portfolios of the indexes in `B3_INDEXES` | `landing/index/`, `raw/index_portfolio/` |
| `sectors.*` | the same for the sector classification, when it changed | `landing/sectors/`, `raw/sectors/` |
| `crawl_raw` | lets Glue register the partitions | tables `raw_quotes`, `raw_index_portfolio`, `raw_sectors` |
| `refine` | runs the Glue Spark job | `refined/quotes/`, `refined/findings/`, `refined/index_stocks/` |
| `crawl_refined` | lets Glue register the partitions | tables `quotes`, `findings`, `index_stocks` |
| `quotes_ready`, … | let a data set's checks begin, once its raw rows were written and its tables are registered | |
| `validate.*` | one Athena query per file of `include/sql/validate/`, failing with a sentence and figures | |
| `summary` | tells what was odd in the quotes, in its log, its XCom and an alert marked info | |
| `views.*` | one Athena view per file of `include/sql/views/`, replaced | `sector_summary`, `stock_ranking` |
| `calendar_agrees` | compares B3's page of trading holidays with the calendar that runs go by | |

**Which session.** There is one run per session of B3 and none on closed days. Its logical date is the session's, at
midnight UTC, and it starts at 22:30 São Paulo time (`B3_PUBLISHED_AT`), after B3 publishes. A run triggered by hand
takes `trade_date` from the trigger form (or its conf); left empty, it is for the day of its logical date: midnight UTC
names that day, any other instant is read in São Paulo. For a closed day it fails, and names the sessions around it.

**Before 2000** the calendar has sessions that B3 did not hold, as 1990-03-14, and lacks a Saturday of 1986, which a run
by hand alone takes. B3's file of the year decides, once it is in `landing/`; without it B3 is asked for any day but a
Sunday. The session before a run's own comes from that file too, and without it from the calendar: run `b3_history`
first. A scheduled or backfilled run for a day that turns out closed is skipped.

**Late files.** Where B3 has not published yet (a 404, an empty answer or a web page) or fails to answer, `scrape` asks
again every ten minutes and holds no slot meanwhile; its XCom `answers` says what B3 answered so far. At noon of the day
after the session it fails for good, with each answer and its time. Older sessions are not waited for.

**Portfolios** belong to the session that B3 names in them, not to the day of the call, and B3 serves only the current
one. What is captured lands under its own session; a run for which there is none skips `indexes.*` and with them
`sectors.*`, says why, and its quotes go on. The sector classification carries no date: it is taken only while B3's
portfolios are the session's. So a backfill of old dates has quotes and no invented portfolios. When `indexes.*` or
`sectors.*` fail, the quotes go on as well, and the run fails in the end: by `indexes.complete`, or by the checks that
need what is missing.

**Odd rows** are published as B3 wrote them: each is a row of `findings`, and a run with findings is green. Two things
wait for a person: a flood, where more than half of the rows break one rule, and a correction that loses more than a
tenth of the records. `upload` fails then, with both counts, and readers keep the former quotes. `accept_flood` and
`accept_loss` in the trigger form publish them.

**Backfills.** `airflow backfill create --dag-id b3_daily --from-date 2020-04-27 --to-date 2020-05-05` makes the six
sessions of these days, both ends included; `trade_date` of its conf is not used.

**Running again** is always safe. Every task rewrites its own partition and nothing else: the same source gives the
same bytes, and readers see the old partition or the new one. `scrape` asks B3 again; when B3 no longer serves the
file (404), the copy in `landing/` is used, or the file of the month or the year. Where `landing/` has the session in
several of these, the one whose bytes came last is used: a daily file that B3 corrected, or the year's that `b3_history`
brought since. A daily file that B3 serves as it ever was does not undo the year's; one that is fetched for the first
time is the last. Runs of a backfill take turns at the crawlers, one at a time, and at the Glue job, two; Airflow before
3.3 does not count deferred tasks, and needs `--max-active-runs 1` for that.

**When it fails.** Each message says what was expected and what was found; it goes to the alert topic, if one is set.

* `scrape`, *DeadlineOver*: B3 did not publish by noon of the day after. *NotServed*: it no longer serves the file, or
  the session is yet to come. Clear the task once B3 has the file. *ClosedDay*: there was no session; a scheduled or
  backfilled run is skipped instead.
* Any scrape, *Truncated*, *NotB3Data*, *BadLayout*, *WrongDate*, *NoRecords* or *Unreadable*: B3 sent something else.
  The bytes are in `landing/rejected/`, nothing downstream changed. Clear the task later; `indexes.*` and `sectors.*`
  the same day.
* `indexes.complete`: an index or endpoint is missing or bad, and the others of the day are there. The bytes are in
  `landing/rejected/`. Clear `indexes.scrape` the same day.
* `upload`, *Flood* or *RecordsLost*: compare the newest version of the file in `landing/` with the former one, whose
  quotes readers see (on a local lake, `make diff` does). If B3 is right, trigger the DAG again for that date with
  `accept_flood` or `accept_loss`.
* `refine`: the job run's log group is `/aws-glue/jobs/<job>/error`; readers still see the former partition.
* `validate.*`: the tables already show the new partition; treat the trade date as suspect until the check passes.
  `…_partition_is_there` right after a green crawl: where the crawlers go by S3 events, the event came later than the
  crawl. Clear the crawl and what follows.
* `calendar_agrees`: B3 announces another holiday than the calendar knows. The data is right; the message says what to
  upgrade, and which days would be skipped or asked for in vain.

**Settings**: `B3_LAKE_BUCKET`, `B3_GLUE_DATABASE`, `B3_RAW_CRAWLER`, `B3_REFINED_CRAWLER`, `B3_GLUE_JOB`,
`B3_ATHENA_WORKGROUP`, `B3_INDEXES`, `B3_ALERT_TOPIC_ARN`, `B3_PUBLISHED_AT`, `B3_PUBLICATION_DEADLINE_HOURS`;
connections `aws_default` and `b3_default`.
How often a task is tried again is Airflow's own setting `core.default_task_retries`, but for crawls (ten times) and
queries (once).
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pendulum
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, TaskGroup, chain

from b3 import settings
from b3.airflow import aws, glue_arguments, trigger_form
from b3.airflow.dag_defaults import COMMON
from b3.airflow.operators import CaptureQuotesOperator
from b3.airflow.tasks import calendar, indexes, quotes, sectors
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
):
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
    crawl_refined = aws.crawl("crawl_refined", "{{ settings().refined_crawler }}", trigger_rule="all_done")
    # A check runs only if what it checks was written.
    ready = {data_set: EmptyOperator(task_id=f"{data_set}_ready") for data_set in ("quotes", "indexes", "sectors")}
    with TaskGroup("validate") as validate:
        for data_set, gate in ready.items():
            gate >> aws.checks(SQL, data_set)
    views = aws.views(SQL)
    calendar.calendar_agrees()

    chain(scrape, upload, [crawl_raw, refine])
    captured >> landed
    [upload_indexes, upload_sectors] >> crawl_raw
    chain(crawl_raw, refine, crawl_refined, [*ready.values(), views])
    upload >> ready["quotes"]
    [upload_indexes, refine] >> ready["indexes"]
    upload_sectors >> ready["sectors"]
    # A failed refine fails the run even if all that it should have written was there before.
    [refine, validate] >> summary()
