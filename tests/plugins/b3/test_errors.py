import datetime as dt
import pickle

import pytest

from b3 import errors

FIELDS = {
    "source": "COTAHIST_D30042020.ZIP",
    "expected": "4,266 records",
    "found": "4,000",
    "hint": "Download it again.",
}


@pytest.mark.parametrize(
    "kind",
    [
        errors.SourceError,
        errors.TransientError,
        errors.NotPublished,
        errors.NoPortfolio,
        errors.OtherSession,
        errors.CalendarDiffers,
        errors.Truncated,
        errors.BadLayout,
        errors.WrongDate,
        errors.NotB3Data,
    ],
)
def test_an_error_says_what_was_read_expected_and_found_and_what_to_do_next(kind):
    error = kind(**FIELDS)

    assert str(error) == "COTAHIST_D30042020.ZIP: expected 4,266 records; found 4,000. Download it again."
    assert {name: getattr(error, name) for name in FIELDS} == FIELDS
    assert isinstance(error, errors.SourceError)


def test_an_error_survives_the_way_from_one_process_to_another():
    error = errors.Truncated(**FIELDS)
    error.add_note("seen by the worker")

    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is errors.Truncated
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_a_closed_day_names_the_sessions_around_it():
    error = errors.ClosedDay(
        source="COTAHIST_D01052020.ZIP",
        trade_date=dt.date(2020, 5, 1),
        previous=dt.date(2020, 4, 30),
        following=dt.date(2020, 5, 4),
    )

    assert str(error) == (
        "COTAHIST_D01052020.ZIP: expected a trading session; found Friday 2020-05-01, on which B3 was closed. "
        "Ask for 2020-04-30, the session before it, or 2020-05-04, the one after."
    )
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.trade_date, copy.previous, copy.following) == (
        dt.date(2020, 5, 1),
        dt.date(2020, 4, 30),
        dt.date(2020, 5, 4),
    )
