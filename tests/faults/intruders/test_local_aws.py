"""Someone who has not the lake's key reaches the port of the local AWS, or asks more of it than the lake holds."""

import datetime as dt
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from botocore.awsrequest import AWSRequest

from local.aws import launch
from tests.faults.fault import Fault, Shown, shows
from tests.local.aws.harness import Aws
from tests.local.aws.signed import call, keys, put, replace, send, unsigned

NOTHING = "Status 403; nothing is written, and no code is run."
_numbers = itertools.count()


@pytest.fixture
def aws(aws_server: launch.Server) -> Aws:
    """A bucket for one test."""
    made = Aws(aws_server, f"intruders-{next(_numbers)}")
    made.s3.create_bucket(Bucket=made.bucket)
    return made


def late(minutes: int) -> Callable[[pytest.MonkeyPatch], None]:
    def turn(monkeypatch: pytest.MonkeyPatch) -> None:
        then = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=minutes)
        monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_, **__: then)

    return turn


@shows(
    Fault("a page of another name is led to the port of the local AWS", "AccessDenied…expected a Host of 127.0.0.1, "
          "[::1], localhost; found evil.example:4566", NOTHING, lambda r: replace(r, "Host", "evil.example:4566")),
    Fault("a web page sends a request to the local AWS", "AccessForbidden…expected no request of a web page, found one "
          "of 'http://evil.example'", NOTHING, lambda r: replace(r, "Origin", "http://evil.example")),
    Fault("a web page sends one without an Origin", "AccessForbidden…expected no request of a web page, found one of "
          "'cross-site'", NOTHING, lambda r: replace(r, "Sec-Fetch-Site", "cross-site")),
    Fault("a request to the local AWS is not signed", "MissingAuthenticationToken", NOTHING, unsigned),
    Fault("a signed request is sent to another address", "SignatureDoesNotMatch", NOTHING,
          lambda r: setattr(r, "url", r.url + "x")),
    Fault("metadata is added to a signed request", "SignatureDoesNotMatch", NOTHING,
          lambda r: replace(r, "x-amz-meta-more", "1")),
)  # fmt: skip
def test_a_request_that_is_not_the_lakes_own(fault: Shown, aws: Aws) -> None:
    upload = put(aws, aws.server.secret)
    job = call(aws, aws.server.secret, "CreateJob", {"Name": "attack", "Role": "r", "Command": {"Name": "glueetl"}})
    for request in (upload, job):
        fault.given(request)

    answers = [send(aws, request) for request in (upload, job)]

    for _, headers, body in answers:
        fault.is_seen(body.decode())
        assert not [name for name in headers if name.startswith("access-control-")]
    jobs = [job["Name"] for job in aws.glue.get_jobs()["Jobs"]]
    fault.is_left(([status for status, *_ in answers], keys(aws), "attack" in jobs), ([403, 403], [], False))


@shows(
    Fault("somebody guesses the key of the local AWS", "SignatureDoesNotMatch…the key is in …/credentials, which "
          "AWS_SHARED_CREDENTIALS_FILE may name", NOTHING, (lambda patch: None, "local")),
    Fault("a request is sent again a quarter of an hour later", "RequestTimeTooSkewed", NOTHING, (late(16), None)),
)  # fmt: skip
def test_a_signature_that_does_not_count(fault: Shown, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    turn, secret = fault.given
    turn(monkeypatch)
    status, _, body = send(aws, put(aws, secret or aws.server.secret))
    monkeypatch.undo()

    fault.is_seen(body.decode())
    fault.is_left((status, keys(aws)), (403, []))


@shows(
    Fault("the body of a signed upload is replaced", "XAmzContentSHA256Mismatch…expected a body of SHA-256", "Status "
          "400; nothing is written."),
)  # fmt: skip
def test_a_changed_body(fault: Shown, aws: Aws) -> None:
    upload = put(aws, aws.server.secret, body=b"signed")
    upload.data = b"other!"

    status, _, body = send(aws, upload)

    fault.is_seen(body.decode())
    fault.is_left((status, keys(aws)), (400, []))


@shows(
    Fault("a web page asks whether it may write", "expected no request of a web page", NOTHING, ("OPTIONS", "/lake/x")),
    Fault("somebody resets the emulator", "MissingAuthenticationToken", NOTHING, ("POST", "/_ministack/reset")),
)  # fmt: skip
def test_doors_beside_the_api(fault: Shown, aws: Aws) -> None:
    method, path = fault.given
    aws.put("mine", b"body")

    status, headers, body = send(aws, AWSRequest(method, aws.server.endpoint + path, headers={}, data=b""))

    fault.is_seen(body.decode())
    allowed = [name for name in headers if name.startswith("access-control-")]
    fault.is_left((status, allowed, keys(aws)), (403, [], ["mine"]))


@shows(
    Fault("a query reads a file of the machine", "NOT_SUPPORTED: a table function in FROM: READ_TEXT",
          "Athena refuses the query; no file is opened.",
          "SELECT * FROM read_text('{file}')"),
    Fault("a query reads a file of the machine as a table", "TABLE_NOT_FOUND: …'awsdatacatalog.b3.…' does not exist",
          "Athena refuses the query; no file is opened.",
          "SELECT * FROM '{file}'"),
    Fault("a query writes a file on the machine", "SYNTAX_ERROR: line 1:1: mismatched input 'COPY'",
          "Athena refuses the query; no file is written.",
          "COPY (SELECT 1) TO '{file}.out'"),
)  # fmt: skip
def test_a_query_that_leaves_the_lake(fault: Shown, aws: Aws, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("s3cret")
    if "b3" not in [database["Name"] for database in aws.glue.get_databases()["DatabaseList"]]:
        aws.database("b3")

    reason = aws.reason(fault.given.format(file=secret))

    fault.is_seen(reason)
    fault.is_left(("s3cret" in reason, list(tmp_path.iterdir())), (False, [secret]))
