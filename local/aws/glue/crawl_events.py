"""What a crawler in event mode reads in place of a listing: the S3 events in its queue, and the folders they are of."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus

from local.aws.context import Caller
from local.aws.errors import AwsError
from local.aws.glue import hive
from local.aws.ministack.emulator import Emulator, S3Object

MODE = "CRAWL_EVENT_MODE"
MOST_MESSAGES = 100_000
BATCH = 10


@dataclass
class Events:
    """Messages taken from a queue: hidden from others until they are deleted or their visibility timeout is over."""

    queue_url: str
    receipts: list[str] = field(default_factory=list)
    uris: list[str] = field(default_factory=list)


def deliver_at_once() -> None:
    """Make the emulator put an S3 event into its queue before it answers the request that the event is of.

    It would do so a moment later, and a crawl that is started at once would miss it.
    """
    from ministack.services import s3

    def fire(bucket: str, key: str, event: str, *arguments: Any, **more: Any) -> None:
        if bucket in s3._bucket_notifications:
            s3._fire_s3_event(bucket, key, event, *arguments, sequencer=s3._next_event_sequencer(event), **more)

    s3._fire_s3_event_async = fire


def wanted(crawler: dict[str, Any]) -> bool:
    """Whether a crawler is to go by events."""
    return (crawler.get("RecrawlPolicy") or {}).get("RecrawlBehavior") == MODE


def queue_arn(crawler: dict[str, Any]) -> str:
    """The queue of a crawler in event mode. Raises AwsError InvalidInputException for a definition that AWS refuses."""
    catalog = (crawler.get("Targets") or {}).get("CatalogTargets") or []
    if len(catalog) != 1:
        raise AwsError("InvalidInputException", f"An event crawler has a single target, found {len(catalog)}")
    arn = str(catalog[0].get("EventQueueArn") or "")
    if arn.count(":") != 5 or not arn.startswith("arn:aws:sqs:"):
        raise AwsError(
            "InvalidInputException", f"Event queue ARN is required when event crawler is selected, found {arn!r}"
        )
    return arn


def fingerprint(crawler: dict[str, Any]) -> str:
    """What of a definition, once changed, makes the next crawl list everything again."""
    names = ("Targets", "RecrawlPolicy", "SchemaChangePolicy", "Configuration")
    return json.dumps({name: crawler.get(name) for name in names}, sort_keys=True)


def receive(emulator: Emulator, caller: Caller, arn: str, check: Callable[[], None]) -> Events:
    """Take what is in the queue, up to AWS's limit for a crawl; `check` is called between batches.

    Raises AwsError if there is no such queue.
    """
    name = arn.rpartition(":")[2]
    try:
        url = str(emulator.call(caller, "AmazonSQS.GetQueueUrl", {"QueueName": name})["QueueUrl"])
    except AwsError as error:
        raise AwsError(
            "InvalidInputException",
            f"SQS queue {arn} does not exist or the role provided does not have access to it: {error.message}",
        ) from None
    events = Events(url)
    while len(events.receipts) < MOST_MESSAGES:
        check()
        answer = emulator.call(
            caller, "AmazonSQS.ReceiveMessage", {"QueueUrl": url, "MaxNumberOfMessages": BATCH, "WaitTimeSeconds": 0}
        )
        messages = answer.get("Messages") or []
        if not messages:
            break
        for message in messages:
            events.receipts.append(message["ReceiptHandle"])
            events.uris += _uris(message["Body"])
    return events


def delete(emulator: Emulator, caller: Caller, events: Events) -> None:
    """Remove the messages from their queue: what they told is in the catalog."""
    for start in range(0, len(events.receipts), BATCH):
        entries = [
            {"Id": str(number), "ReceiptHandle": receipt}
            for number, receipt in enumerate(events.receipts[start : start + BATCH])
        ]
        emulator.call(caller, "AmazonSQS.DeleteMessageBatch", {"QueueUrl": events.queue_url, "Entries": entries})


def _uris(body: str) -> list[str]:
    """The objects that a message is about: none for S3's test event, and for what is not S3's."""
    try:
        records = json.loads(body).get("Records") or []
        return [f"s3://{r['s3']['bucket']['name']}/{unquote_plus(r['s3']['object']['key'])}" for r in records]
    except (ValueError, AttributeError, KeyError, TypeError):
        return []


def touched(emulator: Emulator, caller: Caller, location: str, uris: Iterable[str]) -> list[S3Object]:
    """The objects below a table's location that events are of, as they are now; those that are gone are left out.

    AWS lists the whole folder of each. Every object of a folder has had an event of its own, so that nothing is missed.
    """
    below = hive.folder(location)
    found = (emulator.head(caller, uri) for uri in dict.fromkeys(uris) if uri.startswith(below))
    return [item for item in found if item is not None]
