"""The recording of calls: what each request is taken for, and that a server writes them down."""

import json
import time
from pathlib import Path
from typing import Any

import boto3
import pytest

from local.aws import calls, launch
from local.aws.calls import Call
from local.aws.context import JOB, Caller

# Prints the key that boto3 and Spark call with, and where Spark gets it.
SCRIPT = b"""
import os
print(os.environ["AWS_ACCESS_KEY_ID"])
for line in open(os.environ["PYSPARK_SUBMIT_ARGS"].split()[1]):
    if "credentials.provider" in line:
        print(line.strip())
"""


def request(method: str, path: str, query: str = "", service: str = "s3", **headers: str) -> dict[str, Any]:
    """A signed request as the server sees it."""
    signature = f"AWS4-HMAC-SHA256 Credential=me/20260101/us-east-1/{service}/aws4_request, Signature=0"
    return {
        "type": "http", "method": method, "path": path, "query_string": query.encode(),
        "headers": [(b"authorization", signature.encode()), *((k.encode(), v.encode()) for k, v in headers.items())],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "query", "operation", "names"),
    [
        ("GET", "/lake/a/b.zip", "", "GetObject", {"Bucket": "lake", "Key": "a/b.zip"}),
        ("GET", "/lake/a", "versionId=1", "GetObjectVersion", {"Bucket": "lake", "Key": "a"}),
        ("GET", "/lake/a", "tagging", "GetObjectTagging", {"Bucket": "lake", "Key": "a"}),
        ("HEAD", "/lake/a%2Fb", "", "HeadObject", {"Bucket": "lake", "Key": "a%2Fb"}),
        ("PUT", "/lake/a", "", "PutObject", {"Bucket": "lake", "Key": "a"}),
        ("PUT", "/lake/a", "partNumber=1&uploadId=x", "UploadPart", {"Bucket": "lake", "Key": "a"}),
        ("POST", "/lake/a", "uploads", "CreateMultipartUpload", {"Bucket": "lake", "Key": "a"}),
        ("POST", "/lake/a", "uploadId=x", "CompleteMultipartUpload", {"Bucket": "lake", "Key": "a"}),
        ("DELETE", "/lake/a", "uploadId=x", "AbortMultipartUpload", {"Bucket": "lake", "Key": "a"}),
        ("DELETE", "/lake/a", "", "DeleteObject", {"Bucket": "lake", "Key": "a"}),
        ("GET", "/lake", "list-type=2&prefix=raw%2F", "ListObjectsV2", {"Bucket": "lake", "Prefix": "raw/"}),
        ("GET", "/lake/", "versions", "ListObjectVersions", {"Bucket": "lake"}),
        ("GET", "/lake", "location", "GetBucketLocation", {"Bucket": "lake"}),
        ("PUT", "/lake", "policy", "PutBucketPolicy", {"Bucket": "lake"}),
        ("HEAD", "/lake", "", "HeadBucket", {"Bucket": "lake"}),
        ("GET", "/", "", "ListBuckets", {}),
    ],
)
def test_a_request_to_s3_is_its_operation_on_its_object(method, path, query, operation, names):
    assert calls.calls_of(request(method, path, query), b"", 200, {}) == [Call("me", "s3", operation, names)]


def test_deleting_several_objects_is_a_call_for_each():
    body = b"<Delete><Object><Key>a/1</Key></Object><Object><Key>b&amp;c</Key></Object></Delete>"

    found = calls.calls_of(request("POST", "/lake", "delete"), body, 200, {})

    assert [(call.operation, call.names["Key"]) for call in found] == [("DeleteObject", "a/1"), ("DeleteObject", "b&c")]


def test_a_copy_reads_its_source():
    scope = request("PUT", "/lake/new", **{"x-amz-copy-source": "/other/old%20name?versionId=1"})

    put, read = calls.calls_of(scope, b"", 200, {})

    assert put.names == {"Bucket": "lake", "Key": "new"}
    assert (read.operation, read.names) == ("GetObject", {"Bucket": "other", "Key": "old name"})


def test_a_call_in_json_names_what_it_is_about_and_keeps_the_rest_to_itself():
    scope = request("POST", "/", service="glue", **{"x-amz-target": "AWSGlue.CreateTable"})
    body = json.dumps({"DatabaseName": "b3", "TableInput": {"Name": "quotes", "Parameters": {"x": "y"}}}).encode()

    assert calls.calls_of(scope, body, 200, {}) == [
        Call("me", "glue", "CreateTable", {"DatabaseName": "b3", "TableName": "quotes"})
    ]


def test_a_query_is_noted_with_the_id_that_it_got():
    scope = request("POST", "/", service="athena", **{"x-amz-target": "AmazonAthena.StartQueryExecution"})
    body = json.dumps({"QueryString": "SELECT 1", "WorkGroup": "b3"}).encode()

    (call,) = calls.calls_of(scope, body, 200, {"QueryExecutionId": "7"})

    assert call.names == {"WorkGroup": "b3", "QueryExecutionId": "7"}


@pytest.mark.parametrize("name", ["TopicArn", "TargetArn"])
def test_a_call_in_a_form_is_its_action(name):
    body = f"Action=Publish&{name}=arn%3Aaws%3Asns%3Ax&Message=secret".encode()

    assert calls.calls_of(request("POST", "/", service="sns"), body, 200, {}) == [
        Call("me", "sns", "Publish", {name: "arn:aws:sns:x"})
    ]


def test_a_call_in_cbor_is_the_operation_of_its_path():
    path = "/service/GraniteServiceVersion20100801/operation/PutMetricData"

    assert calls.calls_of(request("POST", path, service="monitoring"), b"\xa1", 200, {}) == [
        Call("me", "monitoring", "PutMetricData", {})
    ]


def test_an_unsigned_request_is_nobodys():
    assert calls.calls_of({"method": "GET", "path": "/lake/a", "headers": []}, b"", 200, {}) == []


def test_the_body_of_an_upload_is_left_alone():
    assert not calls.wants_body(request("PUT", "/lake/a"))
    assert not calls.wants_body(request("POST", "/lake/a", "uploadId=x"))
    assert calls.wants_body(request("POST", "/lake", "delete"))
    assert calls.wants_body(request("POST", "/", service="sns"))


def test_a_caller_that_is_an_account_keeps_its_key_since_its_resources_go_by_it():
    assert Caller(access_key="me").acting_as(JOB).access_key == JOB
    assert Caller(account="111122223333", access_key="111122223333").acting_as(JOB).access_key == "111122223333"


def test_a_server_that_is_asked_to_writes_down_who_called(tmp_path: Path):
    file = tmp_path / "calls.jsonl"
    with launch.start(tmp_path / "home", record_calls=file) as server:
        client = {
            "endpoint_url": server.endpoint, "region_name": "us-east-1", "aws_access_key_id": "me",
            "aws_secret_access_key": server.secret,
        }  # fmt: skip
        s3, glue, logs = (boto3.client(name, **client) for name in ("s3", "glue", "logs"))
        s3.create_bucket(Bucket="lake")
        s3.put_object(Bucket="lake", Key="script.py", Body=SCRIPT)
        with pytest.raises(s3.exceptions.ClientError):
            s3.head_object(Bucket="lake", Key="missing")
        glue.create_job(
            Name="job",
            Role="arn:aws:iam::000000000000:role/x",
            Command={"Name": "glueetl", "ScriptLocation": "s3://lake/script.py"},
            DefaultArguments={"--custom-logGroup-prefix": "/mine"},
        )
        run = glue.start_job_run(JobName="job")["JobRunId"]
        while glue.get_job_run(JobName="job", RunId=run)["JobRun"]["JobRunState"] in ("STARTING", "RUNNING"):
            time.sleep(0.05)
        printed = logs.get_log_events(logGroupName="/mine/output", logStreamName=run)["events"]

    found = calls.read(file)
    assert [event["message"] for event in printed] == [
        JOB,
        "spark.hadoop.fs.s3a.aws.credentials.provider com.amazonaws.auth.EnvironmentVariableCredentialsProvider",
    ]
    assert Call("me", "s3", "PutObject", {"Bucket": "lake", "Key": "script.py"}) in found
    assert Call("me", "s3", "HeadObject", {"Bucket": "lake", "Key": "missing"}, missing=True) in found
    assert Call("me", "glue", "StartJobRun", {"JobName": "job"}) in found
    assert Call(JOB, "s3", "GetObject", {"Bucket": "lake", "Key": "script.py"}, via="glue") in found
    assert len(found) == len({json.dumps(vars(call), sort_keys=True, default=dict) for call in found})


def test_a_server_that_is_not_asked_to_writes_nothing_down(tmp_path: Path, monkeypatch):
    monkeypatch.delenv("B3_AWS_CALLS", raising=False)
    with launch.start(tmp_path / "home") as server:
        boto3.client(
            "s3", endpoint_url=server.endpoint, region_name="us-east-1", aws_access_key_id="me",
            aws_secret_access_key=server.secret,
        ).create_bucket(Bucket="lake")  # fmt: skip

    assert not list(tmp_path.rglob("*.jsonl"))
