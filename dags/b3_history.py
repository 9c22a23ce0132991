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
from airflow.sdk import DAG, Param, TaskGroup, chain, task
from airflow.timetables.interval import CronDataIntervalTimetable

from b3 import accepted, alerts, aws, period, settings
from b3.telling import summary

SQL = Path(__file__).parent / "include" / "sql"
# Those of tables that a year's file does not fill.
NOT_OF_QUOTES = ("index_", "sectors_")


def sessions_of(uploaded: dict) -> str:
    """Return the sessions that were uploaded, as the Glue job takes them."""
    return aws.sessions_argument(_dates(uploaded))


def session_before(uploaded: dict) -> dt.date:
    """Return the session before the first that was uploaded."""
    from b3 import known_sessions

    return known_sessions.previous_session(aws.S3OnDemand(), settings.read().lake, _dates(uploaded)[0])


def _dates(uploaded: dict) -> list[dt.date]:
    return [dt.date.fromisoformat(partition["trade_date"]) for partition in uploaded["partitions"]]


@task(max_active_tis_per_dag=1)
def scrape(dag_run) -> dict:
    """Bring B3's file of the year to landing/."""
    from dataclasses import asdict

    from b3 import landing
    from b3.hook import B3Hook

    return asdict(
        landing.capture_year(B3Hook(), aws.s3_client(), settings.read().lake, period.of_year(dag_run).first.year)
    )


@task(max_active_tis_per_dag=1)
def upload(landed: dict, dag_run) -> dict:
    """Write the raw partitions of all sessions from the landed file."""
    from dataclasses import asdict

    from b3 import raw
    from b3.landing import LandedFile

    return asdict(raw.write_year(aws.s3_client(), settings.read().lake, LandedFile(**landed), accepted.of_run(dag_run)))


with DAG(
    dag_id="b3_history",
    description="B3's historical quotes of a year: capture, refine, validate",
    doc_md=__doc__,
    schedule=CronDataIntervalTimetable("0 0 1 1 *", "America/Sao_Paulo"),
    # In UTC: a run for 1986 may have midnight of either zone as its logical date, and before this no task would start.
    start_date=pendulum.datetime(1986, 1, 1),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=dt.timedelta(hours=12),
    default_args={"owner": "market-data", "on_failure_callback": alerts.publish},
    on_failure_callback=alerts.publish_timeout,
    params={
        "year": Param(None, type=["null", "integer"], minimum=1986, title="Year", description="1986 or later"),
        **{name: Param(False, type="boolean", **text) for name, text in accepted.FORM.items()},
    },
    tags=["b3", "market-data"],
    template_searchpath=[str(SQL)],
    user_defined_macros={
        "settings": settings.read,
        "period": period.of_uploaded_year,
        "sessions_of": sessions_of,
        "session_before": session_before,
    },
    render_template_as_native_obj=False,
):
    uploaded = upload(scrape())
    crawl_raw = aws.crawl("crawl_raw", "{{ settings().raw_crawler }}")
    refine = aws.refine(
        {
            "--sessions": "{{ sessions_of(ti.xcom_pull(task_ids='upload')) }}",
            "--previous_session": "{{ session_before(ti.xcom_pull(task_ids='upload')) }}",
            "--source": "{{ settings().lake.all_raw_quotes }}",
            "--target": "{{ settings().lake.all_refined_quotes }}",
            "--findings": "{{ settings().lake.all_findings }}",
        }
    )
    crawl_refined = aws.crawl("crawl_refined", "{{ settings().refined_crawler }}")
    with TaskGroup("validate") as validate:
        for name in aws.statements(SQL / "validate"):
            if not name.startswith(NOT_OF_QUOTES):
                aws.athena("validate", name)
    chain(uploaded, crawl_raw, refine, crawl_refined, validate, summary())
