"""The session before one, by `b3_daily` and by `b3_history`: refine gets the same, and so writes the same bytes."""

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import asdict
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from b3.quotes import land, raw
from tests.dags.test_b3_daily import DAGS, a_run, a_task, parse
from tests.plugins.b3.exchange import Answer
from tests.plugins.b3.quotes.cotahist.cotahist_lines import build_file, build_zip, record

# 1990-03-14 to 16 are sessions of the calendar, and so is 1989-12-28.
OF_1989 = ["1989-12-26", "1989-12-27"]
OF_1990 = ["1990-01-02", "1990-03-13", "1990-03-19", "1990-12-28"]


@pytest.fixture(scope="module")
def dags():
    return parse(DAGS).dags


@pytest.fixture(autouse=True)
def settings_of_a_task(monkeypatch, aws_server, lake):
    connection = {"conn_type": "aws", "extra": {"region_name": "sa-east-1"}}
    for name, value in {
        "AWS_ENDPOINT_URL": aws_server.endpoint,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": aws_server.secret,
        "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(connection),
        "B3_LAKE_BUCKET": lake.bucket,
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def upload(exchange, hook_to, s3, lake) -> Callable[[list[str]], dict]:
    """Capture a year with these sessions, and return what `upload` of `b3_history` does."""

    def run(days: list[str]) -> dict:
        dates = [dt.date.fromisoformat(day) for day in days]
        exchange.will(Answer(body=build_zip(build_file([record(DATPRE=date) for date in dates]))))
        land.capture_year(hook_to(exchange.url, attempts=1), s3, lake, dates[0].year)
        return asdict(raw.write_year(s3, lake, dates[0].year))

    return run


@pytest.fixture
def by_day(dags) -> Callable[[str], str]:
    macro = dags["b3_daily"].user_defined_macros["previous_session"]
    return lambda day: str(macro(a_run(trade_date=day)))


def test_is_the_same_by_the_day_and_by_the_year(dags, upload, by_day):
    upload(OF_1989)

    macros, uploaded = dags["b3_history"].user_defined_macros, upload(OF_1990)

    assert macros["sessions_of"](uploaded) == "1990-01-02,1990-03-13,19,1990-12-28"
    # The job takes the session before any other from the list.
    by_year = [str(macros["session_before"](uploaded)), *OF_1990[:-1]]
    assert by_year == ["1989-12-27", "1990-01-02", "1990-03-13", "1990-03-19"]
    assert by_year == [by_day(day) for day in OF_1990]


def test_is_the_calendars_where_the_lake_does_not_know(by_day):
    assert by_day("1990-03-19") == "1990-03-16"


def test_is_the_calendars_from_2000_on_and_nothing_connects_to_s3(dags, by_day, monkeypatch):
    monkeypatch.setattr("b3.airflow.aws.s3_client", lambda: pytest.fail("a client was made"))
    uploaded = {"partitions": [{"trade_date": "2020-01-02"}, {"trade_date": "2020-01-03"}]}

    assert by_day("2020-05-04") == "2020-04-30"
    assert str(dags["b3_history"].user_defined_macros["session_before"](uploaded)) == "2019-12-30"


def test_portfolios_are_not_asked_for_on_a_day_that_the_lake_knows_as_closed(dags, upload, monkeypatch):
    upload(OF_1990)
    monkeypatch.setattr("b3.indexes.land.capture_portfolios", lambda *_: pytest.fail("B3 was asked"))
    task: SimpleNamespace = a_task()

    with pytest.raises(AirflowSkipException, match="Wednesday 1990-03-14, on which B3 was closed"):
        dags["b3_daily"].get_task("indexes.scrape").python_callable(dag_run=a_run(trade_date="1990-03-14"), ti=task)

    assert "no record in COTAHIST_A1990.ZIP" in task.kept["skipped"]
