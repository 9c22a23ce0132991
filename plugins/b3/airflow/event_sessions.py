"""The sessions of a run of `b3_visual`: those of the asset events that started it, or that of its conf."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from b3.airflow import run_dates
from b3.airflow.assets import asset_of
from b3.airflow.glue_arguments import sessions_argument
from b3.calendar import sessions
from b3.lake import layout

INDEX_STOCKS = asset_of(layout.INDEX_STOCKS_TABLE)
# A run takes no more sessions than this: after a pause, Airflow hands one run all that happened meanwhile.
MOST = 10

log = logging.getLogger(__name__)


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

    Airflow hands a run the events since the run before. That is one event, unless the DAG was paused: the first run
    after a pause has all events since the last run. Of their dates the newest `MOST` are taken, the others are logged.
    A run by hand has no events. It takes `trade_date` of its conf, or the day of its logical date, see
    `b3.airflow.run_dates.trade_date`.

    Args:
        dag_run: the run.
        events: `triggering_asset_events` of the task's context.

    Raises:
        ValueError: an event does not say which trade dates it is of.
    """
    found: set[dt.date] = set()
    # Not a dict's get: Airflow 3.0 cannot hash an asset, and only its own mapping takes one all the same.
    for event in events.get(INDEX_STOCKS, ()) if events else ():
        first, last = _span_of(event)
        found |= {first, last, *sessions.sessions(first, last)}
    dates = sorted(found)
    if left_out := dates[:-MOST]:
        log.warning(
            "expected at most %d sessions from the events of run %s, found %d: left out %s to %s, trigger b3_visual by "
            "hand for those that you need",
            MOST, dag_run.run_id, len(dates), left_out[0], left_out[-1],
        )  # fmt: skip
    return Sessions(tuple(dates[-MOST:]) or (run_dates.trade_date(dag_run),))


def _span_of(event: Any) -> tuple[dt.date, dt.date]:
    """Return an event's first and last trade date."""
    extra = event.extra or {}
    try:
        return dt.date.fromisoformat(extra["first_date"]), dt.date.fromisoformat(extra["last_date"])
    except (KeyError, TypeError, ValueError):
        raise ValueError(
            f"expected first_date and last_date as dates in the extra of an event of {INDEX_STOCKS.name}, found "
            f"{extra}: trigger b3_visual by hand with a trade_date"
        ) from None
