"""What the optional stream of infra/stream.yaml costs in a month, by its templates' defaults."""

from __future__ import annotations

from decimal import Decimal

from local.cost import estimate
from local.cost.estimate import HOURS_A_MONTH
from local.cost.price_list import PriceList

SYMBOLS = 2
POLLED_MINUTES = 3
# Guesses: a call's seconds, start of the function included now and then. Memory as of the template.
CALL_SECONDS = 1
MEMORY_GB = Decimal("0.25")
_RECORD_KB = 5
_GB_IN_KB = Decimal(1024**2)


def minutes() -> int:
    """Return the minutes of a month: its polls, and with a buffer of a minute its objects."""
    return HOURS_A_MONTH * 60


def calls(count: int, prices: PriceList) -> Decimal:
    """Return the dollars of so many calls of a function."""
    seconds = count * CALL_SECONDS * MEMORY_GB * prices["lambda_arm_gb_second"]
    return seconds + count * prices["lambda_million_requests"] / 1_000_000


def month(prices: PriceList) -> dict[str, Decimal]:
    """Return the dollars of a month by what they are for."""
    records = minutes() * SYMBOLS * POLLED_MINUTES
    return {
        "poller": calls(minutes(), prices),
        # A record is billed as five kilobytes at least.
        "Firehose": records * _RECORD_KB / _GB_IN_KB * prices["firehose_gb"],
        "backup": calls(minutes(), prices),
        # Each object is put twice, and read once.
        "S3 requests": estimate.requests(2 * minutes(), minutes(), prices),
    }
