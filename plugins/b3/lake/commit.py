"""Write an object of the lake: one PUT, on the condition that nobody replaced the object meanwhile.

A partition is one object of a fixed name, so the PUT is its commit: readers see the former object or the new one.
S3 checks the condition (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html). So a delayed
task does not replace newer rows by older ones. Other requests on a condition use `on_condition`.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import IO, Any, TypeVar

from b3.errors import SourceError
from b3.lake.layout import Lake

log = logging.getLogger(__name__)

_TRIES = 5
# Requests at a time.
_REQUESTS = 4
# S3's error codes if another PUT, or a deletion, came first.
_OVERTAKEN = ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey", "412", "409", "404")

_Result = TypeVar("_Result")


class Overtaken(Exception):
    """Another writer replaced the object after this one had read it."""


def head(s3: Any, lake: Lake, key: str) -> dict[str, Any] | None:
    """Return S3's answer about the object under `key`, None if there is no object."""
    try:
        return s3.head_object(Bucket=lake.bucket, Key=key)
    except s3.exceptions.ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchKey"):
            return None
        raise


def etag_of(s3: Any, lake: Lake, key: str) -> str | None:
    """Return the ETag of the object under `key`, None if there is no object."""
    return (head(s3, lake, key) or {}).get("ETag")


def heads(s3: Any, lake: Lake, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return S3's answer about each object, by key, several at a time. A key without an object is left out."""
    asked = list(keys)
    with ThreadPoolExecutor(_REQUESTS) as pool:
        answers = pool.map(lambda key: head(s3, lake, key), asked)
        return {key: answer for key, answer in zip(asked, answers, strict=True) if answer is not None}


def keys_below(s3: Any, lake: Lake, prefix: str, *, after: str = "") -> list[str]:
    """Return the keys of all objects below a prefix, in order; only those after the key `after`."""
    beyond = {"StartAfter": after} if after else {}
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=lake.bucket, Prefix=prefix, **beyond)
    return [entry["Key"] for page in pages for entry in page.get("Contents", [])]


def folders_below(s3: Any, lake: Lake, prefix: str) -> list[str]:
    """Return the prefixes up to the first slash after `prefix`, in order; each ends with that slash."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=lake.bucket, Prefix=prefix, Delimiter="/")
    return [folder["Prefix"] for page in pages for folder in page.get("CommonPrefixes", [])]


def put(
    s3: Any,
    lake: Lake,
    key: str,
    body: bytes | IO[bytes],
    metadata: Mapping[str, str],
    former: Mapping[str, Any] | None,
    content_type: str = "binary/octet-stream",
) -> None:
    """Put an object that replaces `former`.

    Args:
        s3: a boto3 S3 client.
        lake: the lake.
        key: the object's key.
        body: its bytes.
        metadata: its user metadata.
        former: answer of `head` about the object to replace; None to create the object.
        content_type: what a browser takes the bytes for; the default is S3's own.

    Raises:
        Overtaken: the object is no longer `former`.
    """
    condition = {"IfMatch": former["ETag"]} if former else {"IfNoneMatch": "*"}
    with on_condition(s3, lake, key):
        s3.put_object(Bucket=lake.bucket, Key=key, Body=body, Metadata=metadata, ContentType=content_type, **condition)


@contextmanager
def on_condition(s3: Any, lake: Lake, key: str) -> Iterator[None]:
    """Raise Overtaken if S3 refuses the condition of a request in the `with` block, on the object under `key`."""
    try:
        yield
    except s3.exceptions.ClientError as error:
        if error.response["Error"]["Code"] in _OVERTAKEN:
            raise Overtaken(f"{lake.uri(key)} was replaced meanwhile") from error
        raise


def until_committed(write: Callable[[], _Result], uri: str) -> _Result:
    """Call `write` until it is not overtaken, and return its result.

    Args:
        write: reads the former object, makes the new one, and puts it.
        uri: URI of the object.

    Raises:
        SourceError: every try was overtaken.
    """
    for _ in range(_TRIES):
        try:
            return write()
        except Overtaken as overtaken:
            log.warning("%s: trying again", overtaken)
    raise SourceError(
        source=uri,
        expected="no other task that writes this object at the same time",
        found=f"that others replaced it {_TRIES} times in the meantime",
        hint="Clear the task once the other runs of this session have ended.",
    )


def put_if_changed(
    s3: Any,
    lake: Lake,
    key: str,
    body: bytes,
    metadata: Mapping[str, str],
    former: Mapping[str, Any] | None,
    *,
    more: Callable[[], Mapping[str, str]] = dict,
) -> None:
    """Put an object that replaces `former`, unless that has the same bytes and the same `source`.

    An object that stays keeps its metadata, which names the file that it was first made from.

    Args:
        s3: a boto3 S3 client.
        lake: the lake.
        key: the object's key.
        body: its bytes.
        metadata: its user metadata, with `source` and `rows`.
        former: as of `put`.
        more: makes further metadata. It is called only if the object is put.

    Raises:
        Overtaken: the object is no longer `former`.
    """
    if former and has_bytes(former, body) and former["Metadata"].get("source") == metadata["source"]:
        log.info("%s already holds these bytes", lake.uri(key))
        return
    put(s3, lake, key, body, {**metadata, **more()}, former)
    log.info("%s: %s rows", lake.uri(key), metadata["rows"])


def has_bytes(former: Mapping[str, Any], body: bytes) -> bool:
    """Return whether an object has these bytes. After one PUT, the ETag is the MD5 of the bytes."""
    return former["ETag"].strip('"') == hashlib.md5(body, usedforsecurity=False).hexdigest()
