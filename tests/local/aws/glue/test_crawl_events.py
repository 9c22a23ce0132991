"""Crawlers that go by S3 events: what is new is looked at, what is old is left alone, and nothing is missed."""

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.aws import launch
from tests.local.aws.harness import ACCOUNT_ROLE, INHERIT, Aws, parquet, quote, wait_until
from tests.processes import cut_power

BODY = parquet([quote("PETR4", "1.00", 1)])
EVENT_MODE = {"RecrawlBehavior": "CRAWL_EVENT_MODE"}


class Watched:
    """A database of tables a and b, whose bucket tells a queue what is written to them, and a crawler that reads it."""

    def __init__(self, aws: Aws, name: str) -> None:
        self.aws = aws
        self.name = name
        self.sqs = aws.client("sqs")
        aws.database(name)
        for table in ("a", "b"):
            aws.table(name, table)
        self.url = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        self.arn = f"arn:aws:sqs:us-east-1:000000000000:{name}"
        aws.s3.put_bucket_notification_configuration(
            Bucket=aws.bucket,
            NotificationConfiguration={
                "QueueConfigurations": [
                    {
                        "QueueArn": self.arn,
                        "Events": ["s3:ObjectCreated:*"],
                        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": f"{name}/"}]}},
                    }
                ]
            },
        )
        aws.glue.create_crawler(Name=name, **self.definition())

    def definition(self) -> dict[str, Any]:
        return {
            "Role": ACCOUNT_ROLE,
            "Targets": {
                "CatalogTargets": [{"DatabaseName": self.name, "Tables": ["a", "b"], "EventQueueArn": self.arn}]
            },
            "SchemaChangePolicy": {"UpdateBehavior": "LOG", "DeleteBehavior": "LOG"},
            "RecrawlPolicy": EVENT_MODE,
            "Configuration": json.dumps(INHERIT),
        }

    def put(self, table: str, day: int, body: bytes = BODY) -> None:
        self.aws.put(f"{self.name}/{table}/trade_date=2020-01-{day:02d}/x y+z.parquet", body)

    def forget(self, table: str, day: int) -> None:
        """Take a partition out of the catalog, behind the crawler's back."""
        self.aws.glue.delete_partition(DatabaseName=self.name, TableName=table, PartitionValues=[f"2020-01-{day:02d}"])

    def crawl(self) -> str:
        last = self.aws.crawl(self.name)
        self.log = self.aws.log(last["LogGroup"], last["LogStream"])
        return str(last["Status"])

    def days(self, table: str) -> list[int]:
        return [int(values[0][-2:]) for values in self.aws.partitions(self.name, table)]

    def waiting(self) -> int:
        attributes = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["All"])["Attributes"]
        return sum(int(attributes[name]) for name in attributes if name.startswith("ApproximateNumberOfMessages"))


def test_the_first_crawl_lists_everything_and_uses_up_the_events(aws: Aws) -> None:
    watched = Watched(aws, "listed-first")
    watched.put("a", 1)
    watched.sqs.purge_queue(QueueUrl=watched.url)
    watched.put("b", 2)

    assert watched.crawl() == "SUCCEEDED"
    assert (watched.days("a"), watched.days("b"), watched.waiting()) == ([1], [2], 0)
    assert "Crawl is not running in S3 event mode" in watched.log


def test_later_crawls_look_at_the_folders_of_events_alone(aws: Aws) -> None:
    watched = Watched(aws, "events-later")
    watched.put("a", 1)
    watched.put("b", 1)
    watched.crawl()
    watched.forget("a", 1)
    watched.put("a", 2)
    watched.put("b", 3)

    assert watched.crawl() == "SUCCEEDED"
    assert "The crawl is running by consuming Amazon S3 events." in watched.log
    # A listing would have found the first of a again.
    assert (watched.days("a"), watched.days("b"), watched.waiting()) == ([2], [1, 3], 0)


def test_an_event_that_was_told_of_twice_changes_nothing_more(aws: Aws) -> None:
    watched = Watched(aws, "told-twice")
    watched.crawl()
    watched.put("a", 1)
    watched.crawl()
    made = aws.glue.get_partitions(DatabaseName="told-twice", TableName="a")["Partitions"]
    watched.put("a", 1)

    assert watched.crawl() == "SUCCEEDED"
    assert aws.glue.get_partitions(DatabaseName="told-twice", TableName="a")["Partitions"] == made


def test_a_crawl_without_events_does_nothing(aws: Aws) -> None:
    watched = Watched(aws, "silent")
    watched.put("a", 1)
    watched.crawl()
    watched.forget("a", 1)

    assert watched.crawl() == "SUCCEEDED"
    assert watched.days("a") == []


def test_objects_that_are_gone_when_the_crawl_comes_make_no_partition(aws: Aws) -> None:
    watched = Watched(aws, "gone")
    watched.crawl()
    watched.put("a", 1)
    aws.s3.delete_object(Bucket=aws.bucket, Key="gone/a/trade_date=2020-01-01/x y+z.parquet")

    assert watched.crawl() == "SUCCEEDED"
    assert (watched.days("a"), watched.waiting()) == ([], 0)


def test_a_partition_whose_object_was_replaced_gets_the_tables_schema_back(aws: Aws) -> None:
    watched = Watched(aws, "replaced")
    watched.put("a", 1)
    watched.crawl()
    (made,) = aws.glue.get_partitions(DatabaseName="replaced", TableName="a")["Partitions"]
    aws.glue.update_partition(
        DatabaseName="replaced", TableName="a", PartitionValueList=["2020-01-01"],
        PartitionInput={"Values": ["2020-01-01"], "StorageDescriptor": {**made["StorageDescriptor"], "Columns": []}},
    )  # fmt: skip
    watched.put("a", 1)
    watched.crawl()

    (again,) = aws.glue.get_partitions(DatabaseName="replaced", TableName="a")["Partitions"]
    assert again["StorageDescriptor"] == made["StorageDescriptor"]


def test_a_failed_crawl_keeps_its_events_and_the_next_one_lists(aws: Aws) -> None:
    watched = Watched(aws, "failed")
    watched.crawl()
    watched.put("a", 1, b"not parquet")
    watched.put("b", 1)

    assert watched.crawl() == "FAILED"
    assert watched.waiting() == 2
    assert watched.days("b") == []
    # The event of b is hidden for now.
    watched.put("a", 1)
    assert watched.crawl() == "SUCCEEDED"
    assert (watched.days("a"), watched.days("b")) == ([1], [1])


def test_a_changed_definition_makes_the_next_crawl_list(aws: Aws) -> None:
    watched = Watched(aws, "changed")
    watched.put("a", 1)
    watched.crawl()
    watched.forget("a", 1)
    aws.glue.update_crawler(Name="changed", Configuration=json.dumps({"Version": 1.0}))

    watched.crawl()
    assert watched.days("a") == [1]


def test_definitions_that_aws_refuses(aws: Aws) -> None:
    watched = Watched(aws, "refusing")
    (target,) = watched.definition()["Targets"]["CatalogTargets"]
    unheard = {name: value for name, value in target.items() if name != "EventQueueArn"}
    for targets, reason in (
        ({"CatalogTargets": [unheard]}, "Event queue ARN is required"),
        ({"CatalogTargets": [target, target]}, "single target"),
        ({"S3Targets": [{"Path": "s3://lake/x/", "EventQueueArn": watched.arn}]}, "catalog targets only"),
    ):
        with pytest.raises(ClientError, match=reason):
            aws.glue.create_crawler(Name="refused", **{**watched.definition(), "Targets": targets})
    watched.sqs.delete_queue(QueueUrl=watched.url)
    last = aws.crawl("refusing")
    assert last["Status"] == "FAILED"
    assert "does not exist" in last["ErrorMessage"]


def test_events_outlive_a_clean_stop(home: Path) -> None:
    with launch.start(home) as server:
        watched = _watched_at(server)
        watched.put("a", 1)
        watched.crawl()
        watched.forget("a", 1)
        watched.put("a", 2)
    with launch.start(home) as server:
        again = _again_at(server)

        assert again.crawl() == "SUCCEEDED"
        assert "The crawl is running by consuming Amazon S3 events." in again.log
        assert again.days("a") == [2]


def test_after_a_kill_the_first_crawl_lists_since_the_last_events_may_be_lost(home: Path) -> None:
    server = launch.start(home)
    watched = _watched_at(server)
    watched.crawl()
    watched.put("a", 1)
    cut_power(server)
    with launch.start(home) as server:
        again = _again_at(server)

        assert again.crawl() == "SUCCEEDED"
        assert again.days("a") == [1]
        again.forget("a", 1)
        again.put("a", 2)
        again.crawl()
        assert again.days("a") == [2]


def test_a_kill_in_the_middle_of_a_crawl_loses_no_partition(home: Path) -> None:
    server = launch.start(home)
    watched = _watched_at(server)
    watched.crawl()
    for day in range(1, 29):
        watched.put("a", day)
        watched.put("b", day)
    watched.aws.glue.start_crawler(Name="watched")
    wait_until(lambda: watched.days("a"))
    cut_power(server)
    with launch.start(home) as server:
        again = _again_at(server)

        assert again.crawl() == "SUCCEEDED"
        assert again.days("a") == again.days("b") == list(range(1, 29))


def _watched_at(server: launch.Server) -> Watched:
    aws = Aws(server)
    aws.s3.create_bucket(Bucket=aws.bucket)
    return Watched(aws, "watched")


def _again_at(server: launch.Server) -> Watched:
    watched = Watched.__new__(Watched)
    watched.aws, watched.name = Aws(server), "watched"
    watched.sqs = watched.aws.client("sqs")
    return watched
