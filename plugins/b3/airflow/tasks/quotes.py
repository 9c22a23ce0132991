"""Tasks that bring B3's quotes to landing/ and to raw/; `scrape` of b3_daily is `CaptureQuotesOperator`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from airflow.sdk import task

from b3 import settings
from b3.airflow import aws, run_dates, trigger_form


@task
def upload(dag_run: Any) -> dict[str, Any]:
    """Write the raw partition of the session from the file in landing/ that was fetched last."""
    from b3.quotes import raw

    trade_date = run_dates.trade_date(dag_run)
    return asdict(raw.write_quotes(aws.s3_client(), settings.read().lake, trade_date, trigger_form.accepted(dag_run)))


@task(task_id="scrape", max_active_tis_per_dag=1)
def scrape_year(dag_run: Any) -> dict[str, str]:
    """Bring B3's file of the year to landing/."""
    from b3.quotes import land
    from b3.site.hook import B3Hook

    year = run_dates.year(dag_run).first.year
    return asdict(land.capture_year(B3Hook(), aws.s3_client(), settings.read().lake, year))


@task(task_id="upload", max_active_tis_per_dag=1)
def upload_year(dag_run: Any) -> dict[str, Any]:
    """Write the raw partitions of the year's sessions."""
    from b3.quotes import raw

    year = run_dates.year(dag_run).first.year
    return asdict(raw.write_year(aws.s3_client(), settings.read().lake, year, trigger_form.accepted(dag_run)))
