import datetime as dt
from types import SimpleNamespace

import pytest

from b3.airflow import period
from b3.airflow.period import Period

DAY, LATER = dt.date(2020, 4, 30), dt.date(2020, 12, 31)


def test_a_day_is_one_partition():
    assert Period(DAY, DAY).sql == "trade_date = date '2020-04-30'"
    assert str(Period(DAY, DAY)) == "2020-04-30"


def test_several_days_are_a_range_of_partitions():
    assert Period(DAY, LATER).sql == "trade_date BETWEEN date '2020-04-30' AND date '2020-12-31'"
    assert str(Period(DAY, LATER)) == "2020-04-30 to 2020-12-31"


def a_run(logical_date: dt.datetime | None = None, run_type: str = "manual", **conf: object) -> SimpleNamespace:
    return SimpleNamespace(run_id=f"{run_type}__1", run_type=run_type, logical_date=logical_date, conf=conf)


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


def test_a_run_of_the_history_that_names_no_year_says_what_it_lacks():
    with pytest.raises(
        ValueError, match="expected a logical date, or year in its conf, found neither in run manual__1"
    ):
        period.of_year(a_run())


@pytest.mark.parametrize("run_type", ["backfill", "scheduled"])
def test_a_conf_that_several_runs_share_names_no_year(run_type):
    assert period.of_year(a_run(MIDNIGHT, run_type, year=2005)).first == dt.date(2020, 1, 1)


class TestTheYearThatIsUploaded:
    @staticmethod
    def after(*dates: dt.date) -> Period:
        uploaded = {"partitions": [{"trade_date": date.isoformat()} for date in dates]}
        ti = SimpleNamespace(xcom_pull=lambda task_ids: {"upload": uploaded}[task_ids])
        return period.of_uploaded_year(a_run(year=2020), ti)

    def test_ends_with_the_last_session_of_its_file(self):
        assert self.after(dt.date(2020, 1, 2), DAY, dt.date(2020, 4, 29)) == Period(dt.date(2020, 1, 1), DAY)
