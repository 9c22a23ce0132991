import datetime as dt
import json

import pytest
from botocore.exceptions import ClientError

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


class TestABatchOfSessions:
    @pytest.fixture
    def call(self, monkeypatch):
        monkeypatch.setenv("BUCKET", "lake")

        def run(refusals: dict[str, str]) -> tuple[list[str], list[str]]:
            asked: list[str] = []

            def start(session: dt.date) -> str:
                asked.append(str(session))
                if code := refusals.get(str(session)):
                    raise ClientError({"Error": {"Code": code}}, "StartJobRun")
                return "jr_1"

            monkeypatch.setattr(start_job, "start", start)
            answer = start_job.handler({"Records": [told(day) for day in (18, 19, 20)]}, None)
            return asked, [one["itemIdentifier"] for one in answer["batchItemFailures"]]

        return run

    def test_starts_a_run_for_each(self, call):
        assert call({}) == (["2026-02-18", "2026-02-19", "2026-02-20"], [])

    def test_ends_where_glue_runs_as_many_as_it_may_and_keeps_the_messages_of_the_others(self, call):
        asked, kept = call({"2026-02-19": "ConcurrentRunsExceededException"})

        assert (asked, kept) == (["2026-02-18", "2026-02-19"], ["m19", "m20"])

    def test_goes_on_after_any_other_failure(self, call):
        asked, kept = call({"2026-02-18": "InternalServiceException"})

        assert (asked, kept) == (["2026-02-18", "2026-02-19", "2026-02-20"], ["m18"])


def told(day: int) -> dict[str, str]:
    """Return a message on raw quotes of a day of February 2026."""
    key = f"raw/quotes/trade_date=2026-02-{day}/quotes.parquet"
    detail = {"bucket": {"name": "lake"}, "object": {"key": key}}
    body = {"id": "e", "source": "aws.s3", "detail-type": "Object Created", "detail": detail}
    return {"messageId": f"m{day}", "body": json.dumps(body)}
