"""The sessions of a run of `b3_visual`: those of the asset events that started it, or that of its conf."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from b3.airflow import run_dates
from b3.airflow.assets import asset_of
from b3.airflow.glue_arguments import sessions_argument
from b3.calendar import sessions
from b3.lake import layout

INDEX_STOCKS = asset_of(layout.INDEX_STOCKS_TABLE)


@dataclass(frozen=True)
class Sessions:
    """Trade dates, in order."""

    dates: tuple[dt.date, ...]

    @property
    def sql(self) -> str:
        """SQL condition on the partition key that selects these sessions."""
        dates = ", ".join(f"date '{date}'" for date in self.dates)
        return f"trade_date IN ({dates})"

    @property
    def argument(self) -> str:
        """The sessions as the Glue job takes them, see `sessions_argument`."""
        return sessions_argument(self.dates)

    def __str__(self) -> str:
        return ", ".join(map(str, self.dates))


def of_run(dag_run: Any, events: Mapping[Any, Sequence[Any]] | None) -> Sessions:
    """Return the sessions of a run.

    Airflow starts one run for several events that came while another run went on. A run by hand has no events: it takes
    `trade_date` of its conf, or the day of its logical date, see `b3.airflow.run_dates.trade_date`.

    Args:
        dag_run: the run.
        events: `triggering_asset_events` of the task's context.
    """
    found: set[dt.date] = set()
    for event in (events or {}).get(INDEX_STOCKS, ()):
        first, last = (dt.date.fromisoformat(event.extra[name]) for name in ("first_date", "last_date"))
        found |= {first, last, *sessions.sessions(first, last)}
    return Sessions(tuple(sorted(found)) or (run_dates.trade_date(dag_run),))
