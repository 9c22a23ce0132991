"""
### B3's historical quotes of a whole year, in one pass

```text
scrape ─▶ upload ─▶ crawl_raw ─▶ refine ─▶ crawl_refined ─▶ validate.* ─▶ report, summary
```

| task | does | leaves |
|---|---|---|
| `scrape` | downloads the year's COTAHIST file and checks every record | `landing/quotes/COTAHIST_A….ZIP` |
| `upload` | splits it by session, a few sessions in memory at a time | `raw/quotes/trade_date=…/`, one per session |
| `crawl_raw` | lets Glue register the partitions | table `raw_quotes` |
| `refine` | runs the Glue Spark job once for all sessions | `refined/quotes/…`, `refined/findings/…`, one per session |
| `crawl_refined` | lets Glue register the partitions | tables `quotes`, `findings` |
| `validate.*` | run the checks of `b3_daily` on quotes, one query each over the year; `index_stocks` must agree | |
| `report` | writes a page on the year's last session | `reports/trade_date=…/` |
| `summary` | lists what is odd in the quotes: in log, XCom, and an alert marked info; records the run | `run_metrics` |

The partitions are byte for byte those that `b3_daily` writes. Partitions that are already right are left alone.

Before 2000 the calendar is not sure. The file says which days were sessions, and `b3_daily` follows it once it is in
`landing/`. Partitions that `b3_daily` wrote before that may have another `previous_session`; `refine` writes them anew.
The previous session of a year's first one is in the file of the year before: so run these years in order. `b3_daily`
cannot use the sessions of a file that was put into `landing/` by hand: delete it, and run `scrape`.

**Which year.** The year is `year` of the run's conf if given, else that of the logical date. B3 has files from 1986 on.
A scheduled run takes the year that has just ended, and so picks up what B3 corrected in it. The file of the current
year ends about one session ago, and the checks end with it. A copy in `landing/` that has the year's last session is
not fetched again: delete it to ask B3 once more.

**Several years.** `last_year` in the trigger form makes one run of several years: Spark, the crawls and the checks
start once. A year is about 0.1 to 0.3 million rows up to 2010, and millions from 2020 on: up to 8 small years are a
good size. `airflow backfill create --dag-id b3_history --from-date 2020-01-01 --to-date 2024-01-01` makes the
runs of 2020 to 2023. `year` in its conf is not used. One year at a time is fetched, and one is split, so a small worker
is enough. `--max-active-runs 1` finishes each year before the next. If a run is killed, run it again: it goes on with
the copy in `landing/` and writes what is missing. A session whose daily file was fetched after the year's is written
from the daily file.

**From landing/.** With `source: landing` in the trigger form, B3 is not asked: the year's file in `landing/` is used.

**When it fails.** As `b3_daily`, and

* `upload`, *CalendarDiffers*: the file lacks a session, or has one on a day that is closed in the calendar. Nothing
  of that year was written. The message names the days, and what to do.
* `upload`, *RecordsLost*: the file lacks sessions that a file of this name had before, or many records of one.
  *Flood*: most rows of a session break one rule. Nothing of that year was written. To publish the file, set
  `accept_loss` or `accept_flood` in the trigger form. No refusal is tried again.
* `upload` of a run of several years: the message says if years before the refused one are in `raw/` already. Trigger
  the same years again, so that they are refined as well.
* `validate.quotes_agree_with_index_stocks`: the file corrected sessions for which `b3_daily` had made constituents.
  `quotes` is right; `index_stocks` and its views have the former volumes. Run `b3_daily` again, from `scrape` on, for
  each date in the message: it takes the same file, and makes both anew. Then clear the check.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pendulum
from airflow.sdk import DAG, chain
from airflow.timetables.interval import CronDataIntervalTimetable

from b3.airflow import aws, glue_arguments, registering, task_docs, trigger_form
from b3.airflow.dag_defaults import COMMON
from b3.airflow.tasks import quotes
from b3.airflow.tasks.report import report
from b3.airflow.tasks.summary import summary

SQL = Path(__file__).parent / "include" / "sql"

with DAG(
    dag_id="b3_history",
    description="B3's historical quotes of a year: capture, refine, validate",
    doc_md=__doc__,
    schedule=CronDataIntervalTimetable("0 0 1 1 *", "America/Sao_Paulo"),
    # In UTC: a run for 1986 may have midnight of either zone as its logical date, and before this no task would start.
    start_date=pendulum.datetime(1986, 1, 1),
    dagrun_timeout=dt.timedelta(hours=12),
    params=trigger_form.history(),
    template_searchpath=[str(SQL)],
    user_defined_macros=glue_arguments.HISTORY_MACROS,
    **COMMON,
) as dag:
    scrape, upload = quotes.scrape_years(), quotes.upload_years()
    crawl_raw = aws.crawl("crawl_raw", "{{ settings().raw_crawler }}")
    refine = aws.refine(glue_arguments.YEARS)
    crawl_refined = aws.crawl("crawl_refined", "{{ settings().refined_crawler }}", register=registering.refined_years)
    raw_registered, refined_registered = aws.registered("raw_registered"), aws.registered("refined_registered")
    validate = aws.checks(SQL, "quotes", group_id="validate")
    chain(scrape, upload, crawl_raw, raw_registered, refine, crawl_refined, refined_registered, validate, summary())
    validate >> report(SQL, "{{ last_session(ti.xcom_pull(task_ids='upload')) }}")

task_docs.describe(dag)
