import datetime as dt
from types import SimpleNamespace

import pytest

from b3.airflow import event_sessions
from b3.airflow.event_sessions import INDEX_STOCKS, Sessions
from b3.calendar import sessions

BY_EVENTS = SimpleNamespace(run_id="asset__1", run_type="asset_triggered", conf={}, logical_date=None)


def event(first: str, last: str | None = None) -> SimpleNamespace:
    return SimpleNamespace(extra={"first_date": first, "last_date": last or first, "rows": 85})


def days(*texts: str) -> Sessions:
    return Sessions(tuple(map(dt.date.fromisoformat, texts)))


def test_are_that_of_the_event_which_has_no_logical_date():
    assert event_sessions.of_run(BY_EVENTS, {INDEX_STOCKS: [event("2024-03-14")]}) == days("2024-03-14")


def test_after_a_pause_are_those_of_all_events_meanwhile_each_once_and_in_order():
    events = [event("2024-03-12"), event("2024-03-14"), event("2024-03-14")]

    assert event_sessions.of_run(BY_EVENTS, {INDEX_STOCKS: events}) == days("2024-03-12", "2024-03-14")


def test_after_a_long_pause_are_the_newest_and_the_log_names_the_others(caplog):
    year = sessions.sessions(dt.date(2024, 1, 2), dt.date(2024, 12, 30))

    found = event_sessions.of_run(BY_EVENTS, {INDEX_STOCKS: [event(str(day)) for day in year]})

    assert found == Sessions(tuple(year[-10:]))
    assert f"found {len(year)}: left out 2024-01-02 to {year[-11]}, trigger b3_visual by hand" in caplog.text


@pytest.mark.parametrize("extra", [None, {}, {"rows": 85}, {"first_date": "2024-03-13", "last_date": None}])
def test_of_an_event_that_does_not_say_its_dates_are_an_error_with_a_way_out(extra):
    events = {INDEX_STOCKS: [SimpleNamespace(extra=extra)]}

    with pytest.raises(ValueError, match=r"expected first_date and last_date .*, found .*: trigger b3_visual by hand"):
        event_sessions.of_run(BY_EVENTS, events)


def test_of_an_event_of_several_days_are_the_sessions_among_them():
    events = {INDEX_STOCKS: [event("2024-03-28", "2024-04-01")]}

    assert event_sessions.of_run(BY_EVENTS, events) == days("2024-03-28", "2024-04-01")


@pytest.mark.parametrize("events", [None, {}])
def test_of_a_run_by_hand_is_the_trade_date_of_its_conf(events):
    by_hand = SimpleNamespace(run_id="m", run_type="manual", conf={"trade_date": "2024-03-13"}, logical_date=None)

    assert event_sessions.of_run(by_hand, events) == days("2024-03-13")


def test_of_a_run_with_neither_is_an_error():
    with pytest.raises(ValueError, match="asset__1 has no logical date"):
        event_sessions.of_run(BY_EVENTS, {})


def test_are_shown_and_asked_for():
    several = days("2024-02-29", "2024-03-01", "2024-03-04")

    assert str(several) == "2024-02-29, 2024-03-01, 2024-03-04"
    assert several.sql == "trade_date IN (date '2024-02-29', date '2024-03-01', date '2024-03-04')"
    assert several.argument == "2024-02-29,2024-03-01,04"
