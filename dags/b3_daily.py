"""
### B3's market data of one session, from the exchange to tables that are ready to query

    scrape ─▶ upload ─▶ crawl_raw ─▶ refine ─▶ crawl_refined ─▶ validate.*

| task | does | leaves |
|---|---|---|
| `scrape` | downloads the session's COTAHIST file from B3, checks it to its last record | `landing/quotes/` |
| `upload` | parses it to typed Parquet | `raw/quotes/trade_date=…/` |
| `crawl_raw` | lets Glue register the partition | table `raw_quotes` |
| `refine` | runs the Glue Spark job | `refined/quotes/trade_date=…/` |
| `crawl_refined` | lets Glue register the partition | table `quotes` |
| `validate.*` | one Athena query per file of `include/sql/validate/`, failing with a sentence and figures | |

**Which session.** A run's trade date is `trade_date` of its conf where given, else the day of its logical date
(midnight UTC names that day; any other instant is read in São Paulo). Scheduled runs start at 22:30 São Paulo
time, after B3 publishes; on a weekday without a session they skip. A manual run for such a day fails and names the
sessions around it.

**Backfills** take São Paulo's time, as the schedule does, whose 22:30 is the next day in UTC:
`airflow backfill create --dag-id b3_daily --from-date 2020-04-27T00:00-03:00 --to-date 2020-04-30T23:00-03:00`
makes the four sessions. Backfilled runs skip days without a session.

**Running again** is always safe. Every task rewrites its own partition with one PUT and nothing else: the same
source gives the same bytes, and readers see the old partition or the new one. `scrape` asks B3 again; when B3 no
longer serves the file (404), the copy in `landing/` is used. Runs of a backfill take turns at the crawlers, one at a
time, and at the Glue job, two.

**When it fails.** Each message says what was expected and what was found.

* `scrape`, *NotPublished*: B3 has not published yet, or no longer serves the daily file. Before 23:00, clear the task
  later.
* `scrape`, *Truncated*, *NotB3Data*, *BadLayout* or *WrongDate*: B3 sent something else. The bytes are in
  `landing/rejected/`, nothing downstream changed. Clear the task later.
* `refine`: the job run's log group is `/aws-glue/jobs/error`; readers still see the former partition.
* `validate.*`: the tables already show the new partition; treat the trade date as suspect until the check passes.

**Settings**: `B3_LAKE_BUCKET`, `B3_GLUE_DATABASE`, `B3_GLUE_JOB`, `B3_ATHENA_WORKGROUP`; connections `aws_default` and
`b3_default`. How often a task is tried again is Airflow's own setting `core.default_task_retries`.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pendulum
from airflow.providers.amazon.aws.operators.athena import AthenaOperator
from airflow.providers.amazon.aws.operators.glue import GlueJobOperator
from airflow.providers.amazon.aws.operators.glue_crawler import GlueCrawlerOperator
from airflow.sdk import DAG, TaskGroup, chain, task

from b3 import runs, settings

CONNECTION = "aws_default"
SQL = Path(__file__).parent / "include" / "sql"
CHECKS = sorted(path.stem for path in (SQL / "validate").glob("*.sql"))
if not CHECKS:
    raise FileNotFoundError(f"expected checks in {SQL / 'validate'}, found none: deploy include/ inside the DAG folder")


def previous_session(dag_run) -> dt.date:
    """The session before a run's own."""
    from b3 import sessions

    return sessions.previous_session(runs.trade_date(dag_run))


@task
def scrape(dag_run) -> dict:
    """Bring B3's file of the session to landing/."""
    from dataclasses import asdict

    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    try:
        from airflow.sdk.exceptions import AirflowSkipException
    except ImportError:  # Airflow 3.0
        from airflow.exceptions import AirflowSkipException

    from b3 import landing
    from b3.errors import ClosedDay
    from b3.hook import B3Hook

    trade_date = runs.trade_date(dag_run)
    try:
        landing.check_session(trade_date)
    except ClosedDay as closed:
        if dag_run.run_type == "manual":
            raise
        raise AirflowSkipException(str(closed)) from closed
    s3 = S3Hook(aws_conn_id=CONNECTION).get_conn()
    return asdict(landing.capture_quotes(B3Hook(), s3, settings.read().lake, trade_date))


@task
def upload(landed: dict, dag_run) -> dict:
    """Write the raw partition from the landed file."""
    from dataclasses import asdict

    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    from b3 import raw
    from b3.landing import LandedFile

    s3 = S3Hook(aws_conn_id=CONNECTION).get_conn()
    return asdict(raw.write_quotes(s3, settings.read().lake, LandedFile(**landed), runs.trade_date(dag_run)))


def crawl(task_id: str, crawler: str) -> GlueCrawlerOperator:
    """Run a crawler; it belongs to the stack, so only its name is given, and nothing of it is changed."""
    return GlueCrawlerOperator(
        task_id=task_id,
        config={"Name": crawler},
        aws_conn_id=CONNECTION,
        deferrable=True,
        poll_interval=1,
        execution_timeout=dt.timedelta(minutes=30),
        # A crawl that ends at once may be marked failed: github.com/apache/airflow/issues/67287, 72716.
        retries=2,
        retry_delay=dt.timedelta(seconds=5),
        # Backfills have a limit of runs of their own, and a crawler cannot run twice at once.
        max_active_tis_per_dag=1,
    )


def check(name: str) -> AthenaOperator:
    """Run the check of that name; a violated one is a failed query.

    Not deferrable: a check takes a second or two, less than the second start that deferring costs.
    """
    return AthenaOperator(
        task_id=name,
        query=f"validate/{name}.sql",
        database="{{ settings().glue_database }}",
        workgroup="{{ settings().athena_workgroup }}",
        aws_conn_id=CONNECTION,
        deferrable=False,
        sleep_time=0.25,
        max_polling_attempts=2400,
        retries=0,
    )


with DAG(
    dag_id="b3_daily",
    description="B3's market data of one session: capture, refine, validate",
    doc_md=__doc__,
    schedule="30 22 * * 1-5",
    start_date=pendulum.datetime(1986, 1, 2, tz="America/Sao_Paulo"),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=dt.timedelta(hours=6),
    default_args={"owner": "market-data"},
    tags=["b3", "market-data"],
    template_searchpath=[str(SQL)],
    user_defined_macros={
        "settings": settings.read,
        "trade_date": runs.trade_date,
        "previous_session": previous_session,
    },
    render_template_as_native_obj=False,
):
    landed = scrape()
    uploaded = upload(landed)
    crawl_raw = crawl("crawl_raw", "{{ settings().raw_crawler }}")
    refine = GlueJobOperator(
        task_id="refine",
        job_name="{{ settings().glue_job }}",
        script_args={
            "--trade_date": "{{ trade_date(dag_run) }}",
            "--previous_session": "{{ previous_session(dag_run) }}",
            "--source": "{{ settings().lake.raw_quotes(trade_date(dag_run)) }}",
            "--target": "{{ settings().lake.refined_quotes(trade_date(dag_run)) }}",
            "--staging": "{{ settings().lake.refine_staging(trade_date(dag_run)) }}",
        },
        aws_conn_id=CONNECTION,
        deferrable=True,
        verbose=False,
        waiter_delay=2,
        waiter_max_attempts=1800,
        update_config=False,
        max_active_tis_per_dag=2,
    )
    crawl_refined = crawl("crawl_refined", "{{ settings().refined_crawler }}")
    with TaskGroup("validate") as validate:
        for name in CHECKS:
            check(name)
    chain(uploaded, crawl_raw, refine, crawl_refined, validate)
