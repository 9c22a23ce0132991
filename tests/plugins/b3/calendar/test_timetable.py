import datetime as dt
import os
import subprocess
import sys

import pendulum
import pytest
from airflow.timetables.base import DataInterval, TimeRestriction
from airflow.utils.types import DagRunType

from b3.calendar import publication
from b3.calendar.timetable import SessionTimetable
from tests.places import ROOT

# Friday 1 May 2020 was closed.
SESSIONS = [dt.date(2020, 4, day) for day in (27, 28, 29, 30)] + [dt.date(2020, 5, day) for day in (4, 5)]


def utc(text: str) -> pendulum.DateTime:
    return pendulum.parse(text, tz="UTC")


def sao_paulo(text: str) -> pendulum.DateTime:
    return pendulum.parse(text, tz="America/Sao_Paulo")


def the_day(text: str) -> DataInterval:
    return DataInterval(utc(text), utc(text).add(days=1))


def following(timetable, last=None, *, earliest="1986-01-02", latest=None, catchup=True):
    restriction = TimeRestriction(utc(earliest), latest and utc(latest), catchup)
    return timetable.next_dagrun_info(
        last_automated_data_interval=last and the_day(last), restriction=restriction
    )  # fmt: skip


def between(first: pendulum.DateTime, last: pendulum.DateTime) -> list:
    """The runs that a backfill makes: Airflow asks for the next until there is none."""
    timetable, found, info = SessionTimetable(), [], None
    while info := timetable.next_dagrun_info(
        last_automated_data_interval=info and info.data_interval, restriction=TimeRestriction(first, last, True)
    ):
        found.append(info)
    return found


@pytest.fixture
def at(monkeypatch):
    """Sets the present."""
    return lambda instant: monkeypatch.setattr(publication, "now", lambda: instant)


class TestTheNextRun:
    @pytest.mark.parametrize(
        ("last", "session"),
        [
            ("2020-04-28", "2020-04-29"),
            ("2020-04-30", "2020-05-04"),  # over a holiday and a weekend
            ("2019-12-30", "2020-01-02"),  # 31 December is closed
            ("2024-02-09", "2024-02-14"),  # Carnival; Ash Wednesday is a session
        ],
    )
    def test_is_for_the_session_after_the_last_run(self, last, session):
        info = following(SessionTimetable(), last)

        assert info.logical_date == utc(session)
        assert info.data_interval == the_day(session)

    @pytest.mark.parametrize(
        ("last", "due"),
        [
            ("2024-03-13", "2024-03-15T01:30"),
            ("2018-11-30", "2018-12-04T00:30"),  # under daylight saving
        ],
    )
    def test_starts_at_half_past_ten_in_the_evening_of_the_session_in_sao_paulo(self, last, due):
        assert following(SessionTimetable(), last).run_after == utc(due)

    def test_starts_when_it_is_told_to(self):
        assert following(SessionTimetable(dt.time(6)), "2024-03-13").run_after == sao_paulo("2024-03-14T06:00")

    def test_follows_one_of_the_schedule_in_sao_paulos_time(self):
        """Runs made before this timetable have the logical date 22:30, which is the next day in UTC."""
        evening = sao_paulo("2024-03-14T22:30")

        info = SessionTimetable().next_dagrun_info(
            last_automated_data_interval=DataInterval.exact(evening),
            restriction=TimeRestriction(utc("1986-01-02"), None, True),
        )

        assert info.logical_date == utc("2024-03-15")

    def test_comes_after_a_run_that_was_on_a_closed_day(self):
        assert following(SessionTimetable(), "2020-05-01").logical_date == utc("2020-05-04")

    def test_is_the_first_that_the_start_date_allows(self):
        assert following(SessionTimetable(), earliest="2020-05-01").logical_date == utc("2020-05-04")
        assert following(SessionTimetable(), "2020-04-27", earliest="2020-05-05").logical_date == utc("2020-05-05")

    def test_is_none_without_a_start_date(self):
        restriction = TimeRestriction(None, None, True)

        assert SessionTimetable().next_dagrun_info(last_automated_data_interval=None, restriction=restriction) is None

    def test_is_none_after_the_end_date(self):
        assert following(SessionTimetable(), "2020-04-29", latest="2020-04-30").logical_date == utc("2020-04-30")
        assert following(SessionTimetable(), "2020-04-30", latest="2020-05-03") is None

    def test_is_never_before_the_first_year_of_b3s_history(self):
        assert following(SessionTimetable(), earliest="1970-01-01").logical_date == utc("1986-01-02")


class TestWithoutCatchup:
    @pytest.mark.parametrize(
        ("now", "session"),
        [
            ("2020-04-30T22:29", "2020-04-29"),
            ("2020-04-30T22:30", "2020-04-30"),
            ("2020-05-03T12:00", "2020-04-30"),  # a Sunday
            ("2020-05-04T12:00", "2020-04-30"),
        ],
    )
    def test_the_first_run_is_for_the_last_session_that_is_published(self, at, now, session):
        at(sao_paulo(now))

        assert following(SessionTimetable(), catchup=False).logical_date == utc(session)

    def test_runs_that_were_missed_are_not_made(self, at):
        at(sao_paulo("2020-05-04T23:00"))

        assert following(SessionTimetable(), "2020-04-20", catchup=False).logical_date == utc("2020-05-04")

    def test_no_session_is_run_twice(self, at):
        at(sao_paulo("2020-04-30T23:00"))

        assert following(SessionTimetable(), "2020-04-30", catchup=False).logical_date == utc("2020-05-04")

    def test_another_time_of_publication_counts(self, at):
        at(sao_paulo("2020-04-30T21:00"))

        assert following(SessionTimetable(dt.time(20)), catchup=False).logical_date == utc("2020-04-30")


class TestABackfill:
    def test_makes_exactly_the_sessions_between_both_ends_included(self):
        made = between(utc("2020-04-27"), utc("2020-05-05"))

        assert [info.logical_date.date() for info in made] == SESSIONS
        assert all(info.logical_date.time() == dt.time() for info in made)

    def test_takes_dates_in_sao_paulos_time_as_well(self):
        made = between(sao_paulo("2020-04-27T00:00"), sao_paulo("2020-05-05T23:00"))

        assert [info.logical_date.date() for info in made] == SESSIONS

    def test_of_closed_days_makes_none(self):
        assert between(utc("2020-05-01"), utc("2020-05-03")) == []

    def test_of_a_year_makes_its_sessions(self):
        assert len(between(utc("2021-01-01"), utc("2021-12-31"))) == 247


class TestALogicalDateGivenByHand:
    @pytest.mark.parametrize(
        ("given", "day"),
        [
            (utc("2020-04-30"), "2020-04-30"),
            (utc("2020-05-01T01:30"), "2020-04-30"),
            (sao_paulo("2020-04-30T15:00"), "2020-04-30"),
            (utc("2020-05-01"), "2020-05-01"),
        ],
        ids=["midnight UTC names the day", "another instant is São Paulo's", "in the session", "a closed day"],
    )
    def test_has_the_interval_of_its_day(self, given, day):
        assert SessionTimetable().infer_manual_data_interval(run_after=given) == the_day(day)


class TestWhatAirflowShowsAndStores:
    def test_says_when_it_runs(self):
        assert SessionTimetable().summary == "B3 sessions, 22:30"
        assert SessionTimetable(dt.time(6, 15)).description == "Every B3 session, 06:15 São Paulo"

    def test_is_stored_with_its_time(self):
        stored = SessionTimetable(dt.time(6, 15)).serialize()

        assert stored == {"published_at": "06:15:00"}
        assert SessionTimetable.deserialize(stored) == SessionTimetable(dt.time(6, 15))

    def test_is_equal_by_its_time(self):
        assert SessionTimetable() == SessionTimetable()
        assert SessionTimetable() != SessionTimetable(dt.time(6))
        assert SessionTimetable() != "B3 sessions, 22:30"
        assert len({SessionTimetable(), SessionTimetable()}) == 1


def test_making_one_loads_no_calendar():
    """DAG files are parsed again and again."""
    code = (
        "import sys; from b3.calendar.timetable import SessionTimetable; made = SessionTimetable(); made.summary;"
        "made.validate(); made.serialize(); print({'pandas', 'exchange_calendars'} & set(sys.modules))"
    )

    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT / "plugins")}, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert ran.stdout.strip().splitlines()[-1] == "set()"


class TestTheIdOfARun:
    def of(self, run_type: DagRunType, day: str | None) -> str:
        return SessionTimetable().generate_run_id(
            run_type=run_type, run_after=utc("2024-03-15T01:30"), data_interval=day and the_day(day)
        )  # fmt: skip

    def test_is_the_trade_date_if_it_was_scheduled(self):
        assert self.of(DagRunType.SCHEDULED, "2024-03-14") == "scheduled__2024-03-14"

    @pytest.mark.parametrize("day", ["2024-03-14", None])
    def test_is_airflows_own_otherwise(self, day):
        """A manual run may take another trade date from its conf, and there may be two for one."""
        assert self.of(DagRunType.MANUAL, day).startswith("manual__2024-03-15T01:30")
        assert self.of(DagRunType.BACKFILL_JOB, day).startswith("backfill__2024-03-15T01:30")
