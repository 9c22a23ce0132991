"""Which alerts have been told: notes in a lake on the local AWS."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

import pytest

from b3.lake.commit import Overtaken
from b3.monitoring.alert import Alert, Severity
from b3.monitoring.journal import LEASE, Journal

DAY = dt.date(2026, 11, 27)
NOW = dt.datetime(2026, 11, 27, 23, tzinfo=dt.UTC)
FAILED = Alert(Severity.PAGE, "no answer", "b3_daily scrape failed", "text", runbook="a-task-failed", link="http://ui")


@pytest.fixture
def journal(s3, lake):
    return lambda later=dt.timedelta(): Journal(s3, lake, NOW + later)


@pytest.fixture
def keys(s3, lake):
    return lambda: [entry["Key"] for entry in s3.list_objects_v2(Bucket=lake.bucket).get("Contents", [])]


class TestAClaim:
    def test_is_given_to_one_of_many_workers_at_once(self, journal):
        with ThreadPoolExecutor(20) as workers:
            claims = list(workers.map(lambda _: journal().claim(FAILED.key, DAY), range(40)))

        assert len([claim for claim in claims if claim]) == 1

    def test_is_given_again_on_another_day_for_another_cause_and_for_the_end(self, journal):
        journal().claim(FAILED.key, DAY)

        assert journal().claim(FAILED.key, DAY + dt.timedelta(days=1))
        assert journal().claim("another", DAY)
        assert journal().claim(FAILED.key, DAY, recovery=True)
        assert journal().claim(FAILED.key, DAY, recovery=True) is None

    def test_that_was_given_back_is_given_again(self, journal):
        journal().give_back(journal().claim(FAILED.key, DAY))

        assert journal().claim(FAILED.key, DAY)

    def test_of_a_worker_that_died_is_taken_over_once(self, journal):
        journal().claim(FAILED.key, DAY)

        assert journal(LEASE / 2).claim(FAILED.key, DAY) is None
        with ThreadPoolExecutor(8) as workers:
            claims = list(workers.map(lambda _: journal(LEASE).claim(FAILED.key, DAY), range(8)))
        assert len([claim for claim in claims if claim]) == 1

    def test_is_ones_own_if_s3_refuses_the_put_that_came_again_after_a_lost_answer(self, journal, s3, lake):
        """As botocore does it: the first PUT is stored, its answer lost, and the second is refused."""

        def lose_the_answer(params, **_):
            s3.meta.events.unregister("before-parameter-build.s3.PutObject", lose_the_answer)
            s3.put_object(**params)

        s3.meta.events.register("before-parameter-build.s3.PutObject", lose_the_answer)

        claim = journal().claim(FAILED.key, DAY)

        journal().confirm(claim)
        assert journal().was_told(FAILED.key, DAY)

    def test_that_another_has_taken_over_is_not_given_back(self, journal):
        former = journal().claim(FAILED.key, DAY)
        journal(LEASE).confirm(journal(LEASE).claim(FAILED.key, DAY))

        with pytest.raises(Overtaken):
            journal(LEASE).give_back(former)
        assert journal().was_told(FAILED.key, DAY)

    def test_alone_does_not_say_that_people_were_told(self, journal):
        claim = journal().claim(FAILED.key, DAY)

        assert not journal().was_told(FAILED.key, DAY)
        journal().confirm(claim)
        assert journal().was_told(FAILED.key, DAY)

    def test_that_was_told_is_not_taken_over(self, journal):
        journal().confirm(journal().claim(FAILED.key, DAY))

        assert journal(3 * LEASE).claim(FAILED.key, DAY) is None


class TestAnOpenCause:
    def test_keeps_the_time_of_its_first_failure(self, journal):
        journal().open(FAILED, "b3_daily", "2026-11-27")
        journal(dt.timedelta(hours=1)).open(FAILED, "b3_daily", "2026-11-27")

        (found,) = journal().all_open()
        assert (found.subject, found.since) == ("page: b3_daily scrape failed", "2026-11-27T23:00:00+00:00")
        assert (found.runbook, found.link) == ("a-task-failed", "http://ui")

    def test_ends_with_the_last_scope_of_its_dag_that_had_failed_of_it(self, journal, keys):
        journal().open(FAILED, "b3_daily", "2026-11-26")
        journal().open(FAILED, "b3_daily", "2026-11-27")
        journal().open(FAILED, "b3_history", "1986")

        assert journal().ended("b3_daily", "2026-11-26") == []
        (ended,) = journal().ended("b3_daily", "2026-11-27")
        assert (ended.cause, ended.subject) == (FAILED.key, FAILED.subject)
        journal().close(ended)
        assert journal().ended("b3_daily", "2026-11-27") == []
        assert [key.split("/")[2] for key in keys()] == ["b3_history"]

    def test_whose_end_nobody_was_told_ends_again(self, journal):
        """A worker that dies between `ended` and the message loses nothing."""
        journal().open(FAILED, "b3_daily", "2026-11-27")

        assert journal().ended("b3_daily", "2026-11-27") == journal().ended("b3_daily", "2026-11-27") != []

    def test_is_looked_for_by_keys_alone(self, journal, s3):
        for day in range(10, 30):
            journal().open(FAILED, "b3_daily", f"2026-11-{day}")
        asked: list[str] = []
        s3.meta.events.register("before-call.s3.GetObject", lambda **_: asked.append("GET"))

        journal().ended("b3_daily", "2026-11-27")

        assert len(asked) == 1

    def test_is_not_ended_by_a_scope_whose_name_begins_like_it(self, journal):
        journal().open(FAILED, "b3_history", "1986 to 1993")

        assert journal().ended("b3_history", "1986") == []
        assert len(list(journal().all_open())) == 1
