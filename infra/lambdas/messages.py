"""What a queue of S3's events hands to a function: each message by itself, so that a bad one stops no other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Event = Mapping[str, Any]


class BadMessage(ValueError):
    """A message that tells of no new object. Trying again does not help: it ends in the dead letters."""


@dataclass(frozen=True)
class Arrived:
    """A new object, as S3 told EventBridge.

    Attributes:
        message: id of the message in the queue.
        event: id of the event, the same when it is told again.
        bucket: the object's bucket.
        key: its key.
    """

    message: str
    event: str
    bucket: str
    key: str


def read(record: Event) -> Arrived:
    """Return the new object that a message tells of.

    Raises:
        BadMessage: it is no event of a new object.
    """
    try:
        body = json.loads(record["body"])
        if body["source"] != "aws.s3" or body["detail-type"] != "Object Created":
            raise BadMessage(f"expected a new object of S3, found {body['source']} {body['detail-type']}")
        detail = body["detail"]
        return Arrived(record["messageId"], str(body["id"]), detail["bucket"]["name"], detail["object"]["key"])
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, BadMessage):
            raise
        raise BadMessage(f"expected an event of S3, found {str(record.get('body'))[:200]!r}") from error


def read_all(event: Event) -> tuple[list[Arrived], list[str]]:
    """Return the new objects of a batch, and the ids of the messages that tell of none. These are logged."""
    found, bad = [], []
    for record in event["Records"]:
        try:
            found.append(read(record))
        except BadMessage as error:
            log(f"message {record['messageId']}: {error}")
            bad.append(str(record["messageId"]))
    return found, bad


def each(items: Iterable[Arrived], do: Callable[[Arrived], None]) -> Iterator[str]:
    """Do something with each object; yield the id of each message with which that failed. The reason is logged."""
    for item in items:
        try:
            do(item)
        except Exception as error:
            log(f"{item.key}: {type(error).__name__}: {error}")
            yield item.message


def failures(messages: Iterable[str]) -> dict[str, list[dict[str, str]]]:
    """Return the answer that keeps these messages in the queue, and takes the others of the batch out of it.

    Anything else that a function returns, an HTTP status too, takes all of them out.
    """
    return {"batchItemFailures": [{"itemIdentifier": message} for message in messages]}


def log(line: str) -> None:
    """Write a line to the function's log."""
    print(line, flush=True)
