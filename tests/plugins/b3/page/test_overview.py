"""The overview of a lake: span, size, latest report, and the years to show."""

import datetime as dt

import pytest

from b3.calendar import known_sessions
from b3.lake import layout
from b3.page import overview
from b3.page.listing import list_sessions
from b3.page.states import State
from tests.plugins.b3.page.lake_objects import put_session

# A Tuesday, after B3 has published its files.
NOW = dt.datetime(2024, 3, 20, 2, 0, tzinfo=dt.UTC)
TUESDAY = dt.date(2024, 3, 19)


def taken(s3, lake, year=None):
    return overview.take(s3, lake, list_sessions(s3, lake, NOW), year, NOW)


def test_an_empty_lake_has_an_overview_without_years(s3, lake):
    found = taken(s3, lake)
    assert (found.dates, found.size, found.behind, found.reports, found.years) == ([], 0, 0, [], [])


def test_span_rows_and_source_are_those_of_the_quotes(s3, lake):
    put_session(s3, lake, dt.date(2024, 3, 14))
    put_session(s3, lake, dt.date(2024, 3, 15), "raw", "refined", "findings", "report", source="simulated")

    found = taken(s3, lake)

    assert found.dates == [dt.date(2024, 3, 14), dt.date(2024, 3, 15)]
    assert found.reports == [dt.date(2024, 3, 15)]
    assert (found.rows, found.source) == ("5000", "simulated")
    assert found.uri == f"s3://{lake.bucket}/" and found.taken_at == NOW


def test_sessions_that_b3_published_since_are_counted_and_missing(s3, lake):
    put_session(s3, lake, dt.date(2024, 3, 14))

    found = taken(s3, lake)

    # The 16th and the 17th are a weekend.
    assert found.behind == 3
    states = {each.trade_date: each.state for each in found.years[0].sessions}
    assert [date for date, state in states.items() if state == State.MISSING] == [
        dt.date(2024, 3, 15), dt.date(2024, 3, 18), TUESDAY,
    ]  # fmt: skip
    assert states[dt.date(2024, 3, 20)] == State.AHEAD
    assert found.years[0].count("complete") == 1


def test_holidays_are_no_sessions(s3, lake):
    put_session(s3, lake, dt.date(2024, 3, 14))
    held = {each.trade_date for each in taken(s3, lake).years[0].sessions}
    # Good Friday.
    assert dt.date(2024, 3, 29) not in held and dt.date(2024, 3, 28) in held


@pytest.mark.parametrize(
    ("year", "shown"),
    [
        (None, [2022, 2021, 2020]),
        (2021, [2021, 2020, 2019]),
        (2018, [2018]),
        (1900, [2018]),
        (2999, [2024, 2023, 2022]),
    ],
)
def test_three_years_are_shown_within_the_span_and_up_to_the_present(s3, lake, year, shown):
    put_session(s3, lake, dt.date(2018, 3, 14))
    put_session(s3, lake, dt.date(2022, 3, 14))

    found = taken(s3, lake, year)

    assert [each.number for each in found.years] == shown
    assert found.per_year == {2018: 1, 2019: 0, 2020: 0, 2021: 0, 2022: 1, 2023: 0, 2024: 0}


def test_before_2000_b3s_annual_file_says_which_days_were_sessions(s3, lake):
    put_session(s3, lake, dt.date(1990, 3, 14))
    days = [dt.date(1990, 3, 14), dt.date(1990, 3, 16)]
    s3.put_object(
        Bucket=lake.bucket, Key=layout.landing_quotes_key(layout.annual_quotes_file(1990)), Body=b"?",
        Metadata={known_sessions.SESSION_DAYS: known_sessions.encode(days)},
    )  # fmt: skip

    [year] = taken(s3, lake, 1990).years

    assert [(each.trade_date.day, each.state) for each in year.sessions] == [(14, "complete"), (16, "missing")]


def test_before_2000_without_that_file_nothing_is_said_to_be_missing(s3, lake):
    put_session(s3, lake, dt.date(1990, 3, 14))
    [year] = taken(s3, lake, 1990).years
    assert [each.state for each in year.sessions] == ["complete"]
