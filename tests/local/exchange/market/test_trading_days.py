"""The days on which the simulated market trades, held against what is known of B3's."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right

import pytest

from b3.calendar import sessions as calendar
from local.exchange.files import cotahist_file
from local.exchange.market import indexes, trading_days

# Sessions in B3's annual files.
REAL = {
    1986: 248,
    1987: 240,
    1988: 246,
    1989: 242,
    1990: 241,
    1991: 247,
    1992: 247,
    1993: 246,
    1994: 245,
    1995: 245,
    1996: 248,
    1997: 249,
    1998: 246,
    1999: 246,
}
FIRST, LAST = dt.date(1986, 1, 1), dt.date(1999, 12, 31)


def of_year(year, source=trading_days):
    return source.sessions(dt.date(year, 1, 1), dt.date(year, 12, 31))


@pytest.mark.parametrize(("year", "count"), REAL.items())
def test_a_year_has_as_many_sessions_as_the_file_of_b3(year, count):
    days = of_year(year)
    assert len(days) == count
    assert days == sorted(set(days))


def test_in_all_they_are_45_fewer_than_in_the_calendar():
    assert len(calendar.sessions(FIRST, LAST)) - len(trading_days.sessions(FIRST, LAST)) == 45


def test_the_market_was_closed_before_the_currency_reform_of_1990():
    days = trading_days.sessions(dt.date(1990, 3, 12), dt.date(1990, 3, 20))
    assert [day.day for day in days] == [12, 13, 19, 20]


def test_one_session_is_a_saturday_and_has_three_rows(rows_of):
    beyond = set(trading_days.sessions(FIRST, LAST)) - set(calendar.sessions(FIRST, LAST))
    (saturday,) = beyond
    assert (saturday.year, saturday.strftime("%A")) == (1986, "Saturday")
    rows = rows_of(saturday)
    assert len({row.ticker for row in rows}) == len(rows) == 3
    assert {row.market_type for row in rows} == {"010"}
    assert {row.trade_date for row in rows} == {f"{saturday:%Y%m%d}"}


def test_prices_of_the_saturday_are_near_those_of_the_friday(rows_of):
    saturday = trading_days.SATURDAY
    traded = {row.ticker for row in rows_of(saturday)}
    friday = rows_of(saturday - dt.timedelta(days=1))
    assert traded < {row.ticker for row in friday}
    closes = {row.ticker: row.close for row in friday}
    assert all(0.8 < row.close / closes[row.ticker] < 1.25 for row in rows_of(saturday))


def test_from_2000_on_it_is_the_calendar():
    assert trading_days.sessions(dt.date(2000, 1, 1), dt.date(2030, 12, 31)) == calendar.sessions(
        dt.date(2000, 1, 1), dt.date(2030, 12, 31)
    )
    for n in range(1, 500):
        date = dt.date(1999, 12, 31) + dt.timedelta(days=23 * n)
        assert trading_days.is_session(date) == calendar.is_session(date)
        assert trading_days.previous_session(date) == calendar.previous_session(date)
        assert trading_days.next_session(date) == calendar.next_session(date)


def test_a_period_may_reach_from_one_century_into_the_other():
    days = trading_days.sessions(dt.date(1999, 12, 29), dt.date(2000, 1, 4))
    assert days == [dt.date(1999, 12, 29), dt.date(1999, 12, 30), dt.date(2000, 1, 3), dt.date(2000, 1, 4)]
    assert trading_days.sessions(dt.date(2000, 1, 4), dt.date(1999, 12, 29)) == []


@pytest.mark.parametrize("year", [1986, 1987, 1990])
def test_neighbours_lead_over_closures_and_the_saturday(year):
    days = trading_days.sessions(dt.date(year, 1, 1), dt.date(year + 1, 1, 31))
    for n in range(1, 365):
        date = days[0] + dt.timedelta(days=n)
        assert trading_days.previous_session(date) == days[bisect_left(days, date) - 1]
        assert trading_days.next_session(date) == days[bisect_right(days, date)]
        assert trading_days.is_session(date) == (date in days[bisect_left(days, date) :][:1])


def test_the_session_before_the_first_is_that_of_the_calendar():
    assert trading_days.previous_session(dt.date(1986, 1, 2)) == dt.date(1985, 12, 30)


@pytest.mark.parametrize("year", REAL)
def test_closures_leave_the_ends_of_a_year_and_the_rebalances_of_indexes(year):
    days, of_calendar = of_year(year), of_year(year, calendar)
    assert (days[0], days[-1]) == (of_calendar[0], of_calendar[-1])
    for month in indexes.REBALANCE_MONTHS:
        rebalance = indexes.rebalance(year, month)
        assert calendar.last_rebalance(rebalance) == rebalance


def test_before_1986_nothing_is_known():
    for ask in (trading_days.is_session, trading_days.previous_session, lambda day: trading_days.sessions(day, LAST)):
        with pytest.raises(ValueError, match="begin in 1986"):
            ask(dt.date(1985, 12, 30))


@pytest.mark.parametrize("date", [dt.date(1990, 3, 14), dt.date(1986, 11, 23), dt.date(1999, 12, 31)])
def test_a_day_without_session_has_no_quotes(date):
    assert not trading_days.is_session(date)
    with pytest.raises(ValueError, match=f"no session on {date}"):
        cotahist_file.session_columns(date)
