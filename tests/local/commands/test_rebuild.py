import datetime as dt
from types import SimpleNamespace

import pytest

from b3.calendar import known_sessions
from b3.lake.layout import Lake
from b3.verify import inventory
from local.commands import rebuild

LAST_DAY = dt.date(2020, 12, 31)


class TestDays:
    def test_of_a_year_are_all_of_it(self):
        assert rebuild.days("2020", "") == (dt.date(2020, 1, 1), LAST_DAY)
        assert rebuild.days("2019", "2020") == (dt.date(2019, 1, 1), LAST_DAY)

    def test_are_those_between_both_included(self):
        assert rebuild.days("2020-04-30", "2020-05-04") == (dt.date(2020, 4, 30), dt.date(2020, 5, 4))
        assert rebuild.days("2020-04-30", "") == (dt.date(2020, 4, 30), dt.date(2020, 4, 30))

    @pytest.mark.parametrize(("first", "last"), [("", ""), ("yesterday", ""), ("2020-02-30", ""), ("2020", "20")])
    def test_that_are_none_are_refused(self, first, last):
        with pytest.raises(ValueError, match="expected days or years, as FROM=2020-04-30"):
            rebuild.days(first, last)

    def test_in_the_wrong_order_are_refused(self):
        with pytest.raises(ValueError, match="expected FROM not after TO"):
            rebuild.days("2020-05-04", "2020-04-30")


class Landing:
    """S3 with these objects, and their metadata."""

    def __init__(self, **_: object) -> None:
        self.objects: dict[str, dict[str, str]] = {}
        self.exceptions = SimpleNamespace(ClientError=LookupError)

    def add(self, key: str, *days: dt.date) -> None:
        listed = {"last-session": str(max(days)), "session-days": known_sessions.encode(days)} if days else {}
        self.objects[f"landing/{key}"] = listed

    def get_paginator(self, _: str):
        keys = [{"Key": key, "ETag": '"0123"', "IsLatest": True} for key in sorted(self.objects)]
        return SimpleNamespace(
            paginate=lambda **asked: [{"Versions": [key for key in keys if key["Key"].startswith(asked["Prefix"])]}]
        )

    def head_object(self, **asked: str):
        return {"LastModified": dt.datetime(2021, 1, 1, tzinfo=dt.UTC), "Metadata": self.objects[asked["Key"]]}


class TestRuns:
    FIRST, SECOND, THIRD = dt.date(2020, 4, 29), dt.date(2020, 4, 30), dt.date(2020, 5, 4)

    @pytest.fixture
    def landing(self):
        return Landing()

    @pytest.fixture
    def runs(self, landing):
        return lambda first, last: [(run.dag, str(run)) for run in self.made(landing, first, last)]

    def made(self, landing, first, last):
        lake, period = Lake("bucket"), inventory.Days(first, last)
        return rebuild.runs(landing, lake, inventory.take(landing, lake, period), period)

    def test_are_one_for_each_session_that_landed(self, runs, landing):
        landing.add("quotes/COTAHIST_D29042020.ZIP")
        landing.add("quotes/COTAHIST_D04052020.ZIP")
        landing.add("quotes/COTAHIST_D05052020.ZIP")

        assert runs(self.FIRST, self.THIRD) == [("b3_daily", "2020-04-29"), ("b3_daily", "2020-05-04")]

    def test_read_landing_alone(self, landing):
        landing.add("quotes/COTAHIST_D29042020.ZIP")
        landing.add("quotes/COTAHIST_A2019.ZIP", dt.date(2019, 1, 2))

        found = self.made(landing, dt.date(2019, 1, 1), LAST_DAY)

        assert [run.conf for run in found] == [
            {"year": 2019, "source": "landing"},
            {"trade_date": "2020-04-29", "source": "landing"},
        ]

    def test_take_a_whole_year_at_once_and_then_what_its_file_does_not_have(self, runs, landing):
        landing.add("quotes/COTAHIST_A2020.ZIP", self.FIRST, self.SECOND, self.THIRD)
        landing.add("quotes/COTAHIST_D30042020.ZIP")
        landing.add("index/IBOV/theoretical/2020-05-04.json")
        landing.add("sectors/2020-05-05.xlsx")

        assert runs(dt.date(2020, 1, 1), LAST_DAY) == [
            ("b3_history", "2020"),
            ("b3_daily", "2020-04-30"),
            ("b3_daily", "2020-05-04"),
            ("b3_daily", "2020-05-05"),
        ]

    def test_take_single_sessions_from_a_year_of_which_not_all_are_asked_for(self, runs, landing):
        landing.add("quotes/COTAHIST_A2020.ZIP", self.FIRST, self.SECOND, self.THIRD)

        assert runs(self.SECOND, LAST_DAY) == [("b3_daily", "2020-04-30"), ("b3_daily", "2020-05-04")]

    def test_take_the_sessions_of_a_month(self, runs, landing):
        landing.add("quotes/COTAHIST_M042020.ZIP", self.FIRST, self.SECOND)

        assert runs(dt.date(2020, 1, 1), LAST_DAY) == [("b3_daily", "2020-04-29"), ("b3_daily", "2020-04-30")]

    def test_are_none_where_nothing_landed(self, runs, landing):
        landing.add("received/0123/page.json")

        assert runs(dt.date(2020, 1, 1), LAST_DAY) == []


@pytest.mark.parametrize(
    "arguments", [[], ["--from", "2020", "--accept", "all"], ["--from", "2020", "--exchange", "x"]]
)
def test_what_cannot_be_rebuilt_is_status_2(arguments, capsys):
    assert rebuild.main(arguments) == 2

    assert "rebuild: expected" in capsys.readouterr().err
