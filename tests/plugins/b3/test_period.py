import datetime as dt
from types import SimpleNamespace

import pytest

from b3 import period
from b3.period import Period

DAY, LATER = dt.date(2020, 4, 30), dt.date(2020, 12, 31)


def test_a_day_is_one_partition():
    assert Period(DAY, DAY).sql == "trade_date = date '2020-04-30'"
    assert str(Period(DAY, DAY)) == "2020-04-30"


def test_several_days_are_a_range_of_partitions():
    assert Period(DAY, LATER).sql == "trade_date BETWEEN date '2020-04-30' AND date '2020-12-31'"
    assert str(Period(DAY, LATER)) == "2020-04-30 to 2020-12-31"


def a_run(logical_date: dt.datetime | None = None, **conf: object) -> SimpleNamespace:
    return SimpleNamespace(run_id="manual__1", run_type="manual", logical_date=logical_date, conf=conf)


MIDNIGHT = dt.datetime(2020, 4, 30, tzinfo=dt.UTC)


def test_a_daily_run_is_for_its_session():
    assert period.of_session(a_run(MIDNIGHT)) == Period(DAY, DAY)


@pytest.mark.parametrize("run", [a_run(MIDNIGHT), a_run(MIDNIGHT, year=None), a_run(year=2020), a_run(year="2020")])
def test_a_run_of_the_history_is_for_its_year(run):
    assert period.of_year(run) == Period(dt.date(2020, 1, 1), dt.date(2020, 12, 31))


@pytest.mark.parametrize("year", [1985, "next", 2020.5, -2020])
def test_a_year_that_b3_has_no_file_of_is_refused(year):
    with pytest.raises(ValueError, match=r"expected year in the run's conf, 1986 or later, found .*: trigger it again"):
        period.of_year(a_run(year=year))
