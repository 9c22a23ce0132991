"""Tasks that bring the index portfolios to landing/ and to raw/."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from airflow.sdk import task

from b3 import settings
from b3.airflow import aws, run_dates, run_source
from b3.airflow.skipping import skip


@task
def scrape(dag_run: Any, ti: Any) -> dict[str, Any]:
    """Bring the portfolios to landing/; skip if B3 serves another session and none has landed for this one."""
    from b3.calendar import known_sessions
    from b3.errors import ClosedDay, OtherSession
    from b3.indexes import land
    from b3.site.hook import B3Hook

    chosen, trade_date = settings.read(), run_dates.trade_date(dag_run)
    if not chosen.indexes:
        raise skip("B3_INDEXES names no index", ti)
    s3 = aws.S3OnDemand()
    try:
        known_sessions.check_session(s3, chosen.lake, trade_date)
        if run_source.from_landing(dag_run):
            return asdict(land.landed_portfolios(s3, chosen.lake, trade_date, chosen.indexes))
        captured = land.capture_portfolios(B3Hook(), s3, chosen.lake, trade_date, chosen.indexes)
    except (ClosedDay, OtherSession) as reason:
        raise skip(reason, ti) from reason
    return asdict(captured)


@task
def upload(captured: dict[str, Any], dag_run: Any) -> dict[str, Any]:
    """Write the raw partition of the portfolios that landed."""
    from b3.indexes import land, raw

    portfolios = land.CapturedPortfolios.of(captured).landed
    trade_date = run_dates.trade_date(dag_run)
    return asdict(raw.write_portfolios(aws.s3_client(), settings.read().lake, portfolios, trade_date))


@task
def complete(captured: dict[str, Any]) -> None:
    """Fail if an answer of B3 was missing or bad while others of the day were good."""
    from b3.indexes import land

    land.CapturedPortfolios.of(captured).check()
