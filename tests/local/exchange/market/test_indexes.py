"""What the indexes hold, when it changes, and that it agrees with the quotes."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise

import pytest

from local.exchange.market import indexes, trading_days, universe

SESSION = dt.date(2026, 10, 5)
AFTER_A_CLOSURE = dt.date(1990, 3, 19)
REBALANCES = [indexes.rebalance(year, month) for year in range(2012, 2028) for month in indexes.REBALANCE_MONTHS]


def composition(portfolio):
    return {constituent.ticker: constituent.quantity for constituent in portfolio.constituents}


@pytest.mark.parametrize(
    ("year", "month", "day"),
    [
        pytest.param(2026, 1, 5, id="first Monday"),
        pytest.param(2024, 1, 2, id="Monday is New Year"),
        pytest.param(2023, 5, 2, id="Monday is Labour Day"),
        pytest.param(2026, 9, 8, id="Monday is Independence Day"),
    ],
)
def test_a_rebalance_is_on_the_first_monday_or_the_session_after_it(year, month, day):
    assert indexes.rebalance(year, month) == dt.date(year, month, day)


@pytest.mark.parametrize("index", indexes.INDEXES)
def test_every_rebalance_changes_the_composition(index):
    held = [set(composition(indexes.theoretical(index, day))) for day in REBALANCES]
    assert all(before != after for before, after in pairwise(held))


def test_an_index_has_about_as_many_constituents_as_the_real_one():
    for day in REBALANCES[::5]:
        counts = [len(indexes.portfolio(index, day).constituents) for index in ("IBOV", "IBXX", "SMLL")]
        assert 65 <= counts[0] <= 95
        assert counts[1] == 100
        assert 80 <= counts[2] <= 130


@pytest.mark.parametrize("index", indexes.INDEXES)
def test_weights_sum_to_the_whole_and_none_is_out_of_proportion(index):
    for day in REBALANCES[::5]:
        weights = [constituent.weight for constituent in indexes.portfolio(index, day).constituents]
        assert sum(weights) == indexes.WHOLE
        assert min(weights) > 0
        assert max(weights) < 20_000


@pytest.mark.parametrize("session", [dt.date(1987, 1, 2), AFTER_A_CLOSURE, SESSION], ids=str)
@pytest.mark.parametrize("index", indexes.INDEXES)
def test_a_weight_is_the_quantity_times_the_last_close(index, session, rows_of):
    found = indexes.portfolio(index, session)
    closes = {}
    before = session - dt.timedelta(days=1)
    for day in reversed(trading_days.sessions(session - dt.timedelta(days=14), before)):
        closes = {row.ticker: row.close for row in rows_of(day) if row.market_type == "010"} | closes
        if {constituent.ticker for constituent in found.constituents} <= closes.keys():
            break
    values = {ticker: quantity * closes[ticker] for ticker, quantity in composition(found).items()}
    for constituent in found.constituents:
        assert constituent.price == closes[constituent.ticker]
        exact = values[constituent.ticker] * indexes.WHOLE
        assert abs(constituent.weight * sum(values.values()) - exact) < sum(values.values())


@pytest.mark.parametrize("index", indexes.INDEXES)
def test_constituents_are_shares_and_units_listed_all_through_the_period(index):
    for day in (dt.date(1987, 1, 5), dt.date(1999, 9, 6), dt.date(2020, 5, 4), dt.date(2026, 9, 8)):
        last = trading_days.previous_session(indexes.next_rebalance(day))
        for date in (day, last):
            listed = universe.listed(date)
            shares = set(listed.take(listed.asset == b"share").ticker.astype(str).tolist())
            assert set(composition(indexes.portfolio(index, date))) <= shares


def test_quantities_change_at_a_rebalance_only():
    days = trading_days.sessions(dt.date(2026, 5, 4), dt.date(2026, 9, 8))
    held = [composition(indexes.portfolio("IBOV", day)) for day in days]
    assert all(each == held[0] for each in held[:-1])
    assert held[-1] != held[0]


def test_on_some_sessions_one_constituent_has_no_quote(rows_of):
    counts = set()
    for day in trading_days.sessions(dt.date(2026, 10, 5), dt.date(2026, 10, 9)):
        traded = {row.ticker for row in rows_of(day) if row.market_type == "010"}
        counts.add(len(composition(indexes.portfolio("IBOV", day)).keys() - traded))
    assert counts == {0, 1}


def test_ibov_is_within_ibxx_and_the_small_caps_are_not_the_large_ones():
    ibov, ibxx, smll = (set(composition(indexes.portfolio(index, SESSION))) for index in ("IBOV", "IBXX", "SMLL"))
    assert ibov < ibxx
    assert 0 < len(smll & ibov) < len(ibov) / 3


@pytest.mark.parametrize("index", indexes.INDEXES)
@pytest.mark.parametrize("rebalanced", [dt.date(2024, 1, 2), dt.date(2026, 5, 4), dt.date(2026, 9, 8)])
def test_previews_are_the_portfolio_after_the_rebalance(index, rebalanced):
    since = indexes.preview_since(rebalanced)
    after = composition(indexes.portfolio(index, rebalanced))
    for day in trading_days.sessions(since, trading_days.previous_session(rebalanced)):
        assert composition(indexes.preview(index, day)) == after
    assert composition(indexes.portfolio(index, since)) != after


@pytest.mark.parametrize("day", [dt.date(2026, 5, 4), dt.date(2026, 7, 31), dt.date(2026, 9, 8)])
def test_without_a_rebalance_near_the_last_preview_stands(day):
    assert indexes.preview("IBOV", day) == indexes.theoretical("IBOV", day)
    assert composition(indexes.preview("IBOV", day)) == composition(indexes.portfolio("IBOV", day))


def test_previews_begin_with_the_month_before():
    assert indexes.preview_since(dt.date(2026, 5, 4)) == dt.date(2026, 4, 1)
    assert indexes.preview_since(dt.date(2027, 1, 4)) == dt.date(2026, 12, 1)


def test_the_reductor_stays_and_the_theoretical_portfolio_is_that_of_the_rebalance():
    first = indexes.portfolio("IBOV", dt.date(2026, 9, 8))
    assert indexes.theoretical("IBOV", SESSION) == first
    assert indexes.portfolio("IBOV", SESSION).reductor == first.reductor


def test_the_portfolio_of_a_day_without_session_is_the_next_one():
    for date in (dt.date(2026, 9, 5), dt.date(2026, 9, 6), dt.date(2026, 9, 7), dt.date(2026, 9, 8)):
        assert indexes.session_for(date) == dt.date(2026, 9, 8)


def test_the_portfolio_of_a_closure_is_that_of_the_session_after_it():
    for day in (14, 15, 16):
        assert indexes.session_for(dt.date(1990, 3, day)) == AFTER_A_CLOSURE


@pytest.mark.parametrize("year", range(1987, 2000))
def test_every_old_year_has_portfolios_through_all_its_periods(year):
    for month in indexes.REBALANCE_MONTHS:
        rebalance = indexes.rebalance(year, month)
        last = trading_days.previous_session(indexes.next_rebalance(rebalance))
        for index in indexes.INDEXES:
            first_of_it = indexes.portfolio(index, rebalance)
            assert len(first_of_it.constituents) > 60
            assert composition(indexes.portfolio(index, last)) == composition(first_of_it)


def test_the_first_portfolios_have_all_three_kinds():
    for kind in (indexes.portfolio, indexes.theoretical, indexes.preview):
        assert len(kind("IBOV", dt.date(1987, 1, 2)).constituents) > 60


@pytest.mark.parametrize(
    ("index", "date"),
    [
        ("IBOV", dt.date(1986, 12, 30)),
        ("IBOV", dt.date(1990, 3, 14)),
        ("IBOV", dt.date(2026, 9, 6)),
        ("XXXX", SESSION),
    ],
)
def test_what_has_no_portfolio_is_refused(index, date):
    with pytest.raises(ValueError, match=r"no portfolio|no index"):
        indexes.portfolio(index, date)
