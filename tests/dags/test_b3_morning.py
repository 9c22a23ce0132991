import datetime as dt
import json
from types import SimpleNamespace

import boto3
import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from b3.airflow import alerts, run_metrics
from b3.calendar import publication
from b3.lake import layout
from tests.dags.test_b3_daily import DAGS, next_run, parse, sao_paulo

FRIDAY, MONDAY = dt.date(2024, 3, 15), dt.date(2024, 3, 18)


@pytest.fixture(scope="module")
def dag() -> DAG:
    return parse(DAGS).dags["b3_morning"]


def test_its_runs_are_each_morning_before_b3_opens(dag):
    following = next_run(dag, sao_paulo("2026-11-27T08:00"))

    assert following.run_after == sao_paulo("2026-11-28T08:00")


class TestTheTask:
    @pytest.fixture
    def morning(self, dag, aws_server, lake, monkeypatch):
        """Run the task on Tuesday, 19 March 2024."""
        for name, value in aws_server.environment("sa-east-1").items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps({"conn_type": "aws"}))
        monkeypatch.setenv("B3_LAKE_BUCKET", lake.bucket)
        monkeypatch.setenv("B3_GLUE_DATABASE", lake.bucket)
        monkeypatch.setattr(publication, "now", lambda: sao_paulo("2024-03-19T08:00"))
        told: list[str] = []
        task = SimpleNamespace(xcom_push=lambda key, value: told.append(value))
        return lambda: (dag.get_task("session_is_there").python_callable(ti=task), told)

    @pytest.fixture
    def passed(self, s3, lake):
        return lambda day: s3.put_object(Bucket=lake.bucket, Key=layout.run_metrics_key(day, "b3_daily"), Body=b"-")

    def test_people_are_told_first_of_failures_whose_workers_told_nobody(self, morning, monkeypatch):
        asked = []
        monkeypatch.setattr(alerts, "retell", lambda: asked.append("retell"))
        with pytest.raises(AirflowSkipException):
            morning()
        assert asked == ["retell"]

    def behind(self, lake):
        """Return what CloudWatch has of the metric."""
        now = dt.datetime.now(dt.UTC)
        found = boto3.client("cloudwatch", region_name="sa-east-1").get_metric_statistics(
            Namespace=run_metrics.NAMESPACE,
            MetricName="sessions_behind",
            Dimensions=[{"Name": "Database", "Value": lake.bucket}],
            StartTime=now - dt.timedelta(hours=1),
            EndTime=now + dt.timedelta(hours=1),
            Period=3600,
            Statistics=["Maximum"],
        )
        return [point["Maximum"] for point in found["Datapoints"]]

    def test_is_green_if_the_session_is_there(self, morning, passed, lake):
        passed(MONDAY)

        found, told = morning()

        assert found == 0
        assert told == ["2024-03-18, the session before today, is there and its checks have passed"]
        assert self.behind(lake) == [0]

    def test_pages_with_the_session_and_the_last_good_one_if_not(self, morning, passed, lake):
        passed(FRIDAY)

        with pytest.raises(AirflowFailException) as error:
            morning()

        assert str(error.value) == (
            "SessionMissing: expected session 2024-03-18 in the lake with its checks passed, found that 2024-03-15 is "
            "the last such session. See the run of b3_daily for 2024-03-18."
        )
        task = SimpleNamespace(dag_id="b3_morning", task_id="session_is_there", run_id="scheduled__1", try_number=1)
        subject, message = alerts.describe({"ti": task, "exception": error.value})
        assert subject == "page: b3_morning session_is_there failed in scheduled__1"
        assert "\nExpected: session 2024-03-18 in the lake with its checks passed\n" in message
        assert "\nRunbook: docs/runbook.md#a-session-is-missing" in message
        assert self.behind(lake) == [1]

    def test_of_a_new_lake_is_skipped_and_raises_no_alarm(self, morning, lake):
        with pytest.raises(AirflowSkipException, match="no run of b3_daily has brought a session"):
            morning()

        assert self.behind(lake) == [0]
