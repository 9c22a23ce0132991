import json

import pytest
from botocore.exceptions import ClientError

from tests.local.aws.harness import Aws, parquet, quote, wait_until


def test_a_crawl_registers_new_folders_and_inherits_the_tables_schema(aws: Aws) -> None:
    aws.database("crawled")
    aws.table("crawled", "t", keys=(("trade_date", "date"), ("ticker", "string")))
    aws.put("crawled/t/TRADE_DATE=2020-04-30/ticker=A%2FB 1/x.parquet", parquet([quote("PETR4", "1.00", 1)]))
    aws.put("crawled/t/trade_date=2020-04-30/ticker=C/x.parquet", parquet([quote("PETR4", "2.00", 1)]))
    aws.put("crawled/t/_temporary/0/x.parquet", b"half a file")
    aws.put("crawled/t/_SUCCESS", b"")
    aws.crawler("crawled", "crawled", "t")
    aws.glue.start_crawler(Name="crawled")
    wait_until(lambda: aws.glue.get_crawler(Name="crawled")["Crawler"]["State"] == "READY")
    last = aws.glue.get_crawler(Name="crawled")["Crawler"]["LastCrawl"]
    assert last["Status"] == "SUCCEEDED" and last["LogGroup"] == "/aws-glue/crawlers"
    assert "Created partitions" in aws.log(last["LogGroup"], last["LogStream"])
    assert aws.partitions("crawled", "t") == [["2020-04-30", "A/B 1"], ["2020-04-30", "C"]]
    table = aws.glue.get_table(DatabaseName="crawled", Name="t")["Table"]
    partition = aws.glue.get_partition(DatabaseName="crawled", TableName="t", PartitionValues=["2020-04-30", "C"])[
        "Partition"
    ]
    assert partition["StorageDescriptor"]["Columns"] == table["StorageDescriptor"]["Columns"]
    assert partition["StorageDescriptor"]["Location"] == "s3://lake/crawled/t/trade_date=2020-04-30/ticker=C/"
    metrics = aws.glue.get_crawler_metrics(CrawlerNameList=["crawled"])["CrawlerMetricsList"][0]
    assert {
        "TablesCreated",
        "TablesUpdated",
        "TablesDeleted",
        "LastRuntimeSeconds",
        "StillEstimating",
    } <= metrics.keys()
    # A partition of another schema is brought back to the table's.
    aws.glue.update_partition(
        DatabaseName="crawled", TableName="t", PartitionValueList=["2020-04-30", "C"],
        PartitionInput={
            "Values": ["2020-04-30", "C"], "StorageDescriptor": {**partition["StorageDescriptor"], "Columns": []},
        },
    )  # fmt: skip
    aws.crawl("crawled")
    again = aws.glue.get_partition(DatabaseName="crawled", TableName="t", PartitionValues=["2020-04-30", "C"])[
        "Partition"
    ]
    assert again["StorageDescriptor"] == partition["StorageDescriptor"]
    assert aws.glue.get_table(DatabaseName="crawled", Name="t")["Table"] == table


def test_an_object_that_is_not_parquet_fails_the_crawl_by_name(aws: Aws) -> None:
    aws.database("broken")
    aws.table("broken", "t")
    aws.put("broken/t/trade_date=2020-04-30/bad.parquet", b"not parquet at all")
    aws.crawler("broken", "broken", "t")
    last = aws.crawl("broken")
    assert last["Status"] == "FAILED"
    assert "s3://lake/broken/t/trade_date=2020-04-30/bad.parquet" in last["ErrorMessage"]
    assert aws.partitions("broken", "t") == []
    aws.put("broken/t/trade_date=2020-04-30/bad.parquet", parquet([quote("PETR4", "1.00", 1)]))
    assert aws.crawl("broken")["Status"] == "SUCCEEDED"
    assert aws.partitions("broken", "t") == [["2020-04-30"]]


def test_a_running_crawl_can_be_stopped_and_is_not_started_twice(aws: Aws) -> None:
    aws.database("long")
    aws.table("long", "t", keys=(("n", "int"),))
    for n in range(10):
        aws.put(f"long/t/n={n}/x.parquet", parquet([quote("PETR4", "1.00", 1)]))
    # The same table again and again, so that the crawl is still at it when it is stopped.
    aws.crawler("long", "long", *["t"] * 2000)
    aws.glue.start_crawler(Name="long")
    assert aws.glue.get_crawler(Name="long")["Crawler"]["State"] == "RUNNING"
    with pytest.raises(ClientError, match="CrawlerRunningException"):
        aws.glue.start_crawler(Name="long")
    aws.glue.stop_crawler(Name="long")
    wait_until(lambda: aws.glue.get_crawler(Name="long")["Crawler"]["State"] == "READY")
    assert aws.glue.get_crawler(Name="long")["Crawler"]["LastCrawl"]["Status"] == "CANCELLED"
    aws.glue.update_crawler(Name="long", Targets={"CatalogTargets": [{"DatabaseName": "long", "Tables": ["t"]}]})
    assert aws.crawl("long")["Status"] == "SUCCEEDED"
    assert len(aws.partitions("long", "t")) == 10
    with pytest.raises(ClientError, match="CrawlerNotRunningException"):
        aws.glue.stop_crawler(Name="long")


def test_what_the_emulator_would_only_pretend_is_refused(aws: Aws) -> None:
    with pytest.raises(ClientError, match="does not do StartWorkflowRun"):
        aws.glue.start_workflow_run(Name="w")
    with pytest.raises(ClientError, match="does not do ListCrawls"):
        aws.glue.list_crawls(CrawlerName="c")


def test_crawler_definitions_that_aws_refuses(aws: Aws) -> None:
    target = {"CatalogTargets": [{"DatabaseName": "b3", "Tables": ["t"]}]}
    for more in (
        {"Targets": target, "SchemaChangePolicy": {"DeleteBehavior": "DELETE_FROM_DATABASE"}},
        {"Targets": {**target, "S3Targets": [{"Path": "s3://lake/"}]}},
        {"Targets": {}},
        {"Targets": {"S3Targets": [{"Path": "s3://lake/"}]}},
        {"Targets": {"JdbcTargets": [{"ConnectionName": "x", "Path": "y"}]}},
        {"Targets": target, "RecrawlPolicy": {"RecrawlBehavior": "CRAWL_NEW_FOLDERS_ONLY"}},
    ):
        with pytest.raises(ClientError, match="InvalidInputException"):
            aws.glue.create_crawler(Name="refused", Role="arn:aws:iam::000000000000:role/glue", **more)
    with pytest.raises(ClientError, match="EntityNotFoundException"):
        aws.glue.start_crawler(Name="nobody")


def test_partition_calls(aws: Aws) -> None:
    aws.database("parts")
    aws.table("parts", "t", keys=(("trade_date", "date"), ("n", "int")))
    inputs = [
        {"Values": [f"2020-01-{d:02d}", str(d)], "StorageDescriptor": {"Location": f"s3://lake/{d}/"}}
        for d in range(1, 13)
    ]
    made = aws.glue.batch_create_partition(DatabaseName="parts", TableName="t", PartitionInputList=inputs)
    assert made["Errors"] == []
    again = aws.glue.batch_create_partition(DatabaseName="parts", TableName="t", PartitionInputList=inputs[:1])
    assert again["Errors"][0]["ErrorDetail"]["ErrorCode"] == "AlreadyExistsException"
    with pytest.raises(ClientError, match="ask without Expression"):
        aws.partitions("parts", "t", Expression="n = 1")
    pages = aws.glue.get_paginator("get_partitions").paginate(
        DatabaseName="parts", TableName="t", PaginationConfig={"PageSize": 5}
    )
    assert [len(page["Partitions"]) for page in pages] == [5, 5, 2]
    with pytest.raises(ClientError, match="InvalidInputException"):
        aws.glue.create_partition(DatabaseName="parts", TableName="t", PartitionInput={"Values": ["2020-01-01"]})
    with pytest.raises(ClientError, match="EntityNotFoundException"):
        aws.glue.create_partition(DatabaseName="parts", TableName="none", PartitionInput={"Values": ["x"]})
    aws.glue.batch_delete_partition(
        DatabaseName="parts", TableName="t", PartitionsToDelete=[{"Values": ["2020-01-01", "1"]}]
    )
    aws.glue.delete_table(DatabaseName="parts", Name="t")
    aws.table("parts", "t", keys=(("trade_date", "date"), ("n", "int")))
    assert aws.partitions("parts", "t") == []


def test_a_query_by_date_finds_the_partitions_of_these_dates_however_they_are_written(aws: Aws) -> None:
    aws.database("dated")
    location = aws.table("dated", "t")
    for text in ("2020-01-01", "2020-1-2", "2020-01-02", "2020-01-03", "2019-12-31", "2020-01-031"):
        aws.put(f"dated/t/trade_date={text}/x.parquet", parquet([quote(text, "1.00", 1)]))
        if text != "2020-01-031":
            aws.glue.create_partition(
                DatabaseName="dated", TableName="t",
                PartitionInput={"Values": [text], "StorageDescriptor": {"Location": f"{location}trade_date={text}/"}},
            )  # fmt: skip

    def tickers(condition: str) -> list[str | None]:
        return sorted(row[0] for row in aws.rows(f"SELECT ticker FROM t WHERE {condition}", "dated"))

    assert tickers("trade_date = date '2020-01-02'") == ["2020-01-02", "2020-1-2"]
    assert tickers("date '2020-01-02' = trade_date") == ["2020-01-02", "2020-1-2"]
    assert tickers("trade_date BETWEEN date '2020-01-01' AND date '2020-01-02'") == [
        "2020-01-01", "2020-01-02", "2020-1-2",
    ]  # fmt: skip
    assert tickers("trade_date BETWEEN date '2020-01-01' AND date '2020-01-03' AND trade_date = date '2020-01-03'") == [
        "2020-01-03"
    ]
    assert tickers("trade_date = date '2020-01-01' OR trade_date = date '2019-12-31'") == ["2019-12-31", "2020-01-01"]
    assert tickers("NOT trade_date = date '2020-01-02' AND trade_date < date '2020-01-01'") == ["2019-12-31"]
    # Partitions of other dates are not even read, whatever they are.
    aws.glue.create_partition(DatabaseName="dated", TableName="t", PartitionInput={"Values": ["2021-13-45"]})
    assert tickers("trade_date = date '2020-01-03'") == ["2020-01-03"]
    assert tickers("trade_date BETWEEN date '2020-01-03' AND date '2020-12-31'") == ["2020-01-03"]
    assert "HIVE_INVALID_PARTITION_VALUE" in aws.reason("SELECT ticker FROM t", "dated")


STACK = {
    "Resources": {
        "Database": {
            "Type": "AWS::Glue::Database",
            "Properties": {"CatalogId": {"Ref": "AWS::AccountId"}, "DatabaseInput": {"Name": "cfn"}},
        },
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}},
        },
        "Table": {
            "Type": "AWS::Glue::Table",
            "Properties": {
                "CatalogId": {"Ref": "AWS::AccountId"}, "DatabaseName": {"Ref": "Database"},
                "TableInput": {
                    "Name": "t", "TableType": "EXTERNAL_TABLE",
                    "PartitionKeys": [{"Name": "trade_date", "Type": "date"}],
                    "StorageDescriptor": {"Location": "s3://lake/cfn/", "Columns": [{"Name": "a", "Type": "int"}]},
                },
            },
        },
        "Crawler": {
            "Type": "AWS::Glue::Crawler",
            "Properties": {
                "Name": "cfn", "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                "Targets": {"CatalogTargets": [{"DatabaseName": {"Ref": "Database"}, "Tables": [{"Ref": "Table"}]}]},
                "SchemaChangePolicy": {"UpdateBehavior": "LOG", "DeleteBehavior": "LOG"},
            },
        },
        "Job": {
            "Type": "AWS::Glue::Job",
            "Properties": {
                "Name": "cfn", "Role": {"Fn::GetAtt": ["Role", "Arn"]}, "ExecutionProperty": {"MaxConcurrentRuns": 4},
                "Command": {"Name": "glueetl", "ScriptLocation": "s3://lake/code/x.py"},
            },
        },
        "Workgroup": {
            "Type": "AWS::Athena::WorkGroup",
            "Properties": {
                "Name": "cfn", "RecursiveDeleteOption": True,
                "WorkGroupConfiguration": {
                    "EnforceWorkGroupConfiguration": True, "ResultConfiguration": {"OutputLocation": "s3://lake/athena/cfn/"},
                },
            },
        },
    }
}  # fmt: skip


def test_a_stack_of_lake_resources_is_made_changed_left_alone_and_deleted(aws: Aws) -> None:
    stacks = aws.client("cloudformation")
    quick = {"Delay": 1, "MaxAttempts": 30}
    capabilities = ["CAPABILITY_IAM"]
    stacks.create_stack(StackName="cfn", TemplateBody=json.dumps(STACK), Capabilities=capabilities)
    stacks.get_waiter("stack_create_complete").wait(StackName="cfn", WaiterConfig=quick)
    crawler = aws.glue.get_crawler(Name="cfn")["Crawler"]
    assert crawler["Targets"]["CatalogTargets"] == [{"DatabaseName": "cfn", "Tables": ["t"]}]
    assert crawler["State"] == "READY"
    assert aws.glue.get_job(JobName="cfn")["Job"]["ExecutionProperty"]["MaxConcurrentRuns"] == 4
    aws.glue.create_partition(DatabaseName="cfn", TableName="t", PartitionInput={"Values": ["2020-01-01"]})
    with pytest.raises(ClientError, match="No updates are to be performed"):
        stacks.update_stack(StackName="cfn", TemplateBody=json.dumps(STACK), Capabilities=capabilities)
    changed = json.loads(json.dumps(STACK))
    table = changed["Resources"]["Table"]["Properties"]["TableInput"]
    table["StorageDescriptor"]["Columns"].append({"Name": "b", "Type": "string"})
    changed["Resources"]["Job"]["Properties"]["ExecutionProperty"]["MaxConcurrentRuns"] = 2
    stacks.update_stack(StackName="cfn", TemplateBody=json.dumps(changed), Capabilities=capabilities)
    stacks.get_waiter("stack_update_complete").wait(StackName="cfn", WaiterConfig=quick)
    columns = aws.glue.get_table(DatabaseName="cfn", Name="t")["Table"]["StorageDescriptor"]["Columns"]
    assert [column["Name"] for column in columns] == ["a", "b"]
    assert aws.glue.get_job(JobName="cfn")["Job"]["ExecutionProperty"]["MaxConcurrentRuns"] == 2
    assert aws.partitions("cfn", "t") == [["2020-01-01"]]
    stacks.delete_stack(StackName="cfn")
    stacks.get_waiter("stack_delete_complete").wait(StackName="cfn", WaiterConfig=quick)
    with pytest.raises(ClientError, match="EntityNotFoundException"):
        aws.glue.get_database(Name="cfn")
