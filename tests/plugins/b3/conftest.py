import hashlib
import io
import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from airflow.sdk import Connection

from b3.lake.landed import LandedFile
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
        aws_secret_access_key=aws_server.secret,
    )


@pytest.fixture
def lake(s3: Any) -> Lake:
    """A versioned bucket for one test."""
    bucket = f"lake-of-test-{next(_bucket_numbers)}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "sa-east-1"})
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return Lake(bucket)


@pytest.fixture
def body(s3: Any, lake: Lake) -> Callable[..., bytes]:
    """The bytes of an object, by key; `VersionId` names a former version."""
    return lambda key, **version: s3.get_object(Bucket=lake.bucket, Key=key, **version)["Body"].read()


@pytest.fixture
def table(body: Callable[[str], bytes]) -> Callable[[str], pa.Table]:
    """The rows of a Parquet object, by key."""
    return lambda key: pq.read_table(io.BytesIO(body(key)))


@pytest.fixture
def put_landed(s3: Any, lake: Lake) -> Callable[..., LandedFile]:
    """Put bytes in landing/ as scrape does."""

    def put(key: str, sent: bytes, source: str = "b3") -> LandedFile:
        landed = LandedFile(lake.uri(key), f"https://b3.example/{key}", hashlib.sha256(sent).hexdigest(), source)
        s3.put_object(Bucket=lake.bucket, Key=key, Body=sent, Metadata=landed.metadata())
        return landed

    return put


@pytest.fixture
def versions(s3: Any, lake: Lake) -> Callable[[], dict[str, list[str]]]:
    """The version ids of every object of the lake, newest first, by key."""

    def look() -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for version in s3.list_object_versions(Bucket=lake.bucket).get("Versions", []):
            found.setdefault(version["Key"], []).append(version["VersionId"])
        return found

    return look


@pytest.fixture
def raw_versions(versions: Callable[[], dict[str, list[str]]]) -> Callable[[], dict[str, list[str]]]:
    """As `versions`, of raw/."""
    return lambda: {key: ids for key, ids in versions().items() if key.startswith("raw/")}


@pytest.fixture
def landed_versions(versions: Callable[[], dict[str, list[str]]]) -> Callable[[], dict[str, int]]:
    """How many versions each object of the lake has, by key, but for those of landing/received/."""
    return lambda: {key: len(ids) for key, ids in versions().items() if not key.startswith("landing/received/")}
