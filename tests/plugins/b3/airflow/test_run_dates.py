import datetime as dt
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from b3.airflow import run_dates

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
