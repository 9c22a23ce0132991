"""Whole buckets: whose they are, what they hold, and how they go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from infra.deploy.errors import DeployError

# Prefixes of the lake's bucket whose content can be made again at any time.
REMAKEABLE = ("athena/", "code/")


def exists(s3: Any, bucket: str) -> bool:
    """Whether there is a bucket of that name.

    Raises:
        DeployError: there is one, of somebody else.
    """
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in ("404", "NoSuchBucket"):
            return False
        if code in ("403", "AccessDenied", "301", "PermanentRedirect"):
            raise DeployError(
                f"expected bucket {bucket} to be free or this account's in this region, found one that answers {code}: "
                "bucket names are shared by all accounts; choose another, or check the credentials and the region"
            ) from error
        raise
    return True


def remove(s3: Any, bucket: str) -> None:
    """Delete the empty bucket that a failed creation of the lake's stack left, if there is one.

    The policy that keeps a lake's data retains it; this one never held any.
    """
    if exists(s3, bucket):
        s3.delete_bucket(Bucket=bucket)


def data(s3: Any, bucket: str, *, also_remakeable: bool = False) -> list[str]:
    """What of the lake's bucket cannot be made again: its prefixes and keys at the top, former versions included.

    `also_remakeable` gives those as well that can.
    """
    found = set()
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Delimiter="/"):
        found |= {item["Prefix"] for item in page.get("CommonPrefixes", [])}
        found |= {item["Key"] for kind in ("Versions", "DeleteMarkers") for item in page.get(kind, [])}
    return sorted(found if also_remakeable else found - set(REMAKEABLE))


def empty(s3: Any, bucket: str, say: Callable[[str], None]) -> None:
    """Delete every version of every object.

    Raises:
        DeployError: S3 refused one.
    """
    gone = 0
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        items = [
            {"Key": item["Key"], "VersionId": item["VersionId"]}
            for kind in ("Versions", "DeleteMarkers")
            for item in page.get(kind, [])
        ]
        if not items:
            continue
        errors = s3.delete_objects(Bucket=bucket, Delete={"Objects": items, "Quiet": True}).get("Errors", [])
        if errors:
            first = errors[0]
            raise DeployError(
                f"expected to delete s3://{bucket}/{first['Key']}, found {first['Code']}: {first.get('Message', '')}"
            )
        gone += len(items)
        say(f"  {gone:,} versions deleted from {bucket}")
