from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.amazon.aws.operators.glue_crawler import GlueCrawlerOperator
from airflow.sdk import DAG

from b3.airflow import aws
from tests.places import SQL


class Pushed(dict):
    """A task instance that takes XComs."""

    def xcom_push(self, key: str, value: Any) -> None:
        self[key] = value


@pytest.fixture
def ti() -> Pushed:
    return Pushed()


@pytest.fixture(autouse=True)
def lake(monkeypatch):
    monkeypatch.setenv("B3_LAKE_BUCKET", "lake")
    monkeypatch.setattr(GlueCrawlerOperator, "execute", lambda self, context: f"crawled {self.config['Name']}")
    states_of_the_crawler(monkeypatch, "READY")


def states_of_the_crawler(monkeypatch, *states):
    """Let the crawler have these states, one after the other."""
    left = iter(states)
    hook = SimpleNamespace(get_crawler=lambda name: {"State": next(left)})
    monkeypatch.setattr(GlueCrawlerOperator, "hook", hook)


class TestACrawl:
    def test_is_made_by_default(self, ti):
        assert aws.crawl("crawl_raw", "b3-raw").execute({"ti": ti}) == "crawled b3-raw"

    def test_is_skipped_with_the_reason_where_the_tasks_register(self, ti, monkeypatch):
        monkeypatch.setenv("B3_REGISTER", "tasks")

        with pytest.raises(Exception, match="no crawl, since B3_REGISTER is tasks") as skipped:
            aws.crawl("crawl_raw", "b3-raw").execute({"ti": ti})

        assert type(skipped.value).__name__ == "AirflowSkipException"
        assert ti["skipped"] == str(skipped.value)

    def test_registers_what_the_job_wrote_before_it_is_skipped(self, ti, monkeypatch):
        monkeypatch.setenv("B3_REGISTER", "tasks")
        context = {"ti": ti, "dag_run": SimpleNamespace()}
        asked = []

        with pytest.raises(Exception, match="82 new partitions registered"):
            aws.crawl("crawl_refined", "b3-refined", register=lambda given: asked.append(given) or 82).execute(context)

        assert asked == [context]

    def test_waits_until_the_crawl_of_another_run_has_ended(self, ti, monkeypatch):
        states_of_the_crawler(monkeypatch, "RUNNING", "RUNNING", "STOPPING", "READY")
        slept = []
        monkeypatch.setattr(aws.time, "sleep", slept.append)

        assert aws.crawl("crawl_raw", "b3-raw").execute({"ti": ti}) == "crawled b3-raw"

        assert len(slept) == 3

    def test_that_does_not_end_is_told_with_the_crawler_and_its_state(self, ti, monkeypatch):
        states_of_the_crawler(monkeypatch, *["STOPPING"] * 10_000)
        monkeypatch.setattr(aws.time, "sleep", lambda seconds: None)

        with pytest.raises(
            Exception, match="expected crawler b3-raw to be READY within 0:25:00, found it STOPPING"
        ) as told:
            aws.crawl("crawl_raw", "b3-raw").execute({"ti": ti})

        assert type(told.value).__name__ == "AirflowFailException"

    def test_is_looked_at_for_longer_than_a_listing_of_decades_takes(self):
        """The trigger looks 1,500 times; a listing of forty years may take 25 minutes."""
        assert aws.crawl("crawl_raw", "b3-raw").poll_interval * 1500 >= 2 * 25 * 60


class TestAQuery:
    def test_is_ended_by_its_timeout_and_not_by_the_number_of_looks(self):
        with DAG("of_checks", schedule=None):
            (check, *_) = aws.checks(SQL, "quotes").children.values()

        assert check.sleep_time * check.max_polling_attempts > check.execution_timeout.total_seconds()
