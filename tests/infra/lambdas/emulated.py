"""A local AWS with a bucket, an alert topic under the lake's export, and one of the stacks of functions."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import boto3

from infra.checkout import ROOT, template
from infra.deploy import functions
from local.aws import launch

BUCKET = "lake"
STACK = "b3-lake"
# What the optional stacks take from the lake's: its bucket, which tells EventBridge what comes, its topic, its job.
LAKE = """
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: lake
      VersioningConfiguration: {Status: Enabled}
      NotificationConfiguration: {EventBridgeConfiguration: {EventBridgeEnabled: true}}
  Topic:
    Type: AWS::SNS::Topic
    Properties: {TopicName: b3-alerts}
  ExecutionRole:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Principal: {Service: airflow.amazonaws.com}, Action: sts:AssumeRole}]
Outputs:
  ExecutionRoleArn: {Value: !GetAtt ExecutionRole.Arn, Export: {Name: !Sub "${AWS::StackName}-ExecutionRoleArn"}}
  AlertTopicArn: {Value: !Ref Topic, Export: {Name: !Sub "${AWS::StackName}-AlertTopicArn"}}
"""


@dataclass
class Aws:
    """Clients of a server, and what the tests of functions do with it."""

    server: launch.Server
    clients: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, service: str) -> Any:
        if service not in self.clients:
            environment = self.server.environment()
            self.clients[service] = boto3.client(
                service,
                endpoint_url=self.server.endpoint,
                region_name="us-east-1",
                aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            )
        return self.clients[service]

    @cached_property
    def functions(self) -> Any:
        """Lambda, whose name is a word of Python."""
        return self.__getattr__("lambda")

    def deploy(self, name: str, **parameters: str) -> None:
        """Make a stack from a template of infra/, after a lake that has what it needs."""
        self._make(STACK, LAKE, {})
        ((key, body),) = functions.objects(functions.package(ROOT)).items()
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        given = {"LakeStack": STACK, "LakeBucket": BUCKET, "CodeKey": key, **parameters}
        self._make(f"{STACK}-{name}", template(name).read_text(), given)

    def _make(self, stack: str, body: str, parameters: dict[str, str]) -> None:
        self.cloudformation.create_stack(
            StackName=stack,
            TemplateBody=body,
            Capabilities=["CAPABILITY_NAMED_IAM"],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        )
        done = wait_for(lambda: self._ended(stack))
        assert done == "CREATE_COMPLETE", self._why(stack)

    def _ended(self, stack: str) -> str | None:
        status = str(self.cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"])
        return None if status.endswith("_IN_PROGRESS") else status

    def _why(self, stack: str) -> list[str]:
        events = self.cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
        return [
            str(event.get("ResourceStatusReason")) for event in events if event["ResourceStatus"].endswith("FAILED")
        ]

    def invoke(self, function: str, event: object) -> tuple[Any, bool]:
        """Call a function, and return its answer and whether it failed."""
        answer = self.functions.invoke(FunctionName=function, Payload=json.dumps(event).encode())
        return json.loads(answer["Payload"].read()), "FunctionError" in answer

    def url(self, queue: str) -> str:
        """Return a queue's URL."""
        return str(self.sqs.get_queue_url(QueueName=queue)["QueueUrl"])

    def messages(self, queue: str) -> list[str]:
        """Return the bodies of up to ten messages that are visible."""
        answer = self.sqs.receive_message(QueueUrl=self.url(queue), MaxNumberOfMessages=10, VisibilityTimeout=0)
        return [message["Body"] for message in answer.get("Messages", [])]

    def left(self, queue: str) -> int:
        """Return how many messages a queue holds, those that are being worked on too."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.sqs.get_queue_attributes(QueueUrl=self.url(queue), AttributeNames=names)
        return sum(int(answer["Attributes"][name]) for name in names)

    def objects(self, prefix: str) -> dict[str, bytes]:
        """Return the objects below a prefix, by key."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        return {key: self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}


def wait_for(condition: Callable[[], Any], seconds: float = 90) -> Any:
    """Return what `condition` gives once that is true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.1)
    raise AssertionError(f"nothing came of it within {seconds} s")


@dataclass
class Site:
    """A web server of this test: its URL, and the requests it got. `answer` gives status and body for each."""

    url: str
    answer: Callable[[str, Any], tuple[int, Any]]
    requests: list[tuple[str, str, Any]] = field(default_factory=list)


@contextmanager
def serving(answer: Callable[[str, Any], tuple[int, Any]]) -> Iterator[Site]:
    """Serve on a free port of 127.0.0.1 what `answer` gives for a path and a JSON body."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def _reply(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"null")
            site.requests.append((self.command, self.path, body))
            status, found = site.answer(self.path, body)
            text = json.dumps(found).encode()
            self.send_response(status)
            for name, value in (found.get("headers", {}) if isinstance(found, dict) else {}).items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = _reply  # noqa: N815

        def log_message(self, *words: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site = Site(f"http://127.0.0.1:{server.server_port}", answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
