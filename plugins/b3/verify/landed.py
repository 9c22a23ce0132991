"""Check objects of landing/: their bytes have the sha256 that their metadata has, and none is hidden by a deletion."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

from b3.errors import SourceError
from b3.lake.landed import LandedFile, copy_body, landed_file
from b3.lake.layout import Lake
from b3.verify.differences import LANDED_DAMAGED, LANDED_HIDDEN, Difference
from b3.verify.inventory import RECEIVED, Days, Inventory, landed_days


class Landed(NamedTuple):
    """A landed object that was read: the file, or what is wrong with it."""

    file: LandedFile | None
    difference: Difference | None


def read(s3: Any, lake: Lake, key: str, sink: IO[bytes] | None = None) -> Landed:
    """Read a landed object to its end, and compare its sha256 with its metadata's.

    Args:
        s3: a boto3 S3 client.
        lake: the lake.
        key: the object's key.
        sink: file that the bytes are copied to; it is rewound.
    """
    answer = s3.get_object(Bucket=lake.bucket, Key=key)
    sha256 = copy_body(answer, sink)
    if sink is not None:
        sink.seek(0)
    try:
        file = landed_file(lake, key, answer["Metadata"])
    except SourceError as error:
        return Landed(None, Difference(LANDED_DAMAGED, lake.uri(key), error.expected, error.found, error.hint))
    if sha256 == file.sha256:
        return Landed(file, None)
    expected, found = f"sha256 {file.sha256}", f"sha256 {sha256}"
    return Landed(None, Difference(LANDED_DAMAGED, file.uri, expected, found, _restore(key)))


def read_small(s3: Any, lake: Lake, key: str) -> tuple[Landed, bytes]:
    """Return a small landed object that was read, and its bytes."""
    sink = io.BytesIO()
    return read(s3, lake, key, sink), sink.getvalue()


def hidden(lake: Lake, inventory: Inventory, period: Days) -> Iterator[Difference]:
    """Yield a difference for each landed source whose newest version is a delete marker.

    landing/received/ empties itself after 30 days. Objects of raw/ and refined/ are compared with what must be there.
    """
    for key, marker in inventory.deleted.items():
        if not key.startswith("landing/") or key.startswith(f"landing/{RECEIVED}/"):
            continue
        days = landed_days(key)
        if period.is_all or (days and period.has(*days)):
            yield Difference(
                LANDED_HIDDEN,
                lake.uri(key),
                "B3's bytes, as a former version has them",
                f"delete marker {marker} as the newest version",
                "delete that marker (aws s3api delete-object with --version-id): the former version is back",
            )


def _restore(key: str) -> str:
    days = landed_days(key)
    again = f", or make run DATE={days.first}, if B3 still serves the file" if days and days.first == days.last else ""
    return f"put the version with that sha256 again (aws s3api list-object-versions --prefix {key}){again}"
