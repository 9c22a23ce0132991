"""Who is let in: the lake's own clients, and nobody else who reaches the port."""

import datetime as dt
import stat
from collections.abc import Callable

import boto3
import botocore.exceptions
import pyarrow.fs
import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from local.aws import credentials, launch
from tests.local.aws.harness import Aws
from tests.local.aws.signed import call, keys, put, replace, send, unsigned

LATE = dt.timedelta(minutes=16)

REFUSED: dict[str, tuple[str, Callable[[AWSRequest], None]]] = {
    "foreign host": ("AccessDenied", lambda r: replace(r, "Host", "evil.example:4566")),
    "a name that begins as a loopback": ("AccessDenied", lambda r: replace(r, "Host", "localhost.evil.example")),
    "origin": ("AccessForbidden", lambda r: replace(r, "Origin", "http://evil.example")),
    "origin of its own": ("AccessForbidden", lambda r: replace(r, "Origin", "http://localhost")),
    "empty origin": ("AccessForbidden", lambda r: replace(r, "Origin", "")),
    "cross-site fetch": ("AccessForbidden", lambda r: replace(r, "Sec-Fetch-Site", "cross-site")),
    "unsigned": ("MissingAuthenticationToken", unsigned),
    "other method": ("SignatureDoesNotMatch", lambda r: setattr(r, "method", "POST" if r.method == "PUT" else "PUT")),
    "other path": ("SignatureDoesNotMatch", lambda r: setattr(r, "url", r.url + "x")),
    "unsigned x-amz header": ("SignatureDoesNotMatch", lambda r: replace(r, "x-amz-meta-more", "1")),
    "scrambled": ("IncompleteSignature", lambda r: replace(r, "Authorization", "AWS4-HMAC-SHA256 Credential=local")),
    "basic": ("IncompleteSignature", lambda r: replace(r, "Authorization", "Basic bG9jYWw6bG9jYWw=")),
}  # fmt: skip


@pytest.mark.parametrize(("code", "change"), REFUSED.values(), ids=REFUSED)
def test_is_refused_and_does_nothing(aws: Aws, code, change):
    upload = put(aws, aws.server.secret)
    job = call(aws, aws.server.secret, "CreateJob", {"Name": "attack", "Role": "r", "Command": {"Name": "glueetl"}})
    change(upload)
    change(job)

    for status, headers, body in (send(aws, upload), send(aws, job)):
        assert status == 403
        assert code in body.decode()
        assert not [name for name in headers if name.startswith("access-control-")]

    assert "attack.py" not in keys(aws)
    assert "attack" not in [job["Name"] for job in aws.glue.get_jobs()["Jobs"]]


@pytest.mark.parametrize("secret", ["local", "test", ""])
def test_a_guessed_secret_is_refused_with_where_the_key_is(aws: Aws, secret):
    status, _, body = send(aws, put(aws, secret))

    assert (status, "attack.py" in keys(aws)) == (403, False)
    assert "SignatureDoesNotMatch" in body.decode()
    assert str(credentials.file_of(aws.server.home)) in body.decode()


@pytest.mark.parametrize("ago", [LATE, -LATE])
def test_a_signature_of_another_time_is_refused(aws: Aws, ago, monkeypatch):
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_, **__: dt.datetime.now(dt.UTC) - ago)
    status, _, body = send(aws, put(aws, aws.server.secret))
    monkeypatch.undo()

    assert (status, "attack.py" in keys(aws)) == (403, False)
    assert "RequestTimeTooSkewed" in body.decode()


def test_a_changed_body_is_refused(aws: Aws):
    upload, job = put(aws, aws.server.secret, body=b"signed"), call(aws, aws.server.secret, "GetJobs", {})
    upload.data, job.data = b"other!", b'{"MaxResults": 1}'

    assert send(aws, upload)[0] == 400
    assert send(aws, job)[0] == 403
    assert "attack.py" not in keys(aws)


@pytest.mark.parametrize("path", ["/", "/lake/attack.py", "/_ministack/reset"])
def test_a_preflight_is_refused(aws: Aws, path):
    asked = {"Origin": "http://evil.example", "Access-Control-Request-Method": "PUT"}
    for headers in ({}, asked):
        status, answered, _ = send(aws, AWSRequest("OPTIONS", aws.server.endpoint + path, headers=headers, data=b""))

        assert status == 403
        assert not [name for name in answered if name.startswith("access-control-")]


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/_ministack/reset"), ("POST", "/_ministack/config"), ("GET", "/_ministack/health"), ("GET", "/health")],
)
def test_the_emulators_own_paths_are_closed_too(aws: Aws, method, path):
    assert send(aws, AWSRequest(method, aws.server.endpoint + path, headers={}, data=b""))[0] == 403


def test_no_answer_lets_a_page_read_it(aws: Aws):
    status, headers, _ = send(aws, put(aws, aws.server.secret, key="mine"))

    assert status == 200
    assert not [name for name in headers if name.startswith("access-control-")]


@pytest.mark.parametrize("key", ["plain", "a b+c=d/é:~%20.txt", "trade_date=2020-04-30/x.parquet", "a//b", "a/../b"])
def test_every_key_is_signed_as_botocore_signs_it(aws: Aws, key):
    aws.put(key, b"body", Metadata={"two": "a  b"})

    assert aws.s3.get_object(Bucket=aws.bucket, Key=key)["Body"].read() == b"body"
    assert key in [i["Key"] for i in aws.s3.list_objects_v2(Bucket=aws.bucket, Prefix=key, Delimiter="|")["Contents"]]


def test_a_presigned_url_is_enough_until_it_expires(aws: Aws):
    aws.put("presigned", b"body")
    url = aws.s3.generate_presigned_url("get_object", {"Bucket": aws.bucket, "Key": "presigned"}, ExpiresIn=60)
    signed = AWSRequest("GET", f"{aws.server.endpoint}/{aws.bucket}/presigned", data=b"")
    S3SigV4QueryAuth(Credentials("me", aws.server.secret), "s3", "us-east-1", expires=60).add_auth(signed)

    assert url.startswith(aws.server.endpoint)
    assert send(aws, signed)[::2] == (200, b"body")
    signed.url = signed.url.replace("X-Amz-Expires=60", "X-Amz-Expires=61")
    assert send(aws, signed)[0] == 403


def test_an_upload_that_does_not_sign_its_body_is_taken(aws: Aws):
    client = boto3.client(
        "s3", endpoint_url=aws.server.endpoint, region_name="us-east-1", aws_access_key_id="me",
        aws_secret_access_key=aws.server.secret, config=Config(s3={"payload_signing_enabled": False}),
    )  # fmt: skip
    client.put_object(Bucket=aws.bucket, Key="unsigned-payload", Body=b"body")

    assert client.get_object(Bucket=aws.bucket, Key="unsigned-payload")["Body"].read() == b"body"


def test_pyarrow_reads_and_writes(aws: Aws):
    address = aws.server.endpoint.removeprefix("http://")
    s3 = pyarrow.fs.S3FileSystem(
        access_key="me", secret_key=aws.server.secret, endpoint_override=address, scheme="http", region="us-east-1"
    )
    with s3.open_output_stream(f"{aws.bucket}/of-pyarrow") as file:
        file.write(b"body")

    assert s3.open_input_stream(f"{aws.bucket}/of-pyarrow").read() == b"body"


@pytest.mark.parametrize("service", ["s3", "glue", "cloudformation", "sqs", "lambda"])
def test_clients_of_every_protocol_read_the_refusal(aws: Aws, service):
    client = boto3.client(
        service, endpoint_url=aws.server.endpoint, region_name="us-east-1", aws_access_key_id="me",
        aws_secret_access_key="wrong",
    )  # fmt: skip
    ask = {"s3": "list_buckets", "glue": "get_databases", "cloudformation": "list_stacks", "sqs": "list_queues"}
    with pytest.raises(botocore.exceptions.ClientError, match=r"SignatureDoesNotMatch|403"):
        getattr(client, ask.get(service, "list_functions"))()


def test_the_key_is_the_users_alone_and_outlives_the_server(tmp_path):
    home = tmp_path / "home"
    with launch.start(home) as server:
        first = server.secret
    with launch.start(home) as server:
        assert server.secret == first

    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    readable = [p for p in home.rglob("*") if p.is_file() and p.stat().st_mode & 0o077]
    assert readable == []


def test_each_home_has_a_key_of_its_own(tmp_path):
    first, second = credentials.make(tmp_path / "a"), credentials.make(tmp_path / "b")

    assert first != second
    assert len(first) >= 40
    assert credentials.make(tmp_path / "a") == first == credentials.secret(tmp_path / "a")
    assert stat.S_IMODE(credentials.file_of(tmp_path / "a").stat().st_mode) == 0o600


def test_a_name_that_the_server_was_told_is_let_in(tmp_path):
    with launch.start(tmp_path / "home", allow_hosts=["aws"]) as server:
        aws = Aws(server)
        aws.s3.create_bucket(Bucket=aws.bucket)
        assert send(aws, put(aws, server.secret, Host="aws:4566"))[0] == 200
        assert send(aws, put(aws, server.secret, Host="awss:4566"))[0] == 403
