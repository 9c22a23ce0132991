"""Requests to the local AWS as they are sent, signed with a secret that a test chooses."""

import http.client
import json
from typing import Any

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.local.aws.harness import Aws


def send(aws: Aws, request: AWSRequest) -> tuple[int, dict[str, str], bytes]:
    """Send a request as it is, and return status, headers and body of the answer."""
    address = aws.server.endpoint.removeprefix("http://")
    connection = http.client.HTTPConnection(address, timeout=10)
    path = request.url.removeprefix(aws.server.endpoint)
    body = request.data if isinstance(request.data, bytes) else request.data.encode()
    sent = dict(request.headers.items())
    connection.putrequest(request.method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in ({"Host": address} | sent | {"Content-Length": str(len(body))}).items():
        connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    headers = {name.lower(): value for name, value in answer.getheaders()}
    return answer.status, headers, answer.read()


def put(aws: Aws, secret: str, key: str = "attack.py", body: bytes = b"print('in')", **headers: str) -> AWSRequest:
    """A PUT of an object, signed with `secret`."""
    request = AWSRequest("PUT", f"{aws.server.endpoint}/{aws.bucket}/{key}", headers=headers, data=body)
    S3SigV4Auth(Credentials("me", secret), "s3", "us-east-1").add_auth(request)
    return request


def call(aws: Aws, secret: str, target: str, data: dict[str, Any], **headers: str) -> AWSRequest:
    """A call of Glue, signed with `secret`."""
    sent = {"X-Amz-Target": f"AWSGlue.{target}", "Content-Type": "application/x-amz-json-1.1", **headers}
    request = AWSRequest("POST", f"{aws.server.endpoint}/", headers=sent, data=json.dumps(data).encode())
    SigV4Auth(Credentials("me", secret), "glue", "us-east-1").add_auth(request)
    return request


def keys(aws: Aws) -> list[str]:
    return [item["Key"] for item in aws.s3.list_objects_v2(Bucket=aws.bucket).get("Contents", [])]


def replace(request: AWSRequest, name: str, value: str) -> None:
    del request.headers[name]
    request.headers[name] = value


def unsigned(request: AWSRequest) -> None:
    del request.headers["Authorization"]
