"""What S3 says of the lake's objects."""

from __future__ import annotations

from typing import Any

from b3.lake.layout import Lake


def head(s3: Any, where: Lake, key: str) -> dict[str, Any] | None:
    """Return S3's answer about the object under `key`, None where there is none."""
    try:
        return s3.head_object(Bucket=where.bucket, Key=key)
    except s3.exceptions.ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchKey"):
            return None
        raise
