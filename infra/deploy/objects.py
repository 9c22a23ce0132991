"""S3 objects: what is wanted against what is there. Planning reads nothing; `present` and `apply` talk to S3."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_CONTENT_HASH = "sha256"


@dataclass(frozen=True)
class Present:
    """An object that is there. `sha256` is that of its metadata, read only where its ETag does not settle it."""

    size: int
    etag: str
    sha256: str | None = None

    def holds(self, body: bytes) -> bool:
        """Whether its content is `body`."""
        return self.size == len(body) and (self.etag == md5(body) or self.sha256 == sha256(body))


@dataclass(frozen=True)
class ObjectChange:
    """`+` an object, `~` its content, or `-` it; a body unless it goes."""

    sign: str
    bucket: str
    key: str
    body: bytes | None = None

    def __str__(self) -> str:
        size = "" if self.body is None else f"  {len(self.body):,} bytes"
        return f"{self.sign} s3://{self.bucket}/{self.key}{size}"


def md5(body: bytes) -> str:
    """What S3 answers as the ETag of an object that was put in one part, if its own key encrypts it."""
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def sha256(body: bytes) -> str:
    """The hash that is kept with an object, for where the ETag is none of its content."""
    return hashlib.sha256(body).hexdigest()


def plan(bucket: str, wanted: Mapping[str, bytes], there: Mapping[str, Present]) -> list[ObjectChange]:
    """What makes the objects `there` those that are `wanted`, by key: additions and changes, then removals."""
    changes = [
        ObjectChange("~" if key in there else "+", bucket, key, body)
        for key, body in wanted.items()
        if key not in there or not there[key].holds(body)
    ]
    return changes + [ObjectChange("-", bucket, key) for key in sorted(set(there) - set(wanted))]


def present(s3: Any, bucket: str, prefixes: Iterable[str], wanted: Mapping[str, bytes]) -> dict[str, Present]:
    """The objects below the prefixes, by key; none where there is no bucket yet."""
    found: dict[str, Present] = {}
    for prefix in prefixes:
        try:
            for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                for item in page.get("Contents", []):
                    found[item["Key"]] = Present(item["Size"], item["ETag"].strip('"'))
        except s3.exceptions.NoSuchBucket:
            return {}
    for key, item in found.items():
        body = wanted.get(key)
        if body is not None and item.size == len(body) and not item.holds(body):
            metadata = s3.head_object(Bucket=bucket, Key=key)["Metadata"]
            found[key] = Present(item.size, item.etag, metadata.get(_CONTENT_HASH))
    return found


def apply(s3: Any, changes: Iterable[ObjectChange], say: Callable[[str], None]) -> None:
    """Make the changes in their order; a versioned bucket keeps what they replace."""
    for change in changes:
        if change.body is None:
            s3.delete_object(Bucket=change.bucket, Key=change.key)
        else:
            s3.put_object(
                Bucket=change.bucket,
                Key=change.key,
                Body=change.body,
                Metadata={_CONTENT_HASH: sha256(change.body)},
            )
        say(f"  {change}")
