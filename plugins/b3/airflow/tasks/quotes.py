"""Tasks that bring B3's quotes to landing/ and to raw/; `scrape` of b3_daily is `CaptureQuotesOperator`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from airflow.sdk import task

from b3 import settings
from b3.airflow import aws, failing, lineage, registering, run_dates, run_source, summaries, trigger_form
from b3.airflow.dag_defaults import YEARS_TIMEOUT
from b3.errors import CalendarDiffers, Flood, RecordsLost

# What only a person, or another file of B3's, can mend.
REFUSALS = (CalendarDiffers, Flood, RecordsLost)


@task
def upload(dag_run: Any, ti: Any) -> dict[str, Any]:
    """Write the session's raw partition from the file in landing/ that was fetched last."""
    from b3.quotes import raw

    trade_date = run_dates.trade_date(dag_run)
    accepted = trigger_form.accepted(dag_run)
    with failing.without_retry(*REFUSALS):
        written = asdict(raw.write_quotes(aws.s3_client(), settings.read().lake, trade_date, accepted))
    _register(written, ti)
    summaries.tell(ti, summaries.of_quotes(written))
    return written


@task(task_id="scrape", max_active_tis_per_dag=1, execution_timeout=YEARS_TIMEOUT)
def scrape_years(dag_run: Any, ti: Any) -> list[dict[str, str]]:
    """Bring B3's file of each year to landing/, or find it there; return where they are."""
    from b3.quotes import choose, land
    from b3.site.hook import B3Hook

    with failing.without_retry(ValueError):
        years = run_dates.years(dag_run).years
    s3, lake = aws.s3_client(), settings.read().lake
    if run_source.from_landing(dag_run):
        landed = [choose.landed_year(s3, lake, year) for year in years]
    else:
        landed = [land.capture_year(B3Hook(), s3, lake, year) for year in years]
    lineage.record(ti, written=[file.uri for file in landed])
    summaries.tell(ti, summaries.of_files(file.uri for file in landed))
    return [asdict(file) for file in landed]


@task(task_id="upload", max_active_tis_per_dag=1, execution_timeout=YEARS_TIMEOUT)
def upload_years(dag_run: Any, ti: Any) -> dict[str, Any]:
    """Write the raw partitions of the sessions of each year, one year after the other.

    A year that is refused ends it; the years before it are written then, which the error says.
    """
    from b3.quotes import raw

    s3, lake, accepted = aws.s3_client(), settings.read().lake, trigger_form.accepted(dag_run)
    years: list[raw.RawQuotes] = []
    for year in run_dates.years(dag_run).years:
        before = (
            f"raw/ has the years of this run before {year} already; trigger the same years again to refine them too"
        )
        with failing.without_retry(*REFUSALS, note=before if years else ""):
            years.append(raw.write_year(s3, lake, year, accepted))
    joined = asdict(raw.joined(years))
    _register(joined, ti)
    summaries.tell(ti, summaries.of_quotes(joined))
    return joined


def _register(written: dict[str, Any], ti: Any) -> None:
    from b3.lake import layout

    partitions = written["partitions"]
    uris = [each["uri"] for each in partitions]
    registering.written(layout.RAW_QUOTES_TABLE, uris)
    lineage.record(ti, read=[each["source"] for each in partitions], written=uris)
