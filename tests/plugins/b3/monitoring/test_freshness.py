"""How many sessions the lake is behind."""

import datetime as dt

import pytest

from b3.lake import layout
from b3.monitoring import freshness

# Carnival of 2024: closed on 12 and 13 February.
FRIDAY, WEDNESDAY, THURSDAY = dt.date(2024, 2, 9), dt.date(2024, 2, 14), dt.date(2024, 2, 15)


def sao_paulo(text):
    return dt.datetime.fromisoformat(f"{text}-03:00")


@pytest.mark.parametrize(
    ("now", "session"),
    [
        ("2024-02-10T08:00", FRIDAY),
        ("2024-02-12T08:00", FRIDAY),
        ("2024-02-14T08:00", FRIDAY),
        ("2024-02-15T08:00", WEDNESDAY),
        ("2024-02-15T23:59", WEDNESDAY),
        ("2024-02-16T00:00", THURSDAY),
    ],
    ids=["saturday", "carnival", "the first morning after", "the second", "late that evening", "midnight"],
)
def test_the_session_before_today_is_due(now, session):
    assert freshness.due(sao_paulo(now)) == session


class TestSessionsBehind:
    @pytest.fixture
    def passed(self, s3, lake):
        return lambda *days: [
            s3.put_object(Bucket=lake.bucket, Key=layout.run_metrics_key(day, "b3_daily"), Body=b"-") for day in days
        ]

    def test_are_none_once_the_checks_of_the_session_have_passed(self, s3, lake, passed):
        passed(WEDNESDAY)

        assert freshness.sessions_behind(s3, lake, WEDNESDAY) == (0, WEDNESDAY)

    def test_do_not_count_closed_days(self, s3, lake, passed):
        passed(FRIDAY)

        assert freshness.sessions_behind(s3, lake, WEDNESDAY) == (1, FRIDAY)
        assert freshness.sessions_behind(s3, lake, THURSDAY) == (2, FRIDAY)

    def test_count_a_gap_behind_a_good_session(self, s3, lake, passed):
        passed(FRIDAY, THURSDAY)

        assert freshness.sessions_behind(s3, lake, THURSDAY) == (1, THURSDAY)

    @pytest.mark.parametrize("last", [THURSDAY, dt.date(2024, 2, 16)], ids=["the session that is due", "a newer one"])
    def test_of_a_gap_that_a_run_of_years_filled_are_none(self, s3, lake, passed, last):
        key, metadata = layout.run_metrics_key(last, "b3_history"), {"first-session": "2024-01-02", "rows": "1"}
        s3.put_object(Bucket=lake.bucket, Key=key, Body=b"-", Metadata=metadata)
        passed(dt.date(2023, 12, 28))

        assert freshness.sessions_behind(s3, lake, THURSDAY) == (0, THURSDAY)

    def test_are_not_looked_for_without_end(self, s3, lake, passed):
        passed(dt.date(2023, 12, 1))

        assert freshness.sessions_behind(s3, lake, WEDNESDAY) == (freshness.MOST, None)

    def test_of_a_new_lake_have_not_begun(self, s3, lake, passed):
        assert freshness.has_begun(s3, lake) is False

        passed(FRIDAY)

        assert freshness.has_begun(s3, lake) is True
