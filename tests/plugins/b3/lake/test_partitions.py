"""Against the local AWS: what is registered is what its crawler registers; see also tests/e2e/test_daily.py."""

import datetime as dt
import time
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from b3.lake import layout, partitions
from b3.lake.layout import Lake
from local.aws import launch
from local.lake import provision

DATE, BEFORE = dt.date(2024, 5, 16), dt.date(2024, 5, 15)
LAKE = Lake("lake")


@pytest.fixture(scope="module")
def clients(tmp_path_factory):
    """Glue and S3 of a lake without partitions, with a constituent's object for each of 101 tickers of two sessions."""
    with launch.start(tmp_path_factory.mktemp("aws")) as server, pytest.MonkeyPatch.context() as environment:
        for name, value in server.environment().items():
            environment.setenv(name, value)
        provision.provision(server.endpoint, LAKE.bucket)
        s3, sink = boto3.client("s3"), pa.BufferOutputStream()
        pq.write_table(pa.table({"index_code": ["IBOV"]}), sink)
        for date in (DATE, BEFORE):
            for number in range(101):
                key = layout.refined_index_stocks_key(date, f"TICK{number}")
                s3.put_object(Bucket=LAKE.bucket, Key=key, Body=sink.getvalue().to_pybytes())
        yield boto3.client("glue"), s3


@pytest.fixture
def glue(clients):
    """A catalog without partitions of constituents."""
    glue = clients[0]
    found = [{"Values": one["Values"]} for one in registered(glue)]
    for first in range(0, len(found), 25):
        glue.batch_delete_partition(
            DatabaseName="b3", TableName="index_stocks", PartitionsToDelete=found[first : first + 25]
        )
    return glue


@pytest.fixture
def s3(clients):
    return clients[1]


def registered(glue: Any) -> list[dict[str, Any]]:
    pages = glue.get_paginator("get_partitions").paginate(DatabaseName="b3", TableName="index_stocks")
    return [
        {name: one[name] for name in ("Values", "StorageDescriptor", "Parameters")}
        for page in pages
        for one in page["Partitions"]
    ]


def test_are_those_that_a_crawler_registers(glue, s3):
    glue.start_crawler(Name="b3-refined")
    while glue.get_crawler(Name="b3-refined")["Crawler"]["State"] != "READY":
        time.sleep(0.05)
    crawled = registered(glue)
    for first in range(0, len(crawled), 25):
        glue.batch_delete_partition(
            DatabaseName="b3", TableName="index_stocks",
            PartitionsToDelete=[{"Values": one["Values"]} for one in crawled[first : first + 25]],
        )  # fmt: skip

    assert partitions.register_refined(glue, s3, "b3", LAKE, [BEFORE, DATE]) == len(crawled) == 202

    assert registered(glue) == crawled


def test_take_a_call_for_a_hundred(glue, s3):
    lots = []
    glue.meta.events.register(
        "provide-client-params.glue.BatchCreatePartition",
        lambda params, **more: lots.append(len(params["PartitionInputList"])),
        unique_id="lots",
    )

    partitions.register_refined(glue, s3, "b3", LAKE, [DATE])

    glue.meta.events.unregister("provide-client-params.glue.BatchCreatePartition", unique_id="lots")
    assert lots == [100, 1]


def test_are_those_of_the_sessions_alone(glue, s3):
    assert partitions.register_refined(glue, s3, "b3", LAKE, [DATE]) == 101
    assert {one["Values"][0] for one in registered(glue)} == {str(DATE)}


def test_that_are_there_stay_as_they_are(glue, s3):
    partitions.register_refined(glue, s3, "b3", LAKE, [DATE])
    before = registered(glue)

    assert partitions.register_refined(glue, s3, "b3", LAKE, [DATE]) == 0
    assert registered(glue) == before


def test_of_no_object_are_none(glue, s3):
    assert partitions.register_refined(glue, s3, "b3", LAKE, [dt.date(2024, 5, 17)]) == 0
    assert partitions.register(glue, "b3", LAKE, "index_stocks", []) == 0


def test_what_else_lies_there_makes_no_partition(glue, s3):
    prefix = layout.refined_index_stocks_prefix(DATE)
    others = [f"{prefix}ticker=GONE3/", f"{prefix}_SUCCESS"]
    for key in others:
        s3.put_object(Bucket=LAKE.bucket, Key=key)

    assert partitions.register_refined(glue, s3, "b3", LAKE, [DATE]) == 101

    for key in others:
        s3.delete_object(Bucket=LAKE.bucket, Key=key)


def test_of_several_objects_of_a_partition_is_one(glue):
    keys = [f"{layout.refined_index_stocks_prefix(DATE)}ticker=PETR4/{name}.parquet" for name in "ab"]

    assert partitions.register(glue, "b3", LAKE, "index_stocks", keys) == 1


def test_of_no_session_are_none_and_the_bucket_is_not_listed(glue):
    assert partitions.register_refined(glue, None, "b3", LAKE, []) == 0


def test_that_glue_refuses_are_told(glue):
    with pytest.raises(Exception, match="number of partition"):
        partitions.register(glue, "b3", LAKE, "index_stocks", ["refined/index_stocks/trade_date=2024-05-16/x.parquet"])


def test_values_are_those_of_the_key():
    assert partitions.values_of(layout.refined_index_stocks_key(DATE, "PETR4")) == ["2024-05-16", "PETR4"]
    assert partitions.values_of(layout.raw_quotes_key(DATE)) == ["2024-05-16"]
