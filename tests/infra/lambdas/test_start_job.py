import datetime as dt

import pytest

from b3.airflow import glue_arguments
from b3.calendar import sessions
from b3.lake.layout import Lake
from infra.lambdas import calendar_file, start_job
from infra.lambdas.messages import Arrived, BadMessage

SESSION = dt.date(2026, 2, 18)


def arrived(key: str, bucket: str = "lake") -> Arrived:
    return Arrived("message", "event", bucket, key)


class TestTheArguments:
    def test_are_those_of_the_daily_dag(self):
        given = start_job.arguments(Lake("lake"), SESSION, with_portfolio=True)

        assert given.keys() == glue_arguments.ONE_SESSION.keys()
        assert given == {
            "--sessions": "2026-02-18",
            "--previous_session": "2026-02-13",
            "--last_rebalance": "2026-01-05",
            "--source": "s3://lake/raw/quotes/",
            "--target": "s3://lake/refined/quotes/",
            "--findings": "s3://lake/refined/findings/",
            "--portfolio": "s3://lake/raw/index_portfolio/trade_date=2026-02-18/index_portfolio.parquet",
            "--index_target": "s3://lake/refined/index_stocks/trade_date=2026-02-18/",
        }

    def test_leave_the_indexes_out_without_a_portfolio(self):
        given = start_job.arguments(Lake("lake"), SESSION, with_portfolio=False)

        assert not given.keys() & {"--portfolio", "--index_target", "--last_rebalance"}


class TestTheCalendar:
    @pytest.mark.parametrize("year", [2026, 2040])
    def test_is_written_anew_from_the_lakes(self, year):
        """Call `python -m infra.lambdas.calendar_file` after a new version of the calendar."""
        line = next(line for line in calendar_file.FILE.read_text().splitlines() if line.startswith(str(year)))

        assert line == calendar_file.line(year)

    def test_says_what_the_lakes_says(self):
        for date in sessions.sessions(dt.date(2025, 12, 1), dt.date(2026, 12, 31)):
            assert start_job.is_session(date)
            assert start_job.previous_session(date) == sessions.previous_session(date)
            assert start_job.last_rebalance(date) == sessions.last_rebalance(date)

    def test_ends_with_a_sentence(self):
        with pytest.raises(BadMessage, match="expected a year from 2000 to 2040, found 2041"):
            start_job.is_session(dt.date(2041, 1, 2))


class TestTheSession:
    @pytest.fixture(autouse=True)
    def _bucket(self, monkeypatch):
        monkeypatch.setenv("BUCKET", "lake")

    @pytest.mark.parametrize("table", ["quotes", "index_portfolio"])
    def test_is_that_of_the_object(self, table):
        key = f"raw/{table}/trade_date=2026-02-18/{table}.parquet"

        assert start_job.session_of(arrived(key)) == SESSION

    @pytest.mark.parametrize(
        "key",
        [
            "raw/quotes/x",
            "raw/quotes/trade_date=2026-02-18/other.parquet",
            "raw/quotes/trade_date=2026-02-17/quotes.parquet",
        ],
        ids=["no partition", "another object", "Carnival"],
    )
    def test_is_none_of_any_other(self, key):
        with pytest.raises(BadMessage):
            start_job.session_of(arrived(key))

    def test_is_none_of_another_bucket(self):
        with pytest.raises(BadMessage):
            start_job.session_of(arrived("raw/quotes/trade_date=2026-02-18/quotes.parquet", "other"))
