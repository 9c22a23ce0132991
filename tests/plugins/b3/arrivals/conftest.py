from collections.abc import Callable
from typing import Any

import pytest

from b3.arrivals import inbox, landing
from b3.arrivals.landing import Landed, Rejected
from b3.lake.layout import Lake


@pytest.fixture
def put(s3: Any, lake: Lake) -> Callable[[str, bytes], None]:
    """Put a file into inbox/, by its name."""
    return lambda name, sent: s3.put_object(Bucket=lake.bucket, Key=f"inbox/{name}", Body=sent) and None


@pytest.fixture
def arrive(s3: Any, lake: Lake, put: Any) -> Callable[[str, bytes], Landed | Rejected]:
    """Put a file into inbox/, land it, and take it out of inbox/."""

    def run(name: str, sent: bytes) -> Landed | Rejected:
        put(name, sent)
        (arrival,) = inbox.waiting(s3, lake)
        outcome = landing.land(s3, lake, arrival, "b3")
        inbox.remove(s3, lake, arrival.key, arrival.etag)
        return outcome

    return run
