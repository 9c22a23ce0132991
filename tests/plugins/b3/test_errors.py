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
        errors.Unreadable,
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


class TestReading:
    @pytest.mark.parametrize(
        ("cause", "found"),
        [
            (RecursionError("maximum recursion depth exceeded"), "RecursionError: maximum recursion depth exceeded"),
            (MemoryError(), "MemoryError"),
            (AttributeError("of two\n  lines"), "AttributeError: of two lines"),
            (StopIteration(), "StopIteration"),
            (ValueError("half a letter \ud800"), "ValueError: half a letter \\ud800"),
            (OSError("x" * 1000), "OSError: " + "x" * 191 + "…"),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_says_what_nobody_foresaw_as_an_error_of_its_source(self, cause, found):
        with pytest.raises(errors.Unreadable) as error, errors.reading("https://b3.example/x"):
            raise cause

        assert (error.value.source, error.value.expected) == ("https://b3.example/x", "an answer that can be read")
        assert error.value.found == found
        assert error.value.__cause__ is cause
        assert str(error.value).encode()

    @pytest.mark.parametrize("error", [errors.Truncated(**FIELDS), KeyboardInterrupt(), SystemExit(1)], ids=repr)
    def test_leaves_what_is_said_already_and_what_ends_the_process(self, error):
        with pytest.raises(type(error)) as raised, errors.reading("https://b3.example/x"):
            raise error

        assert raised.value is error

    def test_is_nothing_else(self):
        with errors.reading("https://b3.example/x"):
            pass
