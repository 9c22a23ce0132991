import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from b3.calendar import publication

SAO_PAULO = ZoneInfo("America/Sao_Paulo")
SESSION = dt.date(2020, 4, 30)


def sao_paulo(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=SAO_PAULO)


def test_a_session_is_published_by_half_past_ten_in_the_evening():
    assert publication.due(SESSION) == dt.datetime(2020, 5, 1, 1, 30, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("hours", "when"),
    [(36, "2020-05-01T12:00"), (24, "2020-05-01T00:00"), (0, "2020-04-30T00:00"), (84, "2020-05-03T12:00")],
)
def test_the_deadline_counts_from_the_beginning_of_the_day(hours, when):
    assert publication.deadline(SESSION, hours) == sao_paulo(when)


def test_the_deadline_is_noon_of_the_next_day_even_when_clocks_change():
    assert publication.deadline(dt.date(2018, 11, 3)) == sao_paulo("2018-11-04T12:00")


def test_the_present_is_aware():
    assert publication.now().tzinfo is dt.UTC


class TestTheLastSessionOfWhichAllIsPublished:
    @pytest.mark.parametrize(
        ("now", "session"),
        [
            ("2024-03-14T22:45", "2024-03-14"),
            ("2024-03-14T22:44", "2024-03-13"),
            ("2024-03-16T12:00", "2024-03-15"),
            ("2020-05-01T23:00", "2020-04-30"),
        ],
        ids=["all is there", "the year's file is to come", "Saturday", "holiday"],
    )
    def test_goes_by_sao_paulos_clock(self, now, session):
        assert publication.last_published(sao_paulo(now).astimezone(dt.UTC)) == dt.date.fromisoformat(session)
