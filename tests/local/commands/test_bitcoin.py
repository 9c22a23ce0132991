import datetime as dt

import pytest

from b3.bitcoin import hours
from local.commands import bitcoin

NOW = dt.datetime(2026, 10, 31, 14, 20, tzinfo=dt.UTC)


def chosen(date: str = "", count: str = "") -> list[str]:
    return [hours.written(begin) for begin in bitcoin.chosen_hours(date, count, NOW)]


def test_by_default_the_hours_of_today_that_are_over_are_run():
    assert chosen() == [f"2026-10-31T{hour:02}" for hour in range(14)]


def test_of_a_former_day_all_are_or_the_first_ones():
    assert chosen("2026-10-30") == [f"2026-10-30T{hour:02}" for hour in range(24)]
    assert chosen("2026-10-30", "2") == ["2026-10-30T00", "2026-10-30T01"]


def test_more_than_a_day_goes_on_into_the_next_and_ends_with_what_is_over():
    assert chosen("2026-10-30", "168")[-1] == "2026-10-31T13"


@pytest.mark.parametrize(
    ("date", "count", "said"),
    [
        ("2026-11-01", "", "expected a day in UTC with an hour that is over, found 2026-11-01"),
        ("2026-10-30", "0", "expected HOURS as a number from 1 to 168, found '0'"),
        ("2026-10-30", "x", "found 'x'"),
        ("2026-10-30", "169", "found '169'"),
    ],
)
def test_hours_that_cannot_be_run_are_told(date, count, said):
    with pytest.raises(ValueError, match=said):
        chosen(date, count)
