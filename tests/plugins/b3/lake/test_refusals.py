import pytest
from botocore.exceptions import ClientError

from b3.lake.commit import Overtaken, head, keys_below, put
from b3.lake.layout import Lake
from b3.lake.refusals import naming_objects


@pytest.fixture
def naming_s3(s3, aws_server):
    """A client of its own: a client of the session keeps its handlers."""
    import boto3

    return naming_objects(
        boto3.client(
            "s3",
            endpoint_url=s3.meta.endpoint_url,
            region_name="sa-east-1",
            aws_access_key_id="local",
            aws_secret_access_key=aws_server.secret,
        )
    )


def test_a_refused_put_and_get_name_bucket_and_key(naming_s3):
    nowhere = Lake("no-such-bucket")

    with pytest.raises(ClientError, match=r"NoSuchBucket.*PutObject.*\(s3://no-such-bucket/raw/x\)$"):
        put(naming_s3, nowhere, "raw/x", b"", {}, None)
    with pytest.raises(ClientError, match=r"GetObject.*\(s3://no-such-bucket/raw/x\)$"):
        naming_s3.get_object(Bucket="no-such-bucket", Key="raw/x")


def test_a_refused_listing_names_bucket_and_prefix(naming_s3):
    with pytest.raises(ClientError, match=r"ListObjectsV2.*\(s3://no-such-bucket/raw/\)$"):
        keys_below(naming_s3, Lake("no-such-bucket"), "raw/")


def test_what_is_not_there_and_what_was_overtaken_are_known_as_before(naming_s3, lake):
    assert head(naming_s3, lake, "raw/x") is None
    put(naming_s3, lake, "raw/x", b"1", {}, None)
    with pytest.raises(Overtaken, match="raw/x was replaced meanwhile"):
        put(naming_s3, lake, "raw/x", b"2", {}, None)


def test_a_client_that_comes_twice_names_the_object_once(naming_s3):
    with pytest.raises(ClientError) as error:
        naming_objects(naming_s3).get_object(Bucket="no-such-bucket", Key="raw/x")

    assert str(error.value).count("s3://") == 1
