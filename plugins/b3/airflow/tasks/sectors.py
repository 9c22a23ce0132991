"""Tasks that bring the sector classification to landing/ and to raw/, when it changed."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from airflow.sdk import task

from b3 import settings
from b3.airflow import aws, lineage, registering, run_dates, run_source, summaries
from b3.airflow.skipping import skip


@task
def scrape(dag_run: Any, ti: Any) -> dict[str, Any]:
    """Bring the sector classification to landing/; skip if it did not change, or B3 serves another session."""
    from b3.errors import OtherSession
    from b3.lake import layout
    from b3.lake.landed import find
    from b3.sectors import land
    from b3.site.hook import B3Hook

    chosen, trade_date = settings.read(), run_dates.trade_date(dag_run)
    if run_source.from_landing(dag_run):
        landed = find(aws.s3_client(), chosen.lake, layout.landing_sectors_key(trade_date))
        why_none = f"no sector classification landed for {trade_date}"
    elif not chosen.indexes:
        raise skip("B3_INDEXES names no index", ti)
    else:
        try:
            landed = land.capture_sectors(B3Hook(), aws.s3_client(), chosen.lake, trade_date, chosen.indexes[0])
        except OtherSession as reason:
            raise skip(reason, ti) from reason
        why_none = "the sector classification did not change since it last landed"
    if landed is None:
        raise skip(why_none, ti)
    lineage.record(ti, written=[landed.uri])
    summaries.tell(ti, summaries.of_files([landed.uri]))
    return asdict(landed)


@task
def upload(landed: dict[str, str], dag_run: Any, ti: Any) -> dict[str, Any]:
    """Write the raw partition of the sector classification that landed."""
    from b3.lake import layout
    from b3.lake.landed import LandedFile
    from b3.sectors import raw

    trade_date = run_dates.trade_date(dag_run)
    written = raw.write_sectors(aws.s3_client(), settings.read().lake, LandedFile(**landed), trade_date)
    registering.written(layout.RAW_SECTORS_TABLE, [written.uri])
    lineage.record(ti, read=[landed["uri"]], written=[written.uri])
    summaries.tell(ti, f"{trade_date}: {written.rows:,} companies; {written.uri}")
    return asdict(written)
