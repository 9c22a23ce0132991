"""What is left after the server is killed as by a power cut."""

import subprocess
from pathlib import Path

import boto3
import pytest

from infra.checkout import ROOT
from local.aws import launch
from tests.local.aws.harness import Aws, parquet, quote, wait_until
from tests.processes import cut_power

SLEEP = "import subprocess, sys, time\nsubprocess.Popen(['sleep', '300'])\nprint('up', flush=True)\ntime.sleep(300)\n"
TEMPLATE = """
Resources:
  Database:
    Type: AWS::Glue::Database
    Properties: {CatalogId: !Ref "AWS::AccountId", DatabaseInput: {Name: stacked}}
  Role:
    Type: AWS::IAM::Role
    Properties:
      RoleName: stacked-role
      AssumeRolePolicyDocument: {Version: "2012-10-17", Statement: []}
Outputs:
  Database: {Value: !Ref Database}
"""


def group_members(marker: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and marker.encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def test_everything_outlives_kill_9(home: Path) -> None:
    server = launch.start(home)
    aws = Aws(server)
    aws.s3.create_bucket(Bucket=aws.bucket)
    aws.s3.put_bucket_versioning(Bucket=aws.bucket, VersioningConfiguration={"Status": "Enabled"})
    aws.s3.put_bucket_tagging(Bucket=aws.bucket, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    aws.put("x/é 1.txt", b"first", Metadata={"source": "simulated"}, ContentType="text/plain")
    aws.put("x/é 1.txt", b"second", Metadata={"source": "simulated"}, ContentType="text/plain")
    aws.database("b3")
    aws.table("b3", "quotes")
    aws.put("b3/quotes/trade_date=2020-04-30/a.parquet", parquet([quote("PETR4", "1.00", 1)]))
    aws.crawler("c", "b3", "quotes")
    aws.crawl("c")
    aws.client("iam").create_role(RoleName="reader", AssumeRolePolicyDocument="{}")
    aws.athena.create_work_group(
        Name="b3", Configuration={"ResultConfiguration": {"OutputLocation": "s3://lake/athena/"}}
    )
    aws.client("cloudformation").create_stack(StackName="s", TemplateBody=TEMPLATE)
    aws.client("cloudformation").get_waiter("stack_create_complete").wait(StackName="s", WaiterConfig={"Delay": 1})
    aws.job("quick", "print('done')", ExecutionProperty={"MaxConcurrentRuns": 3})
    done = aws.run_job("quick")
    aws.job("slow", SLEEP)
    cut = aws.glue.start_job_run(JobName="slow")["JobRunId"]
    wait_until(lambda: aws.glue.get_job_run(JobName="slow", RunId=cut)["JobRun"]["JobRunState"] == "RUNNING")
    wait_until(lambda: len(group_members(cut)) >= 2)
    query = aws.execute("SELECT ticker FROM quotes")
    cut_power(server)
    assert group_members(cut), "the job was to outlive the server, or the test shows nothing"

    with launch.start(home) as again:
        aws = Aws(again)
        versions = aws.s3.list_object_versions(Bucket=aws.bucket, Prefix="x/")["Versions"]
        assert [v["Size"] for v in sorted(versions, key=lambda v: v["Size"])] == [5, 6]
        item = aws.s3.get_object(Bucket=aws.bucket, Key="x/é 1.txt")
        assert (item["Body"].read(), item["Metadata"], item["ContentType"]) == (
            b"second",
            {"source": "simulated"},
            "text/plain",
        )
        assert aws.s3.get_bucket_versioning(Bucket=aws.bucket)["Status"] == "Enabled"
        assert aws.s3.get_bucket_tagging(Bucket=aws.bucket)["TagSet"] == [{"Key": "a", "Value": "b"}]
        assert aws.partitions("b3", "quotes") == [["2020-04-30"]]
        assert aws.glue.get_crawler(Name="c")["Crawler"]["LastCrawl"]["Status"] == "SUCCEEDED"
        assert aws.client("iam").get_role(RoleName="reader")["Role"]["RoleName"] == "reader"
        assert aws.athena.get_work_group(WorkGroup="b3")["WorkGroup"]["Configuration"]["ResultConfiguration"]
        stack = aws.client("cloudformation").describe_stacks(StackName="s")["Stacks"][0]
        assert (stack["StackStatus"], stack["Outputs"][0]["OutputValue"]) == ("CREATE_COMPLETE", "stacked")
        assert aws.glue.get_database(Name="stacked")["Database"]["Name"] == "stacked"
        assert aws.glue.get_job(JobName="quick")["Job"]["ExecutionProperty"]["MaxConcurrentRuns"] == 3
        assert aws.glue.get_job_run(JobName="quick", RunId=done["Id"])["JobRun"]["JobRunState"] == "SUCCEEDED"
        run = aws.glue.get_job_run(JobName="slow", RunId=cut)["JobRun"]
        assert run["JobRunState"] == "FAILED" and "cut off" in run["ErrorMessage"]
        wait_until(lambda: not group_members(cut), 10)
        kept = aws.athena.get_query_execution(QueryExecutionId=query["QueryExecutionId"])["QueryExecution"]
        assert kept["Status"]["State"] == "SUCCEEDED"
        assert aws.rows("SELECT ticker FROM quotes") == [["PETR4"]]
        aws.glue.start_job_run(JobName="slow")


def test_a_torn_put_is_repaired_at_the_next_start(home: Path) -> None:
    with launch.start(home) as server:
        aws = Aws(server)
        aws.s3.create_bucket(Bucket=aws.bucket)
        aws.put("a.txt", b"old", Metadata={"of": "old"})
    data = next(home.glob("s3/*/lake/a.txt"))
    data.write_bytes(b"newer")
    with launch.start(home) as server:
        item = Aws(server).s3.get_object(Bucket="lake", Key="a.txt")
        assert item["Body"].read() == b"newer"
        assert (item["ContentLength"], item["Metadata"]) == (5, {})


def test_a_home_in_use_is_refused(home: Path) -> None:
    with launch.start(home) as server:
        second = subprocess.run(
            [str(launch.ENVIRONMENT / "bin/python"), "-m", "local.aws", "--home", str(home)],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert second.returncode == 1
        assert server.endpoint in second.stderr and "in use" in second.stderr


def test_stopping_ends_running_jobs(home: Path) -> None:
    server = launch.start(home)
    aws = Aws(server)
    aws.s3.create_bucket(Bucket=aws.bucket)
    aws.job("slow", SLEEP)
    run = aws.glue.start_job_run(JobName="slow")["JobRunId"]
    wait_until(lambda: len(group_members(run)) >= 2)
    server.stop()
    assert server.process.returncode == 0
    assert not group_members(run)
    with launch.start(home) as again:
        assert Aws(again).glue.get_job_run(JobName="slow", RunId=run)["JobRun"]["JobRunState"] == "STOPPED"


def test_start_says_what_is_missing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "ENVIRONMENT", Path("/nowhere"))

    with pytest.raises(RuntimeError, match="make setup"):
        launch.start(home)


def test_regions_and_accounts_are_apart(aws: Aws) -> None:
    for key, region in (("111122223333", "us-east-1"), ("test", "sa-east-1")):
        other = boto3.client(
            "glue", endpoint_url=aws.server.endpoint, region_name=region,
            aws_access_key_id=key, aws_secret_access_key=aws.server.secret,
        )  # fmt: skip
        assert other.get_databases()["DatabaseList"] == []
        other.create_database(DatabaseInput={"Name": "apart"})
        other.create_table(
            DatabaseName="apart",
            TableInput={
                "Name": "t",
                "PartitionKeys": [{"Name": "k", "Type": "string"}],
                "StorageDescriptor": {"Location": "s3://a/"},
            },
        )
        other.create_partition(
            DatabaseName="apart", TableName="t", PartitionInput={"Values": [region], "StorageDescriptor": {}}
        )
        assert [p["Values"] for p in other.get_partitions(DatabaseName="apart", TableName="t")["Partitions"]] == [
            [region]
        ]
