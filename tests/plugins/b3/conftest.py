import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from airflow.sdk import Connection

from b3.lake.layout import Lake
from b3.site.hook import B3Hook
from local.aws import launch
from tests.plugins.b3.exchange import Exchange

_bucket_numbers = itertools.count()


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    """B3, for one test."""
    server = Exchange()
    yield server
    server.close()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that would have been slept between tries."""
    slept: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", slept.append)
    return slept


@pytest.fixture
def hook_to() -> Callable[..., B3Hook]:
    """A hook over a connection to a URL; keywords become the connection's extra."""

    def make(url: str, **extra: Any) -> B3Hook:
        return B3Hook(connection=Connection(conn_id="b3_default", conn_type="http", host=url, extra=json.dumps(extra)))

    return make


@pytest.fixture(scope="session")
def s3(aws_server: launch.Server) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=aws_server.endpoint,
        region_name="sa-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )


@pytest.fixture
def lake(s3: Any) -> Lake:
    """A versioned bucket for one test."""
    bucket = f"lake-of-test-{next(_bucket_numbers)}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "sa-east-1"})
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return Lake(bucket)
