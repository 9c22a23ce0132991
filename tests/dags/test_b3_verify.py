import datetime as dt
import json
from types import SimpleNamespace

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from botocore.exceptions import ClientError

from b3.airflow import alerts
from b3.lake import layout
from local.lake import provision
from tests.dags.test_b3_daily import DAGS, next_run, parse, sao_paulo

DATE = dt.date(2024, 3, 14)
KEY = layout.raw_sectors_key(DATE)


@pytest.fixture(scope="module")
def dag() -> DAG:
    return parse(DAGS).dags["b3_verify"]


class TestItsRuns:
    def test_are_each_sunday_at_six_in_sao_paulo(self, dag):
        following = next_run(dag, sao_paulo("2026-11-22T06:00"))

        assert following.run_after == sao_paulo("2026-11-29T06:00")
        assert following.run_after.day_of_week == 6

    def test_end_by_themselves(self, dag):
        assert dag.get_task("compare").execution_timeout < dag.dagrun_timeout

    def test_ask_for_the_first_and_the_last_session(self, dag):
        assert {name: dag.params.get_param(name).schema["format"] for name in dag.params} == {
            "from": "date",
            "to": "date",
        }


class TestTheComparison:
    """On a local AWS with the lake's stack."""

    @pytest.fixture
    def bucket(self, aws_server, monkeypatch):
        for name, value in aws_server.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps({"conn_type": "aws"}))
        provision.provision(aws_server.endpoint, "verified")
        monkeypatch.setenv("B3_LAKE_BUCKET", "verified")
        return "verified"

    @pytest.fixture
    def compare(self, dag, bucket):
        def call(run_type="manual", **conf):
            run = SimpleNamespace(run_type=run_type, conf=conf)
            task = SimpleNamespace(xcom_push=lambda key, value: None)
            return dag.get_task("compare").python_callable(dag_run=run, ti=task)

        return call

    def test_of_an_empty_lake_is_skipped(self, compare):
        with pytest.raises(AirflowSkipException, match="expected sessions"):
            compare()

    def test_fails_for_good_with_each_difference_which_the_alert_carries(self, compare, s3, bucket):
        s3.put_object(Bucket=bucket, Key=KEY, Body=b"-")
        try:
            with pytest.raises(AirflowFailException) as error:
                compare()
            # Of a scheduled run the conf says nothing.
            with pytest.raises(AirflowFailException):
                compare("scheduled", **{"from": "2030-01-01"})
            with pytest.raises(AirflowSkipException):
                compare(**{"from": "2030-01-01"})
        finally:
            s3.delete_object(Bucket=bucket, Key=KEY)

        task = SimpleNamespace(dag_id="b3_verify", task_id="compare", run_id="scheduled__1", try_number=1)
        subject, message = alerts.describe({"ti": task, "exception": error.value})
        assert subject == "warn: b3_verify compare failed in scheduled__1"
        lines = message.splitlines()
        assert lines[0] == (
            "AirflowFailException: LakeDiffers: 2 differences: 1 bytes changed, 1 partition missing from the catalog"
        )
        assert lines[1].startswith(f"bytes changed: s3://verified/{KEY}: expected a Parquet file; found other bytes")
        assert lines[2].startswith(f"partition missing from the catalog: s3://verified/{KEY}: ")

    def test_of_a_lake_out_of_reach_may_be_tried_again(self, compare, monkeypatch):
        monkeypatch.setenv("B3_LAKE_BUCKET", "no-such-bucket")

        with pytest.raises(ClientError, match="NoSuchBucket"):
            compare()

    def test_of_something_else_than_dates_is_refused(self, compare):
        with pytest.raises(ValueError, match="expected from and to as YYYY-MM-DD"):
            compare(to="soon")
