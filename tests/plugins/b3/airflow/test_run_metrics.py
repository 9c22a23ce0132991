"""What a run records, on the local AWS: a row, its partition, and metrics."""

import datetime as dt
import json
from types import SimpleNamespace

import boto3
import pytest
from airflow.sdk._shared.observability.metrics import stats
from airflow.sdk._shared.observability.metrics.statsd_logger import get_statsd_logger

from b3.airflow import run_metrics
from b3.calendar import publication
from tests.places import ROOT

NOW = dt.datetime(2024, 3, 15, 2, 10, tzinfo=dt.UTC)
BEGAN = NOW - dt.timedelta(minutes=5)
RUN = SimpleNamespace(dag_id="b3_daily", run_id="manual__1", run_type="manual", start_date=BEGAN, run_after=BEGAN)


@pytest.fixture
def recorded(aws_server, lake, put_landed, monkeypatch):
    """Record a run of a session; the catalog has the table, in a database of the test."""
    for name, value in aws_server.environment("sa-east-1").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps({"conn_type": "aws"}))
    database = lake.bucket.replace("-", "_")
    monkeypatch.setenv("B3_LAKE_BUCKET", lake.bucket)
    monkeypatch.setenv("B3_GLUE_DATABASE", database)
    monkeypatch.setattr(publication, "now", lambda: NOW)
    landed = put_landed("landing/quotes/COTAHIST_D14032024.ZIP", b"seven b")
    glue = boto3.client("glue")
    glue.create_database(DatabaseInput={"Name": database})
    storage = {"Location": lake.uri("metrics/run_metrics/"), "Columns": [{"Name": "rows", "Type": "bigint"}]}
    keys = [{"Name": "trade_date", "Type": "date"}]
    table = {"Name": "run_metrics", "StorageDescriptor": storage, "PartitionKeys": keys}
    glue.create_table(DatabaseName=database, TableInput=table)

    def record(rows=7):
        run_metrics.record(RUN, [{"trade_date": "2024-03-14", "rows": rows, "source": landed.uri}], 2)
        found = glue.get_partitions(DatabaseName=database, TableName="run_metrics")["Partitions"]
        return [(each["Values"], each["StorageDescriptor"]["Location"]) for each in found]

    return record


def put_to_cloudwatch(lake, name):
    now = dt.datetime.now(dt.UTC)
    found = boto3.client("cloudwatch").get_metric_statistics(
        Namespace=run_metrics.NAMESPACE,
        MetricName=name,
        Dimensions=[
            {"Name": "Database", "Value": lake.bucket.replace("-", "_")},
            {"Name": "DAG", "Value": "b3_daily"},
        ],
        StartTime=now - dt.timedelta(hours=1),
        EndTime=now + dt.timedelta(hours=1),
        Period=3600,
        Statistics=["Maximum"],
    )
    return [point["Maximum"] for point in found["Datapoints"]]


def test_registers_the_partition_of_its_row_once(recorded, lake, table):
    expected = [(["2024-03-14"], lake.uri("metrics/run_metrics/trade_date=2024-03-14/"))]

    assert recorded() == expected
    assert recorded(rows=8) == expected
    assert table("metrics/run_metrics/trade_date=2024-03-14/b3_daily.parquet")["rows"].to_pylist() == [8]


def test_puts_each_figure_to_cloudwatch(recorded, lake):
    recorded()

    assert {name: put_to_cloudwatch(lake, name) for name in run_metrics.FIGURES} == {
        "rows": [7], "bytes": [7], "findings": [2], "seconds": [300], "lag_seconds": [2400],
    }  # fmt: skip


def test_the_lag_of_a_backfill_is_in_the_table_alone(recorded, lake, monkeypatch, table):
    monkeypatch.setattr(publication, "now", lambda: NOW + dt.timedelta(days=8))
    recorded()

    assert {name: put_to_cloudwatch(lake, name) for name in ("rows", "lag_seconds")} == {"rows": [7], "lag_seconds": []}
    (lag,) = table("metrics/run_metrics/trade_date=2024-03-14/b3_daily.parquet")["lag_seconds"].to_pylist()
    assert lag > run_metrics.MOST_LAG.total_seconds()


def test_of_a_cloudwatch_that_refuses_is_logged_and_fails_nothing(recorded, monkeypatch, caplog):
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", "http://127.0.0.1:9")

    assert len(recorded()) == 1
    assert "could not put metrics to CloudWatch: rows, bytes" in caplog.text


def test_of_a_run_that_wrote_nothing_is_nothing(s3, lake, monkeypatch):
    run_metrics.record(RUN, [], 0)

    assert "Contents" not in s3.list_objects_v2(Bucket=lake.bucket)


def test_are_gauges_of_airflow_by_the_documented_names(monkeypatch):
    """By Airflow's own metrics, as StatsD's client gets them."""
    sent: list[tuple[str, float]] = []
    client = SimpleNamespace(gauge=lambda stat, value, *_: sent.append((stat, value)))
    made = get_statsd_logger(stats_class=lambda *_: client, influxdb_tags_enabled=True, statsd_influxdb_enabled=True)
    monkeypatch.setattr(stats, "_backend", made)

    run_metrics._gauges(dict.fromkeys(("b3.rows", "b3.lag_seconds"), 7), {"dag_id": "b3_daily"})

    assert sent == [("b3.rows,dag_id=b3_daily", 7), ("b3.lag_seconds,dag_id=b3_daily", 7)]
    document = (ROOT / "docs" / "metrics.md").read_text()
    assert [name for name in run_metrics.FIGURES if f"`b3.{name}`" not in document] == []
