import datetime as dt

import pytest

from b3.errors import ClosedDay
from local.lake import session_given

# It is still the 14th in São Paulo.
NOW = dt.datetime(2024, 3, 15, 2, 30, tzinfo=dt.UTC)


@pytest.mark.parametrize("text", ["abc", "14/03/2024", "2024-02-30", ""])
def test_a_text_that_is_no_date_is_told_in_a_sentence(text):
    with pytest.raises(ValueError, match=f"expected DATE=YYYY-MM-DD, such as 2024-03-14; found DATE={text}"):
        session_given.parse(text)


def test_todays_session_is_taken():
    session_given.check(session_given.parse("2024-03-14"), NOW)


def test_a_session_that_is_yet_to_come_is_refused():
    with pytest.raises(ValueError, match="found DATE=2024-03-15, which is yet to come: today is 2024-03-14"):
        session_given.check(dt.date(2024, 3, 15), NOW)


def test_a_closed_day_is_refused():
    with pytest.raises(ClosedDay, match="Sunday 2024-03-10, on which B3 was closed"):
        session_given.check(dt.date(2024, 3, 10), NOW)
