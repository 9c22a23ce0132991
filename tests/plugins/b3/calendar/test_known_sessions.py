import datetime as dt
import hashlib
import io
from collections.abc import Callable
from typing import Any

import pytest

from b3.calendar import known_sessions, sessions
from b3.errors import ClosedDay
from b3.lake import landed
from b3.quotes import land
from b3.site.hook import Download
from tests.plugins.b3.exchange import Answer
from tests.plugins.b3.quotes.cotahist.cotahist_lines import build_file, build_zip, record


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


class CountingS3:
    """S3 that answers HEAD requests alone, and notes what they were for."""

    def __init__(self, s3: Any) -> None:
        self._s3 = s3
        self.exceptions = s3.exceptions
        self.asked: list[str] = []

    def head_object(self, **arguments: str) -> Any:
        self.asked.append(arguments["Key"].rpartition("/")[2])
        return self._s3.head_object(**arguments)


@pytest.fixture
def asked_s3(s3) -> CountingS3:
    return CountingS3(s3)


@pytest.fixture
def land_year(exchange, hook_to, s3, lake) -> Callable[..., None]:
    """Bring B3's file of a year, with a record on each of these days, to landing/ as `b3_history` does."""

    def capture(*days: str) -> None:
        exchange.will(Answer(body=build_zip(build_file([record(DATPRE=day(text)) for text in days]))))
        land.capture_year(hook_to(exchange.url, attempts=1), s3, lake, day(days[0]).year)

    return capture


def put_by_hand(s3: Any, lake: Any, year: int, **metadata: str) -> None:
    key = f"landing/quotes/COTAHIST_A{year}.ZIP"
    download = Download("https://b3.example/", hashlib.sha256(b"").hexdigest(), 0, dt.datetime.now(dt.UTC), "b3")
    landed.keep(s3, lake, key, io.BytesIO(), download, **metadata)


class TestTheListInAFilesMetadata:
    @pytest.mark.parametrize(
        ("days", "text"),
        [
            ([], "0"),
            (["1990-01-01"], "1"),
            (["1990-01-05", "1990-01-02"], "12"),
            (["1988-12-31"], "2" + "0" * 91),
        ],
    )
    def test_is_a_bit_for_each_day_of_the_year(self, days, text):
        assert known_sessions.encode(day(each) for each in days) == text

    @pytest.mark.parametrize("year", [1988, 1990])
    def test_is_read_as_it_was_written(self, year):
        days = sessions.sessions(dt.date(year, 1, 1), dt.date(year, 12, 31))

        assert known_sessions.decode(known_sessions.encode(days), year) == days

    def test_takes_92_bytes_at_most(self):
        days = [dt.date(1988, 1, 1) + dt.timedelta(number) for number in range(366)]

        assert len(known_sessions.encode(days)) == 92
        assert known_sessions.decode(known_sessions.encode(days), 1988) == days

    @pytest.mark.parametrize("text", ["", "12z", "0x12", "-1", "1F", "2" + "0" * 91, "1" + "0" * 92])
    def test_that_is_something_else_is_refused(self, text):
        """The last but one is the 366th day, which 1990 has not."""
        with pytest.raises(ValueError, match="expected a bitmap of 365 days in hexadecimal digits, found"):
            known_sessions.decode(text, 1990)


class TestFrom2000On:
    """The calendar knows; there is no S3 to ask."""

    @pytest.mark.parametrize(("date", "held"), [("2020-04-30", True), ("2020-05-01", False), ("2020-05-02", False)])
    def test_a_session_is_the_calendars(self, lake, date, held):
        assert known_sessions.is_session(None, lake, day(date)) is held

    @pytest.mark.parametrize(("date", "before"), [("2020-05-04", "2020-04-30"), ("2000-01-03", "1999-12-30")])
    def test_so_is_the_session_before(self, lake, date, before):
        assert known_sessions.previous_session(None, lake, day(date)) == day(before)

    def test_a_closed_day_has_the_calendars_neighbours(self, lake):
        with pytest.raises(ClosedDay, match=r"B3 was closed\. Ask for 2020-04-30, .*, or 2020-05-04, the one after\.$"):
            known_sessions.check_session(None, lake, day("2020-05-01"))


class TestAYearBefore2000WhoseFileIsInLanding:
    @pytest.fixture(autouse=True)
    def landed(self, land_year):
        land_year("1990-03-13", "1990-03-19", "1990-12-28")

    @pytest.mark.parametrize("date", ["1990-03-14", "1990-03-15", "1990-03-16", "1990-03-17", "1990-03-18"])
    def test_has_no_session_on_a_day_without_a_record(self, s3, lake, date):
        assert not known_sessions.is_session(s3, lake, day(date))

    @pytest.mark.parametrize("date", ["1990-01-02", "1990-12-31"])
    def test_nor_before_its_first_and_after_its_last(self, s3, lake, date):
        assert not known_sessions.is_session(s3, lake, day(date))

    def test_has_one_on_each_day_with_a_record(self, s3, lake):
        assert known_sessions.sessions_of_year(s3, lake, 1990) == [
            day(date) for date in ("1990-03-13", "1990-03-19", "1990-12-28")
        ]
        assert known_sessions.is_session(s3, lake, day("1990-03-19"))

    def test_may_have_one_on_a_saturday_that_the_calendar_lacks(self, s3, lake, land_year):
        land_year("1986-05-23", "1986-05-24", "1986-05-26", "1986-12-30")

        assert known_sessions.is_session(s3, lake, day("1986-05-24"))
        assert known_sessions.previous_session(s3, lake, day("1986-05-26")) == day("1986-05-24")

    @pytest.mark.parametrize(
        ("date", "before"),
        [("1990-03-19", "1990-03-13"), ("1990-03-16", "1990-03-13"), ("1990-03-20", "1990-03-19")],
    )
    def test_has_the_session_before_another(self, s3, lake, date, before):
        assert known_sessions.previous_session(s3, lake, day(date)) == day(before)

    @pytest.mark.parametrize("last", ["1989-12-26", "1989-12-29"], ids=["earlier", "later"])
    def test_the_one_before_its_first_is_the_last_in_the_file_of_the_year_before(self, s3, lake, land_year, last):
        """The calendar has 1989-12-28."""
        land_year("1989-12-20", last)

        assert known_sessions.previous_session(s3, lake, day("1990-03-13")) == day(last)

    def test_the_one_before_its_first_is_the_calendars_without_that_file(self, s3, lake):
        assert known_sessions.previous_session(s3, lake, day("1990-03-13")) == day("1989-12-28")

    def test_is_asked_for_once(self, asked_s3, lake):
        with pytest.raises(ClosedDay):
            known_sessions.check_session(asked_s3, lake, day("1990-03-14"))

        assert asked_s3.asked == ["COTAHIST_A1990.ZIP"]

    def test_is_asked_for_with_the_year_before_where_that_has_the_session_before(self, asked_s3, lake):
        known_sessions.previous_session(asked_s3, lake, day("1990-03-13"))

        assert asked_s3.asked == ["COTAHIST_A1990.ZIP", "COTAHIST_A1989.ZIP"]

    def test_a_closed_day_names_the_file_and_the_sessions_around_it(self, s3, lake):
        with pytest.raises(ClosedDay) as error:
            known_sessions.check_session(s3, lake, day("1990-03-14"))

        assert (error.value.previous, error.value.following) == (day("1990-03-13"), day("1990-03-19"))
        assert str(error.value) == (
            "COTAHIST_D14031990.ZIP: expected a trading session; found Wednesday 1990-03-14, on which B3 was closed "
            "(no record in COTAHIST_A1990.ZIP). "
            "Ask for 1990-03-13, the session before it, or 1990-03-19, the one after."
        )

    def test_a_closed_day_at_its_end_is_followed_by_the_first_of_the_next_year(self, s3, lake, land_year):
        assert following(s3, lake, "1990-12-31") == day("1991-01-02")

        land_year("1991-01-03", "1991-12-30")

        assert following(s3, lake, "1990-12-31") == day("1991-01-03")

    def test_a_closed_day_at_the_beginning_of_the_historical_quotes_has_none_before(self, s3, lake, land_year):
        land_year("1986-01-02", "1986-12-30")

        with pytest.raises(ClosedDay, match=r"A1986\.ZIP\)\. Ask for 1986-01-02, the one after\.$"):
            known_sessions.check_session(s3, lake, day("1986-01-01"))

    def test_a_session_passes(self, s3, lake):
        known_sessions.check_session(s3, lake, day("1990-03-19"))


def following(s3: Any, lake: Any, date: str) -> dt.date:
    with pytest.raises(ClosedDay) as error:
        known_sessions.check_session(s3, lake, day(date))
    return error.value.following


class TestAFileThatEndsInTheMiddleOfItsYear:
    """As a simulated exchange gives it, whose today is a day of that year."""

    @pytest.fixture(autouse=True)
    def landed(self, land_year):
        land_year("1990-03-12", "1990-03-14")

    def test_tells_up_to_its_last_session(self, s3, lake):
        assert not known_sessions.is_session(s3, lake, day("1990-03-13"))
        assert known_sessions.previous_session(s3, lake, day("1990-03-15")) == day("1990-03-14")

    @pytest.mark.parametrize(("date", "possible"), [("1990-03-15", True), ("1990-03-17", True), ("1990-03-18", False)])
    def test_leaves_the_days_after_it_unknown(self, s3, lake, date, possible):
        assert known_sessions.is_session(s3, lake, day(date)) is possible

    def test_leaves_the_session_before_these_to_the_calendar(self, s3, lake):
        assert known_sessions.previous_session(s3, lake, day("1990-03-20")) == day("1990-03-19")

    def test_knows_better_than_the_calendar_that_it_ends_on_a_saturday(self, s3, lake, land_year):
        land_year("1986-05-23", "1986-05-24")

        assert known_sessions.previous_session(s3, lake, day("1986-05-26")) == day("1986-05-24")

    def test_does_not_have_the_last_session_of_the_year(self, s3, lake):
        assert known_sessions.previous_session(s3, lake, day("1991-01-02")) == day("1990-12-28")

    def test_does_not_have_the_session_after_a_sunday(self, s3, lake):
        assert following(s3, lake, "1990-03-18") == day("1990-03-19")


class TestAnUnknownYear:
    @pytest.fixture(params=["no file", "a file put by hand", "a list that is none", "an empty list"], autouse=True)
    def in_landing(self, request, s3, lake):
        metadata = {"a list that is none": {"session-days": "everyday"}, "an empty list": {"session-days": "0"}}
        if request.param != "no file":
            put_by_hand(s3, lake, 1990, **metadata.get(request.param, {}))
        return request.param

    def test_has_no_list(self, s3, lake, in_landing, caplog):
        assert known_sessions.sessions_of_year(s3, lake, 1990) is None
        assert ("found 'everyday'" in caplog.text) is (in_landing == "a list that is none")

    @pytest.mark.parametrize(
        "date", ["1990-03-14", "1990-03-17", "1990-12-25"], ids=["Wednesday", "Saturday", "holiday"]
    )
    def test_may_have_a_session_on_any_day_of_the_week(self, s3, lake, date):
        assert known_sessions.is_session(s3, lake, day(date))

    def test_has_none_on_a_sunday(self, s3, lake):
        with pytest.raises(
            ClosedDay, match=r"Sunday 1990-03-18, on which B3 was closed\. Ask for 1990-03-16, .*, or 1990-03-19, the"
        ):
            known_sessions.check_session(s3, lake, day("1990-03-18"))

    def test_has_the_calendars_session_before(self, s3, lake):
        assert known_sessions.previous_session(s3, lake, day("1990-03-19")) == day("1990-03-16")

    def test_comes_after_the_last_session_of_a_known_one(self, s3, lake, land_year):
        land_year("1989-12-20", "1989-12-27")

        assert known_sessions.previous_session(s3, lake, day("1990-01-02")) == day("1989-12-27")


class TestBefore1986:
    def test_nothing_is_known(self, s3, lake):
        with pytest.raises(ValueError, match="begin in 1986"):
            known_sessions.is_session(s3, lake, day("1985-12-30"))
        with pytest.raises(ValueError, match="begin in 1986"):
            known_sessions.previous_session(s3, lake, day("1985-12-30"))

    def test_lies_the_session_before_the_first(self, s3, lake):
        assert known_sessions.previous_session(s3, lake, day("1986-01-02")) == day("1985-12-30")


class TestWhatIsSureWithoutTheLake:
    @pytest.mark.parametrize("date", ["1990-03-18", "2020-05-01", "2020-05-02"], ids=["Sunday", "holiday", "Saturday"])
    def test_a_closed_day_is_refused(self, date):
        with pytest.raises(ClosedDay, match=r"on which B3 was closed\. Ask for"):
            known_sessions.check_possible(day(date))

    @pytest.mark.parametrize("date", ["1986-05-24", "1990-03-14", "1999-12-31", "2020-04-30"])
    def test_a_day_that_may_be_a_session_passes(self, date):
        known_sessions.check_possible(day(date))
