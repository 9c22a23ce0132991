"""The timetable of `b3_daily`: one run per session of B3."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pendulum
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction, Timetable

from b3.calendar import publication, sessions
from b3.calendar.sessions import day_of

_DAY = dt.timedelta(days=1)


class SessionTimetable(Timetable):
    """Schedule one run per session of B3, and none on closed days.

    The sessions are the calendar's, see `b3.calendar.sessions`. Before 2000 the calendar has some too many: `scrape`
    skips their runs. The session on a Saturday of 1986 can only be run by hand.

    The logical date is midnight UTC of the trade date, so that Airflow shows the trade date everywhere. The data
    interval is that calendar day, up to the next midnight UTC. A run starts once B3 has published.

    Without catchup, only the last published session is run. After a pause of the scheduler, the session that Airflow
    had stored as the next one may run before it.

    Args:
        published_at: time of the trade date, São Paulo, from which the run may start.
    """

    def __init__(self, published_at: dt.time = publication.PUBLISHED_AT) -> None:
        self.published_at = published_at
        self.description = f"Every B3 session, {self.published_at:%H:%M} São Paulo"

    @property
    def summary(self) -> str:
        """The schedule in the list of DAGs."""
        return f"B3 sessions, {self.published_at:%H:%M}"

    def serialize(self) -> dict[str, Any]:
        """Return the fields that Airflow stores with the DAG."""
        return {"published_at": self.published_at.isoformat()}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> SessionTimetable:
        """Return the timetable that `serialize` stored."""
        return cls(dt.time.fromisoformat(data["published_at"]))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SessionTimetable) and other.published_at == self.published_at

    def __hash__(self) -> int:
        return hash(self.published_at)

    def infer_manual_data_interval(self, *, run_after: pendulum.DateTime) -> DataInterval:
        """Return the day that a logical date given by hand names, see `b3.calendar.sessions.day_of`.

        A closed day is not moved to a session that nobody asked for: the run fails, and names the sessions around it.
        """
        return _interval(day_of(run_after))

    def generate_run_id(
        self, *, run_type: Any, run_after: pendulum.DateTime, data_interval: DataInterval | None, **extra: Any
    ) -> str:
        """Return a run's id. That of a scheduled run ends with its trade date, which people look for.

        Other runs may be made twice for a trade date, or take it from their conf: they keep Airflow's ids.
        """
        if data_interval is None or run_type != "scheduled":
            return super().generate_run_id(run_type=run_type, run_after=run_after, data_interval=data_interval, **extra)
        return run_type.generate_run_id(suffix=day_of(data_interval.start).isoformat())

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """Return the first session after the last run, within the restriction; None if there is none.

        The restriction's bounds are read as logical dates are. So a backfill's dates may be given in UTC or in São
        Paulo time.
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
        # The fields of DagRunInfo differ between releases of Airflow; its constructors fill them.
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
