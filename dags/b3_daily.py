"""
### B3's market data of one session, from the exchange to tables that are ready to query

    scrape ─────────▶ upload ─────────┬─▶ crawl_raw ─▶ refine ─▶ crawl_refined ─▶ validate.* ─▶ summary
    indexes.scrape ─▶ indexes.upload ─┤                                         └▶ views.*
      ├▶ indexes.complete             │
      └▶ sectors.scrape ─▶ sectors.upload ┘
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

**Settings**: `B3_LAKE_BUCKET`, `B3_GLUE_DATABASE`, `B3_GLUE_JOB`, `B3_ATHENA_WORKGROUP`, `B3_INDEXES`,
`B3_ALERT_TOPIC_ARN`, `B3_PUBLISHED_AT`, `B3_PUBLICATION_DEADLINE_HOURS`; connections `aws_default` and `b3_default`.
How often a task is tried again is Airflow's own setting `core.default_task_retries`, but for crawls (ten times) and
queries (once).
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pendulum
from airflow.sdk import DAG, Param, TaskGroup, chain, task

from b3 import accepted, alerts, aws, period, runs, settings
from b3.operators import CaptureQuotesOperator
from b3.skipping import skip
from b3.telling import summary
from b3.timetable import SessionTimetable

SQL = Path(__file__).parent / "include" / "sql"


def previous_session(dag_run) -> dt.date:
    """The session before a run's own, before 2000 as B3's file of the year has it."""
    from b3 import known_sessions

    return known_sessions.previous_session(aws.S3OnDemand(), settings.read().lake, runs.trade_date(dag_run))


def last_rebalance(dag_run) -> dt.date:
    """The session from which on the portfolios of a run's own session hold."""
    from b3 import sessions

    return sessions.last_rebalance(runs.trade_date(dag_run))


@task
def upload(landed: dict, dag_run) -> dict:
    """Write the raw partition from the landed file."""
    from dataclasses import asdict

    from b3 import raw
    from b3.landing import LandedFile

    file, trade_date = LandedFile(**landed), runs.trade_date(dag_run)
    return asdict(raw.write_quotes(aws.s3_client(), settings.read().lake, file, trade_date, accepted.of_run(dag_run)))


@task(task_id="scrape")
def scrape_indexes(dag_run, ti) -> dict:
    """Bring the portfolios of the indexes to landing/; skip where B3 has those of another session."""
    from dataclasses import asdict

    from b3 import index_landing, known_sessions
    from b3.errors import ClosedDay, OtherSession
    from b3.hook import B3Hook

    chosen, trade_date = settings.read(), runs.trade_date(dag_run)
    if not chosen.indexes:
        raise skip("no index is asked for in B3_INDEXES", ti)
    s3 = aws.S3OnDemand()
    try:
        known_sessions.check_session(s3, chosen.lake, trade_date)
        captured = index_landing.capture_portfolios(B3Hook(), s3, chosen.lake, trade_date, chosen.indexes)
    except (ClosedDay, OtherSession) as reason:
        raise skip(reason, ti) from reason
    return asdict(captured)


@task(task_id="upload")
def upload_indexes(captured: dict, dag_run) -> dict:
    """Write the raw partition of the portfolios from what landed."""
    from dataclasses import asdict

    from b3 import index_raw
    from b3.index_landing import CapturedPortfolios

    portfolios = CapturedPortfolios.of(captured).landed
    return asdict(
        index_raw.write_portfolios(aws.s3_client(), settings.read().lake, portfolios, runs.trade_date(dag_run))
    )


@task(task_id="complete")
def complete_indexes(captured: dict) -> None:
    """Fail if an answer of B3's was missing or bad, though others of the day are good."""
    from b3.index_landing import CapturedPortfolios

    CapturedPortfolios.of(captured).check()


@task(task_id="scrape")
def scrape_sectors(dag_run, ti) -> dict:
    """Bring the sector classification to landing/; skip where it did not change, or B3 is at another session."""
    from dataclasses import asdict

    from b3 import index_landing
    from b3.errors import OtherSession
    from b3.hook import B3Hook

    chosen, trade_date = settings.read(), runs.trade_date(dag_run)
    try:
        landed = index_landing.capture_sectors(B3Hook(), aws.s3_client(), chosen.lake, trade_date, chosen.indexes[0])
    except OtherSession as reason:
        raise skip(reason, ti) from reason
    if landed is None:
        raise skip("the sector classification is the one that was landed last", ti)
    return asdict(landed)


@task(task_id="upload")
def upload_sectors(landed: dict, dag_run) -> dict:
    """Write the raw partition of the sector classification from what landed."""
    from dataclasses import asdict

    from b3 import index_raw
    from b3.landing import LandedFile

    file, trade_date = LandedFile(**landed), runs.trade_date(dag_run)
    return asdict(index_raw.write_sectors(aws.s3_client(), settings.read().lake, file, trade_date))


@task
def calendar_agrees(ti) -> None:
    """Fail if B3 announces other trading holidays than the calendar has; skip if B3 does not say."""
    from b3 import holidays
    from b3.errors import NotPublished, TransientError
    from b3.hook import B3Hook

    try:
        holidays.check(B3Hook())
    except (NotPublished, TransientError) as reason:
        raise skip(reason, ti) from reason


with DAG(
    dag_id="b3_daily",
    description="B3's market data of one session: capture, refine, validate",
    doc_md=__doc__,
    schedule=SessionTimetable(settings.published_at()),
    # In UTC, as the logical dates are.
    start_date=pendulum.datetime(1986, 1, 2),
    catchup=False,
    max_active_runs=1,
    # A run may wait for B3 from its session's midnight until noon of the next day, see b3.publication.
    dagrun_timeout=dt.timedelta(hours=40),
    params={
        "trade_date": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Trade date",
            description="The session to run, as 2020-04-30. Left empty, it is the day of the logical date.",
        ),
        **{name: Param(False, type="boolean", **text) for name, text in accepted.FORM.items()},
    },
    default_args={"owner": "market-data", "on_failure_callback": alerts.publish},
    on_failure_callback=alerts.publish_timeout,
    tags=["b3", "market-data"],
    template_searchpath=[str(SQL)],
    user_defined_macros={
        "settings": settings.read,
        "trade_date": runs.trade_date,
        "period": period.of_session,
        "previous_session": previous_session,
        "last_rebalance": last_rebalance,
    },
    render_template_as_native_obj=False,
):
    scrape = CaptureQuotesOperator(
        task_id="scrape",
        deadline_hours="{{ settings().publication_deadline_hours }}",
    )
    quotes = upload(scrape.output)
    with TaskGroup("indexes"):
        index_captured = scrape_indexes()
        index_portfolio = upload_indexes(index_captured)
        complete_indexes(index_captured)
    with TaskGroup("sectors"):
        sectors_landed = scrape_sectors()
        sectors = upload_sectors(sectors_landed)
    # Whatever arrived is registered: quotes do not wait for what B3 failed to send beside them.
    crawl_raw = aws.crawl("crawl_raw", "{{ settings().raw_crawler }}", trigger_rule="all_done")
    refine = aws.refine(
        {
            "--sessions": "{{ trade_date(dag_run) }}",
            "--previous_session": "{{ previous_session(dag_run) }}",
            "--last_rebalance": "{{ last_rebalance(dag_run) }}",
            "--source": "{{ settings().lake.all_raw_quotes }}",
            "--target": "{{ settings().lake.all_refined_quotes }}",
            "--findings": "{{ settings().lake.all_findings }}",
            "--portfolio": "{{ settings().lake.raw_index_portfolio(trade_date(dag_run)) }}",
            "--index_target": "{{ settings().lake.refined_index_stocks(trade_date(dag_run)) }}",
        }
    )
    # What was refined is registered, whatever became of the rest: a bad portfolio does not hide the day's quotes.
    crawl_refined = aws.crawl("crawl_refined", "{{ settings().refined_crawler }}", trigger_rule="all_done")
    calendar_agrees()

    index_captured >> sectors_landed
    [quotes, index_portfolio, sectors] >> crawl_raw
    chain([quotes, crawl_raw], refine, crawl_refined)
    # A check runs only where what it checks was written; where that failed, so does the run, by the check.
    needs = {"index": [index_portfolio], "sectors": [sectors]}
    with TaskGroup("validate") as validate:
        for name in aws.statements(SQL / "validate"):
            check = aws.athena("validate", name)
            [crawl_refined, *needs.get(name.partition("_")[0], [quotes])] >> check
            if name.startswith("index_stocks_"):
                refine >> check
    with TaskGroup("views"):
        for name in aws.statements(SQL / "views"):
            crawl_refined >> aws.athena("views", name)
    # A failed refine fails the run even if all that it should have written was there before.
    [refine, validate] >> summary()
