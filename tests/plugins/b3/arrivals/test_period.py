import datetime as dt

import pytest

from b3.arrivals import period
from b3.errors import WrongDate

APRIL_30 = dt.date(2020, 4, 30)


@pytest.mark.parametrize(
    ("name", "landing_name", "first", "last"),
    [
        ("COTAHIST_D30042020.ZIP", "COTAHIST_D30042020.ZIP", APRIL_30, APRIL_30),
        ("cotahist_d30042020.txt", "COTAHIST_D30042020.ZIP", APRIL_30, APRIL_30),
        ("COTAHIST_M042020.ZIP", "COTAHIST_M042020.ZIP", dt.date(2020, 4, 1), APRIL_30),
        ("COTAHIST_A2020.TXT", "COTAHIST_A2020.ZIP", dt.date(2020, 1, 1), dt.date(2020, 12, 31)),
    ],
)
def test_b3s_names_say_the_days(name, landing_name, first, last):
    assert period.of_name(name) == (landing_name, first, last)


@pytest.mark.parametrize(
    "name", ["COTAHIST_D31022020.ZIP", "COTAHIST_M132020.ZIP", "COTAHIST_A1850.ZIP", "COTAHIST_A2020.ZIP.part", "x.ZIP"]
)
def test_other_names_say_nothing(name):
    assert period.of_name(name) is None


def test_the_records_of_one_day_say_it():
    assert period.of_days([APRIL_30], "x").name == "COTAHIST_D30042020.ZIP"


@pytest.mark.parametrize(
    "days",
    [
        [dt.date(2020, 4, 29), APRIL_30],
        [APRIL_30, dt.date(2020, 5, 4)],
        [dt.date(2019, 12, 30), dt.date(2020, 1, 2)],
        [dt.date(1985, 1, 2)],
    ],
)
def test_records_of_several_days_or_of_no_year_that_b3_has_are_refused(days):
    with pytest.raises(WrongDate, match=r"expected one session from 1986 .* name it as B3 does, such as COTAHIST_M"):
        period.of_days(days, "x")


def test_a_period_is_a_day_a_month_or_a_year():
    periods = [period.of_name(f"COTAHIST_{name}.ZIP") for name in ("D30042020", "M042020", "A2020")]

    assert [(period.is_day(each), period.is_year(each)) for each in periods] == [
        (True, False), (False, False), (False, True),
    ]  # fmt: skip
