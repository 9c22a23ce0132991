import datetime as dt
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from b3.airflow import run_dates
from b3.airflow.run_dates import Period

SAO_PAULO = ZoneInfo("America/Sao_Paulo")


def run(logical_date: dt.datetime | None = None, conf: dict | None = None, run_type: str = "manual") -> SimpleNamespace:
    return SimpleNamespace(run_id=f"{run_type}__1", run_type=run_type, logical_date=logical_date, conf=conf)


@pytest.mark.parametrize(
    ("instant", "expected"),
    [
        (dt.datetime(2020, 4, 30, tzinfo=dt.UTC), dt.date(2020, 4, 30)),
        (dt.datetime(2020, 5, 1, 1, 30, tzinfo=dt.UTC), dt.date(2020, 4, 30)),
        (dt.datetime(2020, 4, 30, 22, 30, tzinfo=SAO_PAULO), dt.date(2020, 4, 30)),
        (dt.datetime(2018, 12, 11, 0, 30, tzinfo=dt.UTC), dt.date(2018, 12, 10)),  # 22:30 of a summer with DST
        (dt.datetime(2020, 4, 30, 2, 59, 59, tzinfo=dt.UTC), dt.date(2020, 4, 29)),
        (dt.datetime(2020, 4, 30, 3, 0, tzinfo=dt.UTC), dt.date(2020, 4, 30)),
        (dt.datetime(2020, 4, 30, 0, 0, 1, tzinfo=dt.UTC), dt.date(2020, 4, 29)),
        (dt.datetime(2020, 4, 30, tzinfo=SAO_PAULO), dt.date(2020, 4, 30)),
    ],
    ids=[
        "midnight UTC names the day",
        "01:30 UTC is 22:30 of the day before, when scheduled runs start",
        "22:30 in São Paulo",
        "22:30 in São Paulo under daylight saving",
        "the last second of a day in São Paulo",
        "the first of the next",
        "a second after midnight UTC",
        "midnight in São Paulo",
    ],
)
def test_the_logical_date_gives_the_trade_date(instant, expected):
    assert run_dates.trade_date(run(instant)) == expected
    assert run_dates.trade_date(run(instant, conf={})) == expected


def test_the_conf_goes_before_the_logical_date():
    given = run(dt.datetime(2024, 1, 2, tzinfo=dt.UTC), {"trade_date": "2020-04-30"})

    assert run_dates.trade_date(given) == dt.date(2020, 4, 30)


@pytest.mark.parametrize("empty", [{"trade_date": None}, {"trade_date": ""}])
def test_a_form_that_is_left_empty_leaves_it_to_the_logical_date(empty):
    assert run_dates.trade_date(run(dt.datetime(2024, 1, 2, tzinfo=dt.UTC), empty)) == dt.date(2024, 1, 2)


@pytest.mark.parametrize("run_type", ["scheduled", "backfill"])
@pytest.mark.parametrize("given", ["2020-04-30", "yesterday"])
def test_a_run_that_was_not_triggered_goes_by_its_logical_date_alone(run_type, given):
    """A backfill's conf is that of all its runs, or what is left of a run that was triggered by hand."""
    theirs = run(dt.datetime(2024, 1, 2, tzinfo=dt.UTC), {"trade_date": given}, run_type)

    assert run_dates.trade_date(theirs) == dt.date(2024, 1, 2)


def test_the_conf_suffices():
    assert run_dates.trade_date(run(conf={"trade_date": "2020-04-30"})) == dt.date(2020, 4, 30)


@pytest.mark.parametrize("given", ["30/04/2020", "2020-02-30", "yesterday", 20200430, ["2020-04-30"]])
def test_a_conf_that_is_no_date_is_refused(given):
    with pytest.raises(ValueError, match=r"expected trade_date in the run's conf as YYYY-MM-DD, found .*trigger"):
        run_dates.trade_date(run(dt.datetime(2020, 4, 30, tzinfo=dt.UTC), {"trade_date": given}))


def test_a_run_with_neither_is_refused_by_name():
    with pytest.raises(ValueError, match=r"manual__1 has no logical date: expected one, or trade_date in its conf"):
        run_dates.trade_date(run())


DAY, LATER = dt.date(2020, 4, 30), dt.date(2020, 12, 31)
MIDNIGHT = dt.datetime(2020, 4, 30, tzinfo=dt.UTC)


def a_run(logical_date: dt.datetime | None = None, run_type: str = "manual", **conf: object) -> SimpleNamespace:
    return run(logical_date, conf, run_type)


def test_a_day_is_one_partition():
    assert Period(DAY, DAY).sql == "trade_date = date '2020-04-30'"
    assert str(Period(DAY, DAY)) == "2020-04-30"


def test_several_days_are_a_range_of_partitions():
    assert Period(DAY, LATER).sql == "trade_date BETWEEN date '2020-04-30' AND date '2020-12-31'"
    assert str(Period(DAY, LATER)) == "2020-04-30 to 2020-12-31"


def test_a_daily_run_is_for_its_session():
    assert run_dates.session_period(a_run(MIDNIGHT)) == Period(DAY, DAY)


@pytest.mark.parametrize("run", [a_run(MIDNIGHT), a_run(MIDNIGHT, year=None), a_run(year=2020), a_run(year="2020")])
def test_a_run_of_the_history_is_for_its_year(run):
    assert run_dates.years(run) == Period(dt.date(2020, 1, 1), dt.date(2020, 12, 31))


@pytest.mark.parametrize("year", [1985, 2101, 9999, 99999, "99999", "next", 2020.5, -2020])
def test_a_year_that_b3_has_no_file_of_is_refused(year):
    with pytest.raises(
        ValueError, match=r"expected year in the run's conf, 1986 or later and at most 2100, found .*: trigger it again"
    ):
        run_dates.years(a_run(year=year))


def test_a_run_of_the_history_may_be_for_several_years():
    period = run_dates.years(a_run(year=1986, last_year="1993"))

    assert period == Period(dt.date(1986, 1, 1), dt.date(1993, 12, 31))
    assert list(period.years) == list(range(1986, 1994))


def test_a_last_year_before_the_first_is_refused():
    with pytest.raises(
        ValueError, match=r"expected last_year in the run's conf, 2020 or later and at most 2100, found 2019: trigger"
    ):
        run_dates.years(a_run(year=2020, last_year=2019))


def test_more_years_than_a_check_can_name_the_sessions_of_are_refused():
    assert len(run_dates.years(a_run(year=1986, last_year=2005)).years) == 20
    with pytest.raises(
        ValueError, match="expected at most 20 years in a run, found 1986 to 2006: trigger a run for each"
    ):
        run_dates.years(a_run(year=1986, last_year=2006))


def test_a_run_of_the_history_that_names_no_year_says_what_it_lacks():
    with pytest.raises(
        ValueError, match="expected a logical date, or year in its conf, found neither in run manual__1"
    ):
        run_dates.years(a_run())


@pytest.mark.parametrize("run_type", ["backfill", "scheduled"])
def test_a_conf_that_several_runs_share_names_no_year(run_type):
    assert run_dates.years(a_run(MIDNIGHT, run_type, year=2005)).first == dt.date(2020, 1, 1)


class TestTheYearThatIsUploaded:
    @staticmethod
    def after(*dates: dt.date) -> Period:
        uploaded = {"partitions": [{"trade_date": date.isoformat()} for date in dates]}
        ti = SimpleNamespace(xcom_pull=lambda task_ids: {"upload": uploaded}[task_ids])
        return run_dates.uploaded_years(a_run(year=2020), ti)

    def test_ends_with_the_last_session_of_its_file(self):
        assert self.after(dt.date(2020, 1, 2), DAY, dt.date(2020, 4, 29)) == Period(dt.date(2020, 1, 1), DAY)
