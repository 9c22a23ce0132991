import datetime as dt
import itertools

import pytest

from b3.calendar import sessions
from local.exchange.market import indexes


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


class TestIsSession:
    @pytest.mark.parametrize(
        "date",
        [
            "2020-05-01",  # Labour Day
            "2020-05-02",  # Saturday
            "2020-05-03",  # Sunday
            "2019-11-20",  # Black Awareness Day, a holiday of the city until 2019 …
            "2024-11-20",  # … and of the country since 2024
            "2025-11-20",
            "2026-11-20",
            "2020-12-24",
            "2020-12-31",
            "2021-12-24",
            "2021-12-31",
            "2020-02-25",  # Carnival
            "2020-06-11",  # Corpus Christi
            "2024-03-29",  # Good Friday
        ],
    )
    def test_b3_was_closed(self, date):
        assert not sessions.is_session(day(date))

    @pytest.mark.parametrize(
        "date",
        [
            "2020-04-30",
            "2020-11-20",
            "2023-11-20",
            "2020-02-26",  # Ash Wednesday, from 13:00
            "2024-02-14",  # Ash Wednesday
            "2020-07-03",  # closed in New York
            "2020-12-30",
            "1986-01-02",
        ],
    )
    def test_b3_was_open(self, date):
        assert sessions.is_session(day(date))

    def test_is_unknown_before_the_first_historical_quotes(self):
        with pytest.raises(ValueError, match="begin in 1986"):
            sessions.is_session(day("1985-12-30"))


class TestSessions:
    def test_includes_both_ends(self):
        assert sessions.sessions(day("2020-04-29"), day("2020-05-05")) == [
            day(date) for date in ("2020-04-29", "2020-04-30", "2020-05-04", "2020-05-05")
        ]

    def test_the_ends_need_not_be_sessions(self):
        assert sessions.sessions(day("2020-05-01"), day("2020-05-04")) == [day("2020-05-04")]
        assert sessions.sessions(day("2020-04-30"), day("2020-05-03")) == [day("2020-04-30")]

    def test_may_be_none(self):
        assert sessions.sessions(day("2020-05-01"), day("2020-05-03")) == []
        assert sessions.sessions(day("2020-05-05"), day("2020-05-04")) == []

    def test_run_on_over_the_years(self):
        assert sessions.sessions(day("2019-12-30"), day("2020-01-02")) == [day("2019-12-30"), day("2020-01-02")]
        assert sessions.sessions(day("2024-12-30"), day("2025-01-02")) == [day("2024-12-30"), day("2025-01-02")]

    def test_a_long_range_is_its_years_one_after_the_other(self):
        years = [sessions.sessions(dt.date(year, 1, 1), dt.date(year, 12, 31)) for year in range(2009, 2027)]

        whole = sessions.sessions(dt.date(2009, 1, 1), dt.date(2026, 12, 31))

        assert whole == sorted(set(whole))
        assert whole == list(itertools.chain.from_iterable(years))
        assert all(240 <= len(year) <= 252 for year in years)

    def test_begin_with_1986(self):
        assert sessions.sessions(dt.date(1986, 1, 1), day("1986-01-06")) == [
            day(date) for date in ("1986-01-02", "1986-01-03", "1986-01-06")
        ]
        with pytest.raises(ValueError, match=r"begin in 1986; asked for sessions from 1985-12-31"):
            sessions.sessions(dt.date(1985, 12, 31), day("1986-01-06"))

    @pytest.mark.parametrize("date", [dt.date(2101, 1, 3), dt.date(2300, 1, 2), dt.date.max])
    def test_end_with_what_anybody_knows(self, date):
        with pytest.raises(ValueError, match="the calendar of B3's sessions ends in 2100; asked for sessions up to"):
            sessions.is_session(date)


class TestLastRebalance:
    @pytest.mark.parametrize(
        ("date", "rebalance"),
        [
            ("2026-10-05", "2026-09-08"),  # the first Monday was the 7th, a holiday
            ("2026-09-08", "2026-09-08"),
            ("2026-09-07", "2026-05-04"),
            ("2026-09-04", "2026-05-04"),
            ("2024-05-31", "2024-05-06"),
            ("2024-01-02", "2024-01-02"),  # the first Monday was New Year's Day
            ("2024-01-01", "2023-09-04"),
            ("2023-12-31", "2023-09-04"),
            ("1986-01-06", "1986-01-06"),
            ("1986-01-02", "1985-09-02"),
        ],
    )
    def test_is_the_first_monday_of_january_may_or_september_or_the_session_after_it(self, date, rebalance):
        assert sessions.last_rebalance(day(date)) == day(rebalance)

    @pytest.mark.parametrize("year", [1987, 2012, 2024, 2026])
    def test_is_that_of_the_simulated_exchange(self, year):
        for date in sessions.sessions(dt.date(year, 1, 1), dt.date(year, 12, 31)):
            assert sessions.last_rebalance(date) == indexes.last_rebalance(date)

    def test_is_unknown_before_1986(self):
        with pytest.raises(ValueError, match="begin in 1986"):
            sessions.last_rebalance(day("1985-12-31"))


class TestNeighbours:
    @pytest.mark.parametrize(
        ("before", "date", "after"),
        [
            ("2020-04-29", "2020-04-30", "2020-05-04"),
            ("2020-04-30", "2020-05-01", "2020-05-04"),
            ("2020-04-30", "2020-05-03", "2020-05-04"),
            ("2020-04-30", "2020-05-04", "2020-05-05"),
            ("2019-12-30", "2020-01-01", "2020-01-02"),
            ("2024-12-30", "2025-01-02", "2025-01-03"),
            ("1985-12-30", "1986-01-02", "1986-01-03"),
        ],
    )
    def test_are_the_sessions_around_a_date(self, before, date, after):
        assert sessions.previous_session(day(date)) == day(before)
        assert sessions.next_session(day(date)) == day(after)

    def test_are_unknown_before_1986(self):
        with pytest.raises(ValueError, match="begin in 1986"):
            sessions.previous_session(day("1985-12-31"))

    def test_lead_from_session_to_session(self):
        year = sessions.sessions(dt.date(2020, 1, 1), dt.date(2020, 12, 31))

        assert [sessions.next_session(date) for date in year[:-1]] == year[1:]
        assert [sessions.previous_session(date) for date in year[1:]] == year[:-1]
