"""How many sessions the lake is behind. The count is of sessions, so no weekend and no carnival makes it late."""

from __future__ import annotations

import datetime as dt
from typing import Any

from b3.calendar.sessions import SAO_PAULO, previous_session
from b3.lake import layout
from b3.lake.commit import keys_below
from b3.lake.layout import Lake
from b3.monitoring import run_metrics

# Nobody needs to know more exactly.
MOST = 10


class SessionMissing(Exception):
    """The last session is not in the lake, or its checks have not passed."""


def due(now: dt.datetime) -> dt.date:
    """Return the session that must be in the lake: the last one before the day of `now` in São Paulo."""
    return previous_session(now.astimezone(SAO_PAULO).date())


def has_begun(s3: Any, lake: Lake) -> bool:
    """Return whether a run of b3_daily has ever brought a session: years of b3_history alone are never late."""
    return any(key.endswith("/b3_daily.parquet") for key in keys_below(s3, lake, layout.RUN_METRICS_PREFIX))


def sessions_behind(s3: Any, lake: Lake, last: dt.date) -> tuple[int, dt.date | None]:
    """Return how many sessions up to `last` are not good, and the newest good one.

    A session is good once a run has brought it and its checks have passed. Of the last MOST sessions, those after the
    oldest good one count: a gap behind a good session is not forgotten. With no good one, all count.
    """
    looked_at = [last]
    while len(looked_at) < MOST:
        looked_at.append(previous_session(looked_at[-1]))
    good = run_metrics.good_sessions(s3, lake, looked_at)
    if not good:
        return MOST, None
    return looked_at.index(min(good)) + 1 - len(good), max(good)
