"""S3 refuses a request of scrape or upload."""

import io
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import botocore.exceptions
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config

from b3.lake.layout import Lake
from b3.lake.refusals import naming_objects
from b3.quotes import land, raw
from local.aws import launch
from tests.faults.fault import Fault, Shown, shows
from tests.faults.quotes import DATE, LANDED, RAW, file_of, publish, rows
from tests.plugins.b3.exchange import Answer, Exchange

FORMER = "Readers keep the former quotes. Airflow tries the task again."
CORRECTED = file_of(rows(PREULT=1051))
REFUSALS = {
    "SlowDown": (503, "Please reduce your request rate."),
    "InternalError": (500, "We encountered an internal error. Please try again."),
    "ExpiredToken": (400, "The provided token has expired."),
    "AccessDenied": (403, "Access Denied"),
    "ServiceUnavailable": (503, "Service is unable to handle request."),
}


class _Raw(io.BytesIO):
    """A body as urllib3 gives it."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


@pytest.fixture
def refusing(aws_server: launch.Server) -> Callable[[str, str], Any]:
    """A client to which S3 refuses an operation with an error code, however often it asks."""

    def make(operation: str, code: str) -> Any:
        client = naming_objects(
            boto3.client(
                "s3", endpoint_url=aws_server.endpoint, region_name="sa-east-1", aws_access_key_id="local",
                aws_secret_access_key=aws_server.secret, config=Config(retries={"max_attempts": 0}),
            )
        )  # fmt: skip
        status, message = REFUSALS[code]
        body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()

        def answer(request: Any, **_: Any) -> AWSResponse:
            return AWSResponse(request.url, status, {"content-type": "application/xml"}, _Raw(body))

        client.meta.events.register(f"before-send.s3.{operation}", answer)
        return client

    return make


@shows(
    Fault("S3 asks for fewer requests", "An error occurred (SlowDown) when calling the PutObject operation…Please "
          "reduce your request rate. (s3://…/raw/quotes/trade_date=2020-04-30/quotes.parquet)", FORMER,
          ("PutObject", "SlowDown")),
    Fault("S3 has an internal error", "An error occurred (InternalError) when calling the PutObject operation…(s3://…/"
          "raw/quotes/trade_date=2020-04-30/quotes.parquet)", FORMER, ("PutObject", "InternalError")),
    Fault("the role's token has expired at the commit", "An error occurred (ExpiredToken) when calling the PutObject "
          "operation: The provided token has expired. (s3://…/quotes.parquet)", FORMER, ("PutObject", "ExpiredToken")),
    Fault("the role may not write to raw/", "An error occurred (AccessDenied) when calling the PutObject operation: "
          "Access Denied (s3://…/raw/quotes/trade_date=2020-04-30/quotes.parquet)",
          FORMER + " Compare the role with infra/lake.yaml.", ("PutObject", "AccessDenied")),
    Fault("the role may not read landing/", "An error occurred (AccessDenied) when calling the GetObject operation: "
          "Access Denied (s3://…/landing/quotes/COTAHIST_D30042020.ZIP)",
          FORMER + " Compare the role with infra/lake.yaml.", ("GetObject", "AccessDenied")),
    Fault("S3 is not available", "An error occurred (ServiceUnavailable) when calling the HeadObject operation…Service "
          "is unable to handle request. (s3://…/raw/quotes/trade_date=2020-04-30/quotes.parquet)", FORMER,
          ("HeadObject", "ServiceUnavailable")),
)  # fmt: skip
def test_upload_is_refused(
    fault: Shown, refusing: Any, s3: Any, lake: Lake, put_landed: Any, objects: Any, changed: Any
) -> None:
    publish(put_landed, s3, lake)
    put_landed(LANDED, CORRECTED)
    before = objects()

    with pytest.raises(botocore.exceptions.ClientError) as error:
        raw.write_quotes(refusing(*fault.given), lake, DATE)

    fault.is_seen(error.value)
    fault.is_left(changed(before), [])
    raw.write_quotes(s3, lake, DATE)
    assert changed(before) == [RAW]


@shows(
    Fault("S3 refuses the file that scrape fetched",
          "An error occurred (SlowDown) when calling the PutObject operation…"
          "(s3://…/landing/quotes/COTAHIST_D30042020.ZIP)", FORMER + " It asks B3 again.", ("PutObject", "SlowDown")),
)  # fmt: skip
def test_scrape_is_refused(
    fault: Shown,
    refusing: Any,
    exchange: Exchange,
    hook_to: Any,
    lake: Lake,
    changed: Any,
    before: Any,
) -> None:
    exchange.will(Answer(body=CORRECTED))

    with pytest.raises(botocore.exceptions.ClientError) as error:
        land.capture_quotes(hook_to(exchange.url), refusing(*fault.given), lake, DATE)

    fault.is_seen(error.value)
    fault.is_left(changed(before), [])


@shows(
    Fault("the bytes of a refused answer cannot be kept", "could not be kept: …An error occurred "
          "(AccessDenied) when calling the PutObject operation", "Readers keep the former quotes; the bytes are lost. "
          "The message still begins with what is wrong with them.", ("PutObject", "AccessDenied")),
)  # fmt: skip
def test_what_cannot_be_kept_does_not_hide_the_fault(
    fault: Shown,
    refusing: Any,
    exchange: Exchange,
    hook_to: Any,
    lake: Lake,
    changed: Any,
    before: Any,
) -> None:
    exchange.will(Answer(body=b"<html><title>Acesso negado</title></html>"))

    with pytest.raises(Exception, match="Acesso negado") as error:
        land.capture_quotes(hook_to(exchange.url), refusing(*fault.given), lake, DATE)

    fault.is_seen(error.value)
    fault.is_left(changed(before), [])


@shows(
    Fault("the lake's bucket is not there", "An error occurred (NoSuchBucket) when calling the PutObject operation",
          "Nothing is written. Deploy the stack, or correct B3_LAKE_BUCKET."),
)  # fmt: skip
def test_no_bucket(fault: Shown, exchange: Exchange, hook_to: Any, s3: Any, lake: Lake, objects: Any) -> None:
    exchange.will(Answer(body=CORRECTED))

    with pytest.raises(botocore.exceptions.ClientError) as error:
        land.capture_quotes(hook_to(exchange.url), s3, Lake("no-such-bucket"), DATE)

    fault.is_seen(error.value)
    fault.is_left(objects(), {})
