"""One session twice: with crawlers, and with tasks that register the partitions that they write."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

import boto3
import pytest

from local.aws import calls
from local.commands import run
from local.lake import home, servers
from tests.e2e.conftest import Lab, Outcome
from tests.infra.templates import LAKE, load, policies

DATE = dt.date(2024, 5, 16)
CRAWLS = ("crawl_raw", "crawl_refined")
# What names a lake, a moment or a run in the description of a partition.
OF_THE_RUN = ("CreationTime", "LastAccessTime", "LastAnalyzedTime", "CatalogId")


@dataclass
class Ran:
    """A run, the objects that it left by key with their ETags, its partitions by table, and its tasks' calls."""

    outcome: Outcome
    objects: dict[str, str]
    catalog: dict[str, list[dict[str, Any]]]
    called: set[str]


def ran(folder, register: str) -> Ran:
    """Run the session in a local AWS of its own."""
    recording = folder / "calls.jsonl"
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("B3_LOCAL_HOME", str(folder))
        environment.setenv("B3_AWS_CALLS", str(recording))
        environment.setenv("B3_REGISTER", register)
        with servers.lake(home.find(home.SIMULATED)) as lake:
            lab = Lab(lake)
            outcome = Outcome.of(lambda: run.main(["--date", str(DATE), "--exchange", "simulated", "--no-report"]))
            assert outcome.status == 0, outcome.printed
            glue = boto3.client("glue", endpoint_url=lake.endpoint)
            tables = glue.get_tables(DatabaseName="b3")["TableList"]
            catalog = {
                table["Name"]: [
                    {name: value for name, value in partition.items() if name not in OF_THE_RUN}
                    for page in glue.get_paginator("get_partitions").paginate(
                        DatabaseName="b3", TableName=table["Name"]
                    )
                    for partition in page["Partitions"]
                ]
                for table in tables
                if table.get("PartitionKeys")
            }
            tables_of = ("raw/", "refined/")
            objects = {key: etag for key, etag in lab.objects().items() if key.startswith(tables_of)}
            # The partition of the run's metrics is registered by its task in any case.
            called = {
                call.operation
                for call in calls.read(recording)
                if call.caller == "airflow" and call.names.get("TableName") != "run_metrics"
            }
    return Ran(outcome, objects, catalog, called)


@pytest.fixture(scope="module")
def by_crawler(lakes, tmp_path_factory):
    return ran(tmp_path_factory.mktemp("crawler"), "crawler")


@pytest.fixture(scope="module")
def by_tasks(lakes, tmp_path_factory):
    return ran(tmp_path_factory.mktemp("tasks"), "tasks")


def test_both_leave_the_same_bytes(by_crawler, by_tasks):
    assert by_tasks.objects == by_crawler.objects
    assert len(by_tasks.objects) > 50


def test_both_leave_the_same_partitions_down_to_their_storage_descriptors(by_crawler, by_tasks):
    assert by_tasks.catalog == by_crawler.catalog
    empty = {name for name, partitions in by_tasks.catalog.items() if not partitions}
    # Of a job and of a DAG that no session's run starts.
    assert empty == {"visual_index_stocks", "raw_btc_minutes", "btc_minutes"}


def test_the_tasks_start_no_crawl_and_say_why(by_crawler, by_tasks):
    assert {by_crawler.outcome.state(task) for task in CRAWLS} == {"success"}
    assert {by_tasks.outcome.state(task) for task in CRAWLS} == {"skipped"}
    assert "StartCrawler" in by_crawler.called - by_tasks.called
    assert "B3_REGISTER is tasks" in by_tasks.outcome.printed


def test_the_tasks_call_what_the_stack_allows_them_then(by_crawler, by_tasks):
    more = {action for name, one in policies(load(LAKE)) if name == "RegisterPolicy" for action in one["Action"]}

    registering = {operation for operation in by_tasks.called - by_crawler.called if "Partition" in operation}
    assert {f"glue:{operation}" for operation in registering} == more
