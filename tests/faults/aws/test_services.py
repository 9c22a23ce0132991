"""Glue, Athena and SNS refuse a request, or a crawl, a job run or a query does not end well."""

import datetime as dt
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.exceptions import AirflowException
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException
from botocore.exceptions import BotoCoreError, ClientError

from b3.airflow import alerts, aws
from local.aws import launch
from tests.faults.aws.endpoint import Endpoint, error, run
from tests.faults.fault import Fault, Shown, shows
from tests.places import SQL

AGAIN = "The lake as it was. The task is tried again, up to 10 times, each after 35 seconds."
RETRY = "Readers keep the former session. A retry starts another job run."
# Of Airflow, and of botocore.
FAILURES = (AirflowException, BotoCoreError, ClientError)
CRAWLER, JOB = "b3-raw", "b3-refine"


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    """AWS, as connection aws_default has it."""
    made = Endpoint()
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps({
        "conn_type": "aws", "login": "local", "password": "local",
        "extra": {"endpoint_url": made.url, "region_name": "sa-east-1"},
    }))  # fmt: skip
    for name, value in {"AWS_MAX_ATTEMPTS": "1", "B3_LAKE_BUCKET": "lake", "AWS_EC2_METADATA_DISABLED": "true"}.items():
        monkeypatch.setenv(name, value)
    yield made
    made.close()


def last_crawl(status: str, **more: str) -> dict[str, Any]:
    return {"GetCrawler": {"Crawler": {"Name": CRAWLER, "State": "READY", "LastCrawl": {"Status": status, **more}}}}


@shows(
    Fault("Glue is asked too often to start a crawl", "An error occurred (ThrottlingException) when calling the "
          "StartCrawler operation…Rate exceeded", AGAIN, {"StartCrawler": error("ThrottlingException",
          "Rate exceeded")}),
    Fault("another run starts the crawler at the same moment", "An error occurred (CrawlerRunningException) when "
          "calling the StartCrawler operation", AGAIN,
          {"StartCrawler": error("CrawlerRunningException", "Crawler with name b3-raw has already started")}),
    Fault("the crawler is not there", "An error occurred (EntityNotFoundException) when calling the GetCrawler "
          "operation: Crawler b3-raw not found", AGAIN + " Deploy the stack again, or correct B3_RAW_CRAWLER.",
          {"GetCrawler": error("EntityNotFoundException", "Crawler b3-raw not found")}),
    Fault("a crawl fails", "Error while waiting for glue crawl to complete: READY - …FAILED…Internal Service Exception",
          AGAIN, last_crawl("FAILED", ErrorMessage="Internal Service Exception")),
    Fault("somebody stops a crawl", "Error while waiting for glue crawl to complete: READY - …CANCELLED",
          AGAIN, last_crawl("CANCELLED")),
)  # fmt: skip
def test_a_crawl(fault: Shown, endpoint: Endpoint) -> None:
    endpoint.answers.update({"GetCrawler": {"Crawler": {"Name": CRAWLER, "State": "READY"}}, **fault.given})
    operator = aws.crawl("crawl_raw", CRAWLER)

    with pytest.raises(FAILURES) as raised:
        run(operator)

    fault.is_seen(raised.value)
    fault.is_left((operator.retries, operator.retry_delay), (10, dt.timedelta(seconds=35)))


def ended(state: str, **more: str) -> dict[str, Any]:
    return {"GetJobRun": {"JobRun": {"Id": "jr_1", "JobName": JOB, "JobRunState": state, **more}}}


@shows(
    Fault("too many job runs are at it", "An error occurred (ConcurrentRunsExceededException) when calling the "
          "StartJobRun operation", RETRY,
          {"StartJobRun": error("ConcurrentRunsExceededException", "Concurrent runs exceeded for b3-refine")}),
    Fault("the role may not start the job", "An error occurred (AccessDeniedException) when calling the StartJobRun "
          "operation…is not authorized to perform: glue:StartJobRun", RETRY + " Compare the role with infra/lake.yaml.",
          {"StartJobRun": error("AccessDeniedException", "User is not authorized to perform: glue:StartJobRun")}),
    Fault("the token of the role has expired", "An error occurred (ExpiredTokenException) when calling the StartJobRun "
          "operation", RETRY, {"StartJobRun": error("ExpiredTokenException", "The security token is expired")}),
    Fault("Glue is asked too often to start a job", "An error occurred (ThrottlingException) when calling the "
          "StartJobRun operation", RETRY, {"StartJobRun": error("ThrottlingException", "Rate exceeded")}),
    Fault("a job run fails", "AWS Glue job failed.: FAILED - RefineError: expected one version", RETRY,
          ended("FAILED", ErrorMessage="RefineError: expected one version")),
    Fault("somebody stops a job run", "AWS Glue job failed.: STOPPED", RETRY, ended("STOPPED")),
    Fault("a job run takes longer than GlueTimeoutMinutes", "AWS Glue job failed.: TIMEOUT", RETRY, ended("TIMEOUT")),
    Fault("Glue cannot start a worker", "AWS Glue job failed.: ERROR", RETRY, ended("ERROR")),
)  # fmt: skip
def test_a_job_run(fault: Shown, endpoint: Endpoint) -> None:
    endpoint.answers.update({"StartJobRun": {"JobRunId": "jr_1"}, **fault.given})
    operator = aws.refine({"--sessions": "2020-04-30"})
    operator.job_name = JOB

    with pytest.raises(FAILURES) as raised:
        run(operator)

    fault.is_seen(raised.value)
    fault.is_left(set(endpoint.calls) - {"GetJob", "GetJobRun"}, {"StartJobRun"})


def query(state: str, reason: str) -> dict[str, Any]:
    status = {"State": state, "StateChangeReason": reason}
    return {"GetQueryExecution": {"QueryExecution": {"QueryExecutionId": "q", "Status": status}}}


ONCE_MORE = "The tables are written. The check is asked once more."


@shows(
    Fault("a check does not hold", "CheckViolated: expected every price above 0, found 3 below",
          "The tables are written, and the run is red; the check is not tried again. Look at the rows that it names.",
          query("FAILED", "INVALID_CAST_ARGUMENT: Cannot cast 'expected every price above 0, found 3 below' to INT")),
    Fault("Athena fails while it runs a check", "Final state of Athena job is FAILED, …Error: GENERIC_INTERNAL_ERROR",
          ONCE_MORE, query("FAILED", "GENERIC_INTERNAL_ERROR")),
    Fault("somebody cancels a query", "Final state of Athena job is CANCELLED, …Error: Query cancelled by user",
          ONCE_MORE,
          query("CANCELLED", "Query cancelled by user")),
    Fault("Athena is asked too often", "An error occurred (TooManyRequestsException) when calling the "
          "StartQueryExecution operation", ONCE_MORE,
          {"StartQueryExecution": error("TooManyRequestsException", "You have exceeded the limit")}),
)  # fmt: skip
def test_a_check(fault: Shown, endpoint: Endpoint) -> None:
    endpoint.answers.update({"StartQueryExecution": {"QueryExecutionId": "q"}, **fault.given})
    with DAG("b3_daily", schedule=None):
        group = aws.checks(SQL, "sectors")
    (operator,) = group.children.values()
    operator.query, operator.database, operator.workgroup = "SELECT 1", "b3", "b3"

    with pytest.raises(FAILURES) as raised:
        run(operator)

    fault.is_seen(raised.value)
    is_tried_again = operator.retries == 1 and not isinstance(raised.value, AirflowFailException)
    fault.is_left(is_tried_again, fault.fault.left == ONCE_MORE)
    assert set(endpoint.calls) <= {"StartQueryExecution", "GetQueryExecution"}


@shows(
    Fault("the query for the findings fails", "expected Athena to answer query q, found FAILED: Insufficient "
          "permissions",
          "The tables are written; the task `summary` fails. Clear it.", query("FAILED", "Insufficient permissions")),
)  # fmt: skip
def test_the_findings(fault: Shown, endpoint: Endpoint) -> None:
    endpoint.answers.update({"StartQueryExecution": {"QueryExecutionId": "q"}, **fault.given})

    with pytest.raises(RuntimeError) as raised:
        aws.ask("SELECT 1")

    fault.is_seen(raised.value)
    fault.is_left("GetQueryResults" in endpoint.calls, False)


@shows(
    Fault("the alert of a failure cannot be published", "could not publish this alert: page: b3_daily scrape "
          "failed in manual__1", "The task has failed as it did before, and its log has this line too. Correct "
          "B3_ALERT_TOPIC_ARN."),
)  # fmt: skip
def test_an_alert(
    fault: Shown, aws_server: launch.Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in {
        **aws_server.environment("sa-east-1"),
        "AIRFLOW_CONN_AWS_DEFAULT": json.dumps({"conn_type": "aws"}),
        "B3_LAKE_BUCKET": "lake",
        "B3_ALERT_TOPIC_ARN": "arn:aws:sns:sa-east-1:000000000000:gone",
    }.items():
        monkeypatch.setenv(name, value)
    task = SimpleNamespace(dag_id="b3_daily", task_id="scrape", run_id="manual__1", try_number=2)
    failure = ValueError("expected 1, found 2")

    returned = alerts.publish({"ti": task, "exception": failure})

    fault.is_seen(caplog.text)
    fault.is_left((returned, failure.__context__), (None, None))
