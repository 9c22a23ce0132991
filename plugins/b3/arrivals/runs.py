"""The DAG runs that bring a landed file to the tables.

A year is one run of b3_history. A day is a run of b3_daily, and a month is one run of b3_daily per session: each finds
its session in the month's file. So b3_daily's checks, corrections and reports hold for months as well.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from b3.arrivals import period
from b3.arrivals.landing import Landed

# As run_source.LANDING of b3.airflow: what landed is used, and B3 is not asked.
_FROM_LANDING = {"source": "landing"}


@dataclass(frozen=True)
class Run:
    """A DAG run to start.

    Attributes:
        dag_id: the DAG.
        run_id: the run's id. The same landed bytes give the same id, so a second start is no second run.
        conf: the run's conf.
        first: its first trade date; of a year 1 January.
    """

    dag_id: str
    run_id: str
    conf: dict[str, Any]
    first: dt.date


def of_file(landed: Landed) -> list[Run]:
    """Return the runs of a landed file, in order of trade date."""
    if period.is_year(landed.period):
        year = landed.period.first.year
        return [Run("b3_history", _run_id(str(year), landed), {"year": year, **_FROM_LANDING}, landed.period.first)]
    return [
        Run("b3_daily", _run_id(day.isoformat(), landed), {"trade_date": day.isoformat(), **_FROM_LANDING}, day)
        for day in landed.days
    ]


def _run_id(of: str, landed: Landed) -> str:
    # Bytes that come back after a correction have a new time, and need a new run.
    came = dt.datetime.fromisoformat(landed.fetched_at).astimezone(dt.UTC)
    return f"arrival__{of}__{came:%Y%m%dT%H%M%S}_{landed.sha256[:12]}"
