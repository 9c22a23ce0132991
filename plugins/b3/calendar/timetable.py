"""When `b3_daily` runs: once for each of B3's sessions."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pendulum
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction, Timetable

from b3.calendar import publication, sessions
from b3.calendar.sessions import day_of

_DAY = dt.timedelta(days=1)


class SessionTimetable(Timetable):
    """One run per session of B3, and none on days on which it is closed.

    The sessions are the calendar's, see `b3.calendar.sessions`. Before 2000 it has some too many: their runs are
    skipped by `scrape`. The session on a Saturday of 1986 gets a run by hand alone.

    The logical date is the session's at midnight UTC, so that its date is the trade date wherever it is shown; the
    data interval is that calendar day, to the next midnight UTC. A run starts once B3 has published.

    Without catchup only the last session that has been published is run; after a time without a scheduler, the one
    that it had noted as the next may come before that.

    Args:
        published_at: the time of the session's day, São Paulo, from which its run may start.
    """

    def __init__(self, published_at: dt.time = publication.PUBLISHED_AT) -> None:
        self.published_at = published_at
        self.description = f"Every B3 session, {self.published_at:%H:%M} São Paulo"

    @property
    def summary(self) -> str:
        """What the list of DAGs shows as the schedule."""
        return f"B3 sessions, {self.published_at:%H:%M}"

    def serialize(self) -> dict[str, Any]:
        """The timetable as it is stored with the DAG."""
        return {"published_at": self.published_at.isoformat()}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> SessionTimetable:
        """The timetable that `serialize` stored."""
        return cls(dt.time.fromisoformat(data["published_at"]))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SessionTimetable) and other.published_at == self.published_at

    def __hash__(self) -> int:
        return hash(self.published_at)

    def infer_manual_data_interval(self, *, run_after: pendulum.DateTime) -> DataInterval:
        """The day that a logical date given by hand names, as `b3.calendar.sessions.day_of` reads it.

        On a closed day that is no session: it is not moved to one that nobody asked for, and the run says so.
        """
        return _interval(day_of(run_after))

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """The first session after the last run's, within the restriction; None if there is none.

        The restriction's bounds name days as logical dates do, so a backfill's dates may be given in UTC or in
        São Paulo's time.
        """
        if restriction.earliest is None:
            return None
        first = max(day_of(restriction.earliest), dt.date(sessions.FIRST_YEAR, 1, 1))
        if last_automated_data_interval is not None:
            first = max(first, day_of(last_automated_data_interval.start) + _DAY)
        if not restriction.catchup:
            first = max(first, self._last_published())
        session = sessions.next_session(first - _DAY)
        if restriction.latest is not None and session > day_of(restriction.latest):
            return None
        due = pendulum.instance(publication.due(session, self.published_at)).in_timezone("UTC")
        # DagRunInfo has other fields in each release of Airflow; its constructors fill them.
        interval = _interval(session)
        return DagRunInfo.interval(interval.start, interval.end)._replace(run_after=due)

    def _last_published(self) -> dt.date:
        now = publication.now()
        last = sessions.previous_session(day_of(now) + _DAY)
        if publication.due(last, self.published_at) > now:
            last = sessions.previous_session(last)
        return last


def _interval(day: dt.date) -> DataInterval:
    start = pendulum.datetime(day.year, day.month, day.day)
    return DataInterval(start, start.add(days=1))
