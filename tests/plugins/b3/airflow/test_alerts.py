import datetime as dt
import json
from types import SimpleNamespace

import boto3
import pytest

from b3.airflow import alerts


def failed(**fields):
    task = SimpleNamespace(dag_id="b3_daily", task_id="validate.key_is_unique", run_id="manual__1", try_number=2)
    return {"ti": SimpleNamespace(**(vars(task) | fields)), "exception": ValueError("expected 1, found 2")}


class TestDescribe:
    def test_names_the_task_the_run_and_the_error(self):
        subject, message = alerts.describe(failed())

        assert subject == "b3_daily validate.key_is_unique failed in manual__1"
        assert message.startswith("ValueError: expected 1, found 2\n")
        assert "run manual__1, try 2" in message

    def test_keeps_to_the_subjects_sns_takes(self):
        subject, _ = alerts.describe(failed(run_id="execução " * 30))

        assert subject.isascii()
        assert len(subject) == 100

    @pytest.mark.parametrize(
        ("run", "day"),
        [
            ({"run_type": "scheduled", "conf": {}}, "2024-03-14"),
            ({"run_type": "backfill", "conf": {"trade_date": "2020-04-30"}}, "2024-03-14"),
            ({"run_type": "manual", "conf": {"trade_date": "2020-04-30"}}, "2020-04-30"),
            ({"run_type": "manual", "conf": {"year": 2020}, "logical_date": None}, "2020"),
            ({"run_type": "manual", "conf": {"year": 1986, "last_year": 1993}, "logical_date": None}, "1986 to 1993"),
            ({"run_type": "manual", "conf": {"year": 1986, "last_year": 1986}, "logical_date": None}, "1986"),
        ],
        ids=["scheduled", "backfill", "for a trade date", "for a year", "for several years", "for one year of several"],
    )
    def test_names_what_the_run_was_for_which_its_id_does_not(self, run, day):
        run = {"logical_date": dt.datetime(2024, 3, 14, tzinfo=dt.UTC), **run}

        subject, _ = alerts.describe(failed() | {"dag_run": SimpleNamespace(**run)})

        assert subject == f"b3_daily validate.key_is_unique failed for {day} in manual__1"

    def test_names_only_the_run_where_that_is_all_there_is(self):
        run = SimpleNamespace(run_type="manual", conf=None, logical_date=None)

        assert alerts.describe(failed() | {"dag_run": run})[0].endswith("failed in manual__1")

    def test_says_so_where_there_is_no_reason(self):
        assert alerts.describe(failed() | {"exception": None})[1].startswith("no reason given\n")


@pytest.fixture
def topic(aws_server, monkeypatch):
    """A topic, the queue behind it, and the settings of a task that may publish to it."""
    for name, value in aws_server.environment("sa-east-1").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws_server.endpoint)
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps({"conn_type": "aws"}))
    monkeypatch.setenv("B3_LAKE_BUCKET", "lake")
    sns, sqs = boto3.client("sns"), boto3.client("sqs")
    arn = sns.create_topic(Name="alerts")["TopicArn"]
    queue = sqs.create_queue(QueueName="alerts")["QueueUrl"]
    address = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=address)
    return SimpleNamespace(arn=arn, received=lambda: received(sqs, queue))


def received(sqs, queue):
    found = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message["Body"]) for message in found]


class TestPublish:
    def test_reaches_whoever_subscribed_to_the_topic(self, topic, monkeypatch):
        monkeypatch.setenv("B3_ALERT_TOPIC_ARN", topic.arn)

        alerts.publish(failed())

        (message,) = topic.received()
        assert (message["Subject"], message["Message"]) == alerts.describe(failed())

    def test_without_a_topic_tells_nobody_and_says_so(self, topic, monkeypatch, caplog):
        monkeypatch.delenv("B3_ALERT_TOPIC_ARN", raising=False)
        caplog.set_level("INFO")

        alerts.publish(failed())

        assert topic.received() == []
        assert "B3_ALERT_TOPIC_ARN is not set" in caplog.text

    def test_that_fails_is_logged_and_leaves_the_tasks_own_failure_alone(self, topic, monkeypatch, caplog):
        monkeypatch.setenv("B3_ALERT_TOPIC_ARN", topic.arn + "-gone")

        alerts.publish(failed())

        assert "could not publish this alert" in caplog.text


class TestInform:
    def test_says_in_its_subject_that_nothing_has_to_be_done(self, topic, monkeypatch):
        monkeypatch.setenv("B3_ALERT_TOPIC_ARN", topic.arn)

        alerts.inform("b3_daily for 2005-03-14: 3 findings", "the rest")

        (message,) = topic.received()
        assert message["Subject"] == "info: b3_daily for 2005-03-14: 3 findings"
        assert message["Message"] == "the rest"


def ended(reason):
    return {
        "dag": SimpleNamespace(dag_id="b3_daily", dagrun_timeout=dt.timedelta(hours=40)),
        "run_id": "manual__1",
        "reason": reason,
    }


class TestPublishTimeout:
    def test_tells_which_run_was_ended_and_what_to_do(self, topic, monkeypatch):
        monkeypatch.setenv("B3_ALERT_TOPIC_ARN", topic.arn)

        alerts.publish_timeout(ended("timed_out"))

        (message,) = topic.received()
        assert message["Subject"] == "b3_daily timed out in manual__1"
        assert message["Message"].startswith("Expected the run to end within 1 day, 16:00:00; Airflow ended it")
        assert "DAG b3_daily, run manual__1." in message["Message"]

    def test_names_the_session(self, topic, monkeypatch):
        monkeypatch.setenv("B3_ALERT_TOPIC_ARN", topic.arn)
        run = SimpleNamespace(run_type="scheduled", conf=None, logical_date=dt.datetime(2024, 3, 14, tzinfo=dt.UTC))

        alerts.publish_timeout(ended("timed_out") | {"dag_run": run})

        assert [message["Subject"] for message in topic.received()] == [
            "b3_daily timed out for 2024-03-14 in manual__1"
        ]

    def test_is_silent_where_a_task_failed_which_was_told_by_itself(self, topic, monkeypatch):
        monkeypatch.setenv("B3_ALERT_TOPIC_ARN", topic.arn)

        alerts.publish_timeout(ended("task_failure"))

        assert topic.received() == []
