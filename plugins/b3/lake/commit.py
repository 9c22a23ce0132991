"""How an object of the lake is written: one PUT, on the condition that nobody replaced the object meanwhile.

A partition is one object of a fixed name, so the PUT is its commit: readers see the former object or the new one.
S3 checks the condition (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html), so a task
that was held up does not put old rows over newer ones.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from typing import IO, Any, TypeVar

from b3.errors import SourceError
from b3.lake.layout import Lake

log = logging.getLogger(__name__)

_TRIES = 5
# S3's error codes where another PUT, or a deletion, came before.
_OVERTAKEN = ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey", "412", "409", "404")

_Result = TypeVar("_Result")


class Overtaken(Exception):
    """Another writer replaced the object since this one looked at it."""


def head(s3: Any, lake: Lake, key: str) -> dict[str, Any] | None:
    """Return S3's answer about the object under `key`, None if there is no object."""
    try:
        return s3.head_object(Bucket=lake.bucket, Key=key)
    except s3.exceptions.ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchKey"):
            return None
        raise


def put(
    s3: Any,
    lake: Lake,
    key: str,
    body: bytes | IO[bytes],
    metadata: Mapping[str, str],
    former: Mapping[str, Any] | None,
) -> None:
    """Put an object in place of `former`.

    Args:
        s3: a boto3 S3 client.
        lake: the lake.
        key: the object's key.
        body: its bytes.
        metadata: its user metadata.
        former: what `head` said of the object to replace; None to create it.

    Raises:
        Overtaken: the object is no longer `former`.
    """
    condition = {"IfMatch": former["ETag"]} if former else {"IfNoneMatch": "*"}
    with_condition(
        s3, lake, key, lambda: s3.put_object(Bucket=lake.bucket, Key=key, Body=body, Metadata=metadata, **condition)
    )


def with_condition(s3: Any, lake: Lake, key: str, request: Callable[[], _Result]) -> _Result:
    """Return the answer to a request that carries a condition on the object under `key`.

    Raises:
        Overtaken: the condition does not hold.
    """
    try:
        return request()
    except s3.exceptions.ClientError as error:
        if error.response["Error"]["Code"] in _OVERTAKEN:
            raise Overtaken(f"{lake.uri(key)} was replaced meanwhile") from error
        raise


def until_committed(write: Callable[[], _Result], uri: str) -> _Result:
    """Return what `write` returns, and call it again when it is overtaken.

    Args:
        write: looks at the object, makes the new one, and puts it.
        uri: the object's.

    Raises:
        SourceError: it was overtaken each time.
    """
    for _ in range(_TRIES):
        try:
            return write()
        except Overtaken as overtaken:
            log.warning("%s: looking again", overtaken)
    raise SourceError(
        source=uri,
        expected="no other task that writes this object at the same time",
        found=f"that others replaced it {_TRIES} times in the meantime",
        hint="Clear the task once the other runs of this session have ended.",
    )


def put_if_changed(
    s3: Any, lake: Lake, key: str, body: bytes, metadata: Mapping[str, str], former: Mapping[str, Any] | None
) -> None:
    """Put an object in place of `former`, unless that has these bytes, of the same `source`, already.

    An object that stays keeps its metadata: the file that it was first made from.

    Raises:
        Overtaken: the object is no longer `former`.
    """
    if former and holds(former, body, metadata["source"]):
        log.info("%s already holds these bytes", lake.uri(key))
        return
    put(s3, lake, key, body, metadata, former)
    log.info("%s: %s rows", lake.uri(key), metadata["rows"])


def holds(former: Mapping[str, Any], body: bytes, source: str) -> bool:
    """Return whether an object has these bytes, and the same `source` in its metadata."""
    return has_bytes(former, body) and former["Metadata"].get("source") == source


def has_bytes(former: Mapping[str, Any], body: bytes) -> bool:
    """Return whether an object that was written in one PUT has these bytes: its ETag is their MD5."""
    return former["ETag"].strip('"') == hashlib.md5(body, usedforsecurity=False).hexdigest()
