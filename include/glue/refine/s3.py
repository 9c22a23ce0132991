"""Objects in S3: paths, ETags, and several requests at a time."""

from __future__ import annotations

import argparse
import datetime as dt
import os
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

# Requests to S3 at a time, for objects of up to a few megabytes; boto3 keeps 10 connections.
S3_REQUESTS = 8


class S3Path(NamedTuple):
    """An object, or a prefix of objects."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, uri: str) -> S3Path:
        """Return the path of an `s3://` URI."""
        scheme, _, path = uri.partition("://")
        bucket, _, key = path.partition("/")
        if scheme != "s3" or not bucket or not key:
            raise argparse.ArgumentTypeError(f"expected s3://bucket/key, found {uri}")
        return cls(bucket, key)

    def below(self, name: str) -> S3Path:
        """Return the path of `name` below this prefix."""
        return S3Path(self.bucket, f"{self.key.rstrip('/')}/{name}")

    def __str__(self) -> str:
        """Return the `s3://` URI."""
        return f"s3://{self.bucket}/{self.key}"


def objects_of(prefix: S3Path, dates: Iterable[dt.date], name: str) -> dict[dt.date, S3Path]:
    """Return the object of each trade date below the prefix of a table whose files have this name."""
    return {date: prefix.below(f"trade_date={date}/{name}.parquet") for date in dates}


def head(s3: Any, path: S3Path) -> dict[str, Any] | None:
    """Return HeadObject's answer about `path`, None for no object."""
    try:
        return s3.head_object(Bucket=path.bucket, Key=path.key)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return None
        raise


def etags_of(s3: Any, paths: Collection[S3Path]) -> dict[S3Path, str]:
    """Return the ETags of those of `paths` that exist; to list them, `paths` must be objects of one table."""
    bucket, common = next(iter(paths)).bucket, os.path.commonprefix([path.key for path in paths])
    found = etags_below(s3, S3Path(bucket, common))
    return {path: found[path.key] for path in paths if path.key in found}


def etags_below(s3: Any, prefix: S3Path) -> dict[str, str]:
    """Return the ETags of the objects below `prefix`, by key."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=prefix.bucket, Prefix=prefix.key)
    return {entry["Key"]: entry["ETag"] for page in pages for entry in page.get("Contents", [])}


def in_parallel(function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """Return what `function` gives for each of `items`, S3_REQUESTS at a time; none begins after a failure."""
    with ThreadPoolExecutor(S3_REQUESTS) as pool:
        return list(pool.map(function, items))


def delete(s3: Any, bucket: str, keys: Iterable[str]) -> None:
    """Delete the objects `keys`."""
    in_parallel(lambda key: s3.delete_object(Bucket=bucket, Key=key), keys)
