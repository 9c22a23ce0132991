"""The state of a session follows from the objects that exist."""

import datetime as dt

import pytest

from b3.page.listing import Further, Sessions, Stored
from b3.page.states import Reason, Session, State, sessions_of

DAY = dt.date(2024, 3, 14)
STORED = Stored("etag", 1, dt.datetime(2024, 3, 15, tzinfo=dt.UTC))
JUST_DAY = frozenset({DAY})


def state_of(date=DAY, *, raw=(DAY,), refined=(DAY,), reports=(), last_published=dt.date(2024, 12, 30), **further):
    further.setdefault("findings", JUST_DAY)
    sessions = Sessions(dict.fromkeys(raw, STORED), dict.fromkeys(refined, STORED), frozenset(reports), STORED.modified)
    [found] = sessions_of(2024, [date], sessions, Further(**further), last_published)[-1:]
    assert found.trade_date == date
    return found


def test_a_session_with_raw_and_refined_quotes_and_findings_is_complete():
    assert state_of() == Session(DAY, State.COMPLETE)


def test_a_report_is_told_and_not_needed():
    assert state_of(reports=[DAY]) == Session(DAY, State.COMPLETE, (), has_report=True)


@pytest.mark.parametrize(
    ("lake", "reason"),
    [
        ({"refined": ()}, Reason.NOT_REFINED),
        ({"raw": ()}, Reason.NO_RAW),
        ({"findings": frozenset()}, Reason.NO_FINDINGS),
        ({"stale": JUST_DAY}, Reason.STALE),
        ({"portfolios": JUST_DAY}, Reason.NO_CONSTITUENTS),
    ],
)
def test_a_session_that_lacks_something_is_partial_and_says_what(lake, reason):
    assert state_of(**lake) == Session(DAY, State.PARTIAL, (reason,))


def test_a_portfolio_with_its_constituents_is_complete():
    assert state_of(portfolios=JUST_DAY, constituents=JUST_DAY).state == State.COMPLETE


def test_all_reasons_are_told():
    found = state_of(stale=JUST_DAY, findings=frozenset(), portfolios=JUST_DAY)
    assert found.reasons == (Reason.STALE, Reason.NO_FINDINGS, Reason.NO_CONSTITUENTS)


def test_a_portfolio_that_landed_before_its_quotes_does_not_make_a_session():
    assert state_of(dt.date(2024, 3, 15), portfolios=frozenset({dt.date(2024, 3, 15)})).state == State.MISSING


@pytest.mark.parametrize(
    ("date", "state"),
    [
        (dt.date(2024, 3, 13), State.BEFORE),
        (dt.date(2024, 3, 15), State.MISSING),
        (dt.date(2024, 3, 18), State.MISSING),
        (dt.date(2024, 3, 19), State.AHEAD),
    ],
)
def test_a_session_without_quotes_is_missing_from_the_lakes_first_to_the_last_that_is_published(date, state):
    sessions = Sessions({DAY: STORED}, {DAY: STORED}, frozenset(), STORED.modified)
    found = sessions_of(2024, [date], sessions, Further(findings=JUST_DAY), dt.date(2024, 3, 18))
    assert {each.trade_date: each.state for each in found} == {DAY: State.COMPLETE, date: state}


def test_quotes_of_a_day_that_the_calendar_lacks_are_shown_in_order():
    found = sessions_of(
        2024, [dt.date(2024, 3, 13), dt.date(2024, 3, 15)],
        Sessions({DAY: STORED}, {DAY: STORED}, frozenset(), STORED.modified),
        Further(findings=JUST_DAY), dt.date(2024, 3, 15),
    )  # fmt: skip
    assert [each.trade_date.day for each in found] == [13, 14, 15]
