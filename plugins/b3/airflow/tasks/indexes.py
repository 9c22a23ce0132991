"""Tasks that bring the index portfolios to landing/ and to raw/."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from airflow.sdk import task

from b3 import settings
from b3.airflow import aws, failing, lineage, registering, run_dates, run_source, summaries
from b3.airflow.skipping import skip


@task
def scrape(dag_run: Any, ti: Any) -> dict[str, Any]:
    """Bring the portfolios to landing/; skip if B3 serves another session and none has landed for this one."""
    from b3.calendar import known_sessions
    from b3.errors import ClosedDay, OtherSession
    from b3.indexes import land
    from b3.site.hook import B3Hook

    chosen, trade_date = settings.read(), run_dates.trade_date(dag_run)
    s3 = aws.S3OnDemand()
    try:
        known_sessions.check_session(s3, chosen.lake, trade_date)
        if run_source.from_landing(dag_run) or not chosen.indexes:
            captured = land.landed_portfolios(s3, chosen.lake, trade_date, chosen.indexes)
        else:
            captured = land.capture_portfolios(B3Hook(), s3, chosen.lake, trade_date, chosen.indexes)
    except (ClosedDay, OtherSession) as reason:
        raise skip(reason if chosen.indexes else "B3_INDEXES names no index", ti) from reason
    uris = [portfolio.file.uri for portfolio in captured.landed]
    lineage.record(ti, written=uris)
    summaries.tell(ti, summaries.of_files(uris))
    return asdict(captured)


@task
def upload(captured: dict[str, Any], dag_run: Any, ti: Any) -> dict[str, Any]:
    """Write the raw partition of the portfolios that landed."""
    from b3.indexes import land, raw
    from b3.lake import layout

    portfolios = land.CapturedPortfolios.of(captured).landed
    trade_date = run_dates.trade_date(dag_run)
    written = raw.write_portfolios(aws.s3_client(), settings.read().lake, portfolios, trade_date)
    registering.written(layout.RAW_INDEX_PORTFOLIO_TABLE, [written.uri])
    lineage.record(ti, read=[portfolio.file.uri for portfolio in portfolios], written=[written.uri])
    summaries.tell(ti, f"{trade_date}: {written.rows:,} rows of {', '.join(written.rows_of)}; {written.uri}")
    return asdict(written)


@task
def complete(captured: dict[str, Any], ti: Any) -> None:
    """Fail for good if an answer of B3 was missing or bad while others of the day were good."""
    from b3.errors import SourceError
    from b3.indexes import land

    portfolios = land.CapturedPortfolios.of(captured)
    with failing.without_retry(SourceError):
        portfolios.check()
    summaries.tell(ti, f"{len(portfolios.landed)} portfolios are there, and none is missing")
