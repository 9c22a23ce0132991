"""
### B3's historical quotes of a whole year, in one pass

    scrape ─▶ upload ─▶ crawl_raw ─▶ refine ─▶ crawl_refined ─▶ validate.* ─▶ summary

| task | does | leaves |
|---|---|---|
| `scrape` | downloads the COTAHIST file of the year, checks it to its last record | `landing/quotes/COTAHIST_A….ZIP` |
| `upload` | takes it apart by session, in the memory of a few | `raw/quotes/trade_date=…/`, one for each |
| `crawl_raw` | lets Glue register the partitions | table `raw_quotes` |
| `refine` | runs the Glue Spark job once for all sessions | `refined/quotes/…`, `refined/findings/…`, one for each |
| `crawl_refined` | lets Glue register the partitions | tables `quotes`, `findings` |
| `validate.*` | the checks of `b3_daily` on quotes, each one query over the year; and whether `index_stocks` agrees | |
| `summary` | tells what was odd in the quotes of the year, in its log, its XCom and an alert marked info | |

The partitions are those that `b3_daily` writes, byte for byte; what is there already is left alone. Before 2000 the
calendar is not sure: the file says which days were sessions, and `b3_daily` goes by it once it is in `landing/`. What
`b3_daily` wrote without it may have another `previous_session`; `refine` writes it anew. The session before the first
of a year is in the file of the year before: run these years in order. A file that was put into `landing/` by hand says
nothing to `b3_daily`: delete it, and run `scrape`.

**Which year.** `year` of the run's conf where given, else that of the logical date. B3 has files from 1986 on. A
scheduled run takes the year that has just ended, and so picks up what B3 corrected in it. In the current year the file
ends a session or so ago, and so do the checks. A copy in `landing/` with the year's last session is not fetched again:
delete it to ask B3 once more.

**Several years**: `airflow backfill create --dag-id b3_history --from-date 2020-01-01 --to-date 2024-01-01` makes the
runs of 2020 to 2023; `year` of its conf is not used. One year at a time is fetched and one taken apart, so that a small
worker does; `--max-active-runs 1` finishes each before the next. A year is complete or can be run again: killed
anywhere, it goes on with the copy in `landing/` and writes what is missing. Sessions whose daily file came after the
year's are written from that.

**When it fails**: as `b3_daily`, and

* `upload`, *CalendarDiffers*: the file lacks a session, or has one on a day that the calendar has as closed. Nothing
  was written; the message says which, and what to do.
* `upload`, *RecordsLost*: the file lacks sessions that a file of this name had, or many records of one. *Flood*: most
  rows of a session break one rule. Nothing was written; `accept_loss` or `accept_flood` in the trigger form publishes
  it.
* `validate.quotes_agree_with_index_stocks`: the file corrected sessions whose constituents `b3_daily` had made.
  `quotes` is right; `index_stocks` and its views have the former volumes. Run `b3_daily` again, from `scrape` on, for
  each date in the message: it takes the same file, and makes both anew. Then clear the check.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pendulum
from airflow.sdk import DAG, chain
from airflow.timetables.interval import CronDataIntervalTimetable

from b3.airflow import aws, glue_arguments, trigger_form
from b3.airflow.dag_defaults import COMMON
from b3.airflow.tasks import quotes
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
):
    scrape, upload = quotes.scrape_year(), quotes.upload_year()
    crawl_raw = aws.crawl("crawl_raw", "{{ settings().raw_crawler }}")
    refine = aws.refine(glue_arguments.ONE_YEAR)
    crawl_refined = aws.crawl("crawl_refined", "{{ settings().refined_crawler }}")
    validate = aws.checks(SQL, "quotes", group_id="validate")
    chain(scrape, upload, crawl_raw, refine, crawl_refined, validate, summary())
