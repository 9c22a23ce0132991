"""The recording of what was asked and answered."""

import boto3
import pytest

from local.aws import exchanges, launch


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """The exchanges of a few calls, some of them twice."""
    folder = tmp_path_factory.mktemp("exchanges")
    calls = folder / "calls.jsonl"
    with launch.start(folder / "home", record_calls=calls) as server:
        client = {
            "endpoint_url": server.endpoint, "region_name": "us-east-1", "aws_access_key_id": "me",
            "aws_secret_access_key": server.secret,
        }  # fmt: skip
        s3, glue = boto3.client("s3", **client), boto3.client("glue", **client)
        s3.create_bucket(Bucket="lake")
        for number in range(3):
            s3.put_object(Bucket="lake", Key=f"raw/{number}", Body=b"<Bytes>of an object</Bytes>")
        s3.get_object(Bucket="lake", Key="raw/1")["Body"].read()
        s3.list_objects_v2(Bucket="lake")
        for name in ("none", "neither"):
            with pytest.raises(glue.exceptions.EntityNotFoundException):
                glue.get_table(DatabaseName="b3", Name=name)
    return exchanges.read(exchanges.beside(calls)), server.secret


def of(recorded, method, path):
    return [one for one in recorded[0] if (one.method, one.path.rstrip("0123456789")) == (method, path)]


def test_a_kind_stands_once_with_its_caller(recorded):
    (put,) = of(recorded, "PUT", "/lake/raw/")
    (get,) = of(recorded, "GET", "/lake/raw/")
    (table,) = of(recorded, "POST", "/")

    assert {put.caller, get.caller, table.caller} == {"me"}
    assert (table.service, table.status) == ("glue", 400)
    assert "EntityNotFoundException" in table.answer


def test_objects_bytes_are_left_out_and_answers_are_not(recorded):
    (listing,) = of(recorded, "GET", "/lake")

    assert "<Key>raw/1</Key>" in listing.answer
    assert not [one for one in recorded[0] if "of an object" in one.body + one.answer]


def test_no_signature_is_written(recorded):
    assert not [one for one in recorded[0] if "authorization" in one.headers or recorded[1] in str(one)]
