"""Of the files in landing/ that hold a session, the one that was fetched last is chosen."""

import datetime as dt
import hashlib
from typing import Any

import pytest

from b3.calendar import known_sessions
from b3.lake.landed import LandedFile, keep
from b3.quotes import choose
from tests.plugins.b3.downloads import downloaded

BEFORE, DATE, AFTER = dt.date(2020, 4, 29), dt.date(2020, 4, 30), dt.date(2020, 5, 4)
DAILY, MONTH, YEAR = "COTAHIST_D30042020.ZIP", "COTAHIST_M042020.ZIP", "COTAHIST_A2020.ZIP"


@pytest.fixture
def land(s3, lake):
    """A file in landing/ as if it had been fetched on this day of January 2021; a longer one with these sessions."""

    def put(name: str, day: int, *days: dt.date, listed: bool = True) -> LandedFile:
        metadata = {"last-session": str(days[-1])} if days else {}
        if days and listed:
            metadata["session-days"] = known_sessions.encode(days)
        download = downloaded(name.encode(), dt.datetime(2021, 1, day, 12, tzinfo=dt.UTC))
        return keep(s3, lake, f"landing/quotes/{name}", *download, **metadata)

    return put


@pytest.fixture
def chosen(s3, lake):
    """The file that is chosen for DATE, asked for alone and together with the sessions around it."""

    def ask() -> LandedFile | None:
        files = choose.newest_first(s3, lake, DATE)
        together = choose.newest_of_each(s3, lake, [BEFORE, DATE, AFTER]).get(DATE)
        assert together == (files[0] if files else None)
        return together

    return ask


def test_without_a_file_there_is_none(chosen):
    assert chosen() is None


@pytest.mark.parametrize("longer", [MONTH, YEAR])
def test_a_longer_file_that_came_after_the_daily_one_is_chosen(land, chosen, longer):
    land(DAILY, 4)
    after = land(longer, 5, BEFORE, DATE, AFTER)

    assert chosen() == after


def test_a_daily_file_that_came_after_the_longer_ones_is_chosen(land, chosen):
    land(YEAR, 3, BEFORE, DATE, AFTER)
    land(MONTH, 4, BEFORE, DATE)
    daily = land(DAILY, 5)

    assert chosen() == daily


@pytest.mark.parametrize("listed", [True, False], ids=["by its list of sessions", "by its last session"])
def test_a_year_that_came_later_and_ends_before_the_session_is_not(land, chosen, listed):
    daily = land(DAILY, 4)
    land(YEAR, 5, BEFORE, listed=listed)

    assert chosen() == daily


def test_a_year_that_goes_on_and_lacks_the_session_is_not(land, chosen):
    daily = land(DAILY, 4)
    land(YEAR, 5, BEFORE, AFTER)

    assert chosen() == daily


@pytest.mark.parametrize(("month", "year", "newest"), [(4, 5, YEAR), (5, 4, MONTH), (4, 4, MONTH)])
def test_of_two_longer_files_the_newer_is_chosen_or_else_the_shorter(land, chosen, month, year, newest):
    land(MONTH, month, BEFORE, DATE)
    land(YEAR, year, BEFORE, DATE, AFTER)

    assert chosen().uri.endswith(newest)


def test_a_file_put_by_hand_came_when_it_was_put(land, chosen, s3, lake):
    land(YEAR, 5, BEFORE, DATE, AFTER)
    key = f"landing/quotes/{DAILY}"
    by_hand = LandedFile(lake.uri(key), "https://b3.example/", hashlib.sha256(b"sent").hexdigest(), "b3")
    s3.put_object(Bucket=lake.bucket, Key=key, Body=b"sent", Metadata=by_hand.metadata())

    assert chosen() == by_hand


def test_many_sessions_are_asked_for_with_a_request_for_each_file_that_there_is(land, s3, lake):
    land(DAILY, 4)
    land(YEAR, 5, BEFORE, DATE, AFTER)
    asked = []

    class Counting:
        exceptions = s3.exceptions
        get_paginator = s3.get_paginator

        def head_object(self, **arguments: str) -> Any:
            asked.append(arguments["Key"])
            return s3.head_object(**arguments)

    days = [dt.date(2020, 1, 1) + dt.timedelta(days=number) for number in range(366)]
    choose.newest_of_each(Counting(), lake, days)

    assert sorted(asked) == [f"landing/quotes/{YEAR}", f"landing/quotes/{DAILY}"]
