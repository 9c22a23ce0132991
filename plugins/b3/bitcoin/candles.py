"""Read an answer of candles into typed rows: one row a minute, in order, every minute at most once."""

from __future__ import annotations

import datetime as dt
import logging
from itertools import pairwise

import pyarrow as pa

from b3.bitcoin import hours, providers
from b3.bitcoin.candle import bad

log = logging.getLogger(__name__)

# A coin has eight decimals. Prices reach 10 digits before the point: 9,999,999,999.99999999.
AMOUNT = pa.decimal128(18, 8)
# Price times volume of a minute.
QUOTE_VOLUME = pa.decimal128(28, 8)

SCHEMA = pa.schema(
    [
        pa.field("minute", pa.timestamp("ms"), nullable=False),
        pa.field("open", AMOUNT, nullable=False),
        pa.field("high", AMOUNT, nullable=False),
        pa.field("low", AMOUNT, nullable=False),
        pa.field("close", AMOUNT, nullable=False),
        pa.field("volume", AMOUNT, nullable=False),
        pa.field("quote_volume", QUOTE_VOLUME),
        pa.field("trades", pa.int32()),
        pa.field("provider", pa.string(), nullable=False),
    ]
)


def read_table(body: bytes, *, provider: str, hour: dt.datetime, source: str = "candles") -> pa.Table:
    """Return the candles of one hour, one row a minute (SCHEMA), in order of the minutes.

    Candles of other hours are left out, and their number is logged: a provider may send neighbours of the range.

    Args:
        body: the provider's answer.
        provider: who sent it, a key of `b3.bitcoin.providers.PROVIDERS`.
        hour: the beginning of the hour that was asked for.
        source: name of the answer in messages.

    Raises:
        NotPublished: no bytes.
        NotB3Data: a web page, or anything else that is no JSON.
        Truncated: the JSON is cut short.
        BadLayout: a field is not what the provider documents, minutes repeat or go back, no candle lies in the hour
            although there are some, or an amount has more digits than the tables keep.
    """
    found = providers.named(provider).candles(body, source)
    wanted = set(hours.minutes_of(hour))
    for former, candle in pairwise(found):
        if candle.minute <= former.minute:
            raise bad(source, "minutes in order, each once", f"{candle.minute} after {former.minute}")
    kept = [candle for candle in found if candle.minute in wanted]
    if found and not kept:
        expected = f"candles of {hours.written(hour)}, UTC"
        raise bad(source, expected, f"{len(found)} from {found[0].minute} to {found[-1].minute}")
    if len(kept) < len(found):
        log.info("%s: %d candles of other hours are left out", source, len(found) - len(kept))
    rows = [{**candle._asdict(), "provider": provider} for candle in kept]
    try:
        return pa.Table.from_pylist(rows, SCHEMA)
    except pa.ArrowInvalid as error:
        raise bad(source, f"amounts of at most 8 decimals that fit {AMOUNT} and {QUOTE_VOLUME}", str(error)) from error
