"""The commit of a partition: one PutObject under a condition."""

from __future__ import annotations

import hashlib
from typing import Any

from botocore.exceptions import ClientError

from refine.errors import Overtaken
from refine.s3 import S3Path, head

# Metadata by which an object is what a run would put. b3_verify finds stale objects by `raw-etag`.
_SAME = ("content-sha256", "source", "raw-etag", "rows")


def commit(s3: Any, content: bytes, target: S3Path, metadata: dict[str, str], former: str | None) -> bool:
    """Put `content` at `target` in one request; return False if the target holds it already, with this metadata.

    Args:
        former: ETag of what lay there when the run began, None for nothing.

    Raises:
        Overtaken: something else lies there now.
    """
    metadata = {**metadata, "content-sha256": hashlib.sha256(content).hexdigest()}

    # After one PUT, the ETag is the MD5 of the bytes: metadata alone would not show that they were changed.
    etag = hashlib.md5(content, usedforsecurity=False).hexdigest()

    def is_there() -> bool:
        found = head(s3, target)
        if found is None or found["ETag"].strip('"') != etag:
            return False
        return all(found["Metadata"].get(name) == metadata.get(name) for name in _SAME)

    if former and is_there():
        return False
    condition = {"IfMatch": former} if former else {"IfNoneMatch": "*"}
    try:
        s3.put_object(
            Bucket=target.bucket,
            Key=target.key,
            Body=content,
            Metadata=metadata,
            ContentType="application/vnd.apache.parquet",
            **(condition if knows_conditions(s3) else {}),
        )
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"):
            raise
        if is_there():  # put by another run from the same source, or by this one's first attempt
            return False
        raise overtaken(str(target), former) from error
    return True


def knows_conditions(s3: Any) -> bool:
    """Return whether this boto3 can put an object on a condition; it can from 1.35.69 on."""
    members = s3.meta.service_model.operation_model("PutObject").input_shape.members
    return {"IfMatch", "IfNoneMatch"} <= members.keys()


def overtaken(target: str, former: str | None) -> Overtaken:
    """Return the error of a run that found `target` with this ETag, None for no object, and finds another one now."""
    return Overtaken(
        f"expected {target} as this run found it ({'ETag ' + former if former else 'no object'}), found that another "
        "run has replaced it since: run the job again if the other one did not use the newest raw objects"
    )
