"""Copy each object of the stream to backup/ once. A message that comes again changes nothing."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from infra.lambdas import messages
from infra.lambdas.messages import Arrived, BadMessage, Event


class DifferentBackup(Exception):
    """The backup of an object has other bytes."""


def handler(event: Event, context: object) -> dict[str, Any]:
    """Copy the objects that a batch of messages tells of; Lambda calls this."""
    found, failed = messages.read_all(event)
    return messages.failures([*failed, *messages.each(found, copy)])


def copy(item: Arrived) -> None:
    """Copy one object, unless its backup is there.

    Raises:
        BadMessage: it is no object of the stream.
        DifferentBackup: its backup has other bytes. It stays as it is.
        ClientError: S3 refuses, as where the object is gone.
    """
    bucket, prefix = os.environ["BUCKET"], os.environ["STREAM_PREFIX"]
    if item.bucket != bucket or not item.key.startswith(prefix):
        raise BadMessage(f"expected an object below s3://{bucket}/{prefix}, found s3://{item.bucket}/{item.key}")
    s3, target = _s3(), f"{os.environ['BACKUP_PREFIX']}{item.key}"
    # Firehose writes objects of some megabytes at most.
    answer = s3.get_object(Bucket=bucket, Key=item.key)
    body = answer["Body"].read()
    try:
        s3.put_object(Bucket=bucket, Key=target, Body=body, ContentType=answer["ContentType"], IfNoneMatch="*")
    except s3.exceptions.ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 412:
            raise
        if s3.get_object(Bucket=bucket, Key=target)["Body"].read() != body:
            raise DifferentBackup(f"expected s3://{bucket}/{target} to equal {item.key}, found other bytes") from error


@cache
def _s3() -> Any:
    import boto3

    return boto3.client("s3")
