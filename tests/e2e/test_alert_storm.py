"""Forty tasks that fail of one cause, in Airflow itself: one alert, and one when it is over."""

import json
import os
import subprocess
import sys

import boto3
import pytest

from local import setup
from tests.places import PLUGINS, ROOT

STORM = """
import os, sys
import datetime as dt
from airflow.sdk import DAG, task
from b3.airflow.dag_defaults import COMMON
from local.aws import service_models

with DAG("storm", schedule=None, **COMMON) as dag:
    for number in range(40):
        @task(task_id=f"task_{number}", retries=0)
        def fetch(number=number):
            if "MENDED" not in os.environ:
                raise ConnectionError(f"no answer from https://b3.example/file_{number}.zip")
        fetch()

    @task(retries=1, retry_delay=dt.timedelta(0))
    def succeed_at_last(ti):
        if ti.try_number == 1:
            raise ValueError("not yet")
    succeed_at_last()

if __name__ == "__main__":
    service_models.read_once()
    first = dag.test()
    os.environ["MENDED"] = "yes"
    second = dag.test()
    states = [task.state for task in first.get_task_instances()]
    print(states.count("failed"), states.count("success"), second.state)
"""


@pytest.fixture
def topic(aws_server, tmp_path, monkeypatch):
    """A lake and a topic, their settings in the environment, and what the topic delivers."""
    for name, value in aws_server.environment("sa-east-1").items():
        monkeypatch.setenv(name, value)
    s3, sns, sqs = boto3.client("s3"), boto3.client("sns"), boto3.client("sqs")
    s3.create_bucket(Bucket="storm", CreateBucketConfiguration={"LocationConstraint": "sa-east-1"})
    arn = sns.create_topic(Name="storm")["TopicArn"]
    queue = sqs.create_queue(QueueName="storm")["QueueUrl"]
    address = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=address)
    for name, value in {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PLUGINS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__API__BASE_URL": "https://airflow.example",
        "AIRFLOW_CONN_AWS_DEFAULT": json.dumps({"conn_type": "aws"}),
        "B3_LAKE_BUCKET": "storm",
        "B3_ALERT_TOPIC_ARN": arn,
    }.items():
        monkeypatch.setenv(name, value)

    def received():
        found = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"]) for message in found]

    return received


def test_forty_failures_make_one_alert_and_their_recovery_another(topic, tmp_path):
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / "storm.py").write_text(STORM)
    environ = {**os.environ, "PYTHONPATH": f"{PLUGINS}{os.pathsep}{ROOT}"}
    subprocess.run([str(setup.AIRFLOW_COMMAND), "db", "migrate"], env=environ, check=True, capture_output=True)

    ran = subprocess.run(
        [sys.executable, str(dags / "storm.py")], env=environ, cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert ran.returncode == 0, ran.stderr[-3000:]
    # The task that succeeded at its second try has told nobody.
    assert ran.stdout.splitlines()[-1] == "40 1 success"
    told, ended = topic()
    assert told["Subject"].startswith("page: storm task_")
    assert "\nFound: ConnectionError: no answer from https://b3.example/file_" in told["Message"]
    assert "\nLink: https://airflow.example/dags/storm/runs/manual__" in told["Message"]
    assert ended["Subject"].startswith("info: recovered: storm task_")
