"""One candle as a provider's answer has it, before the types of the tables, and how its fields are read."""

from __future__ import annotations

import datetime as dt
import json
import re
from decimal import Decimal
from typing import Any, NamedTuple

from b3.errors import BadLayout, NotB3Data, NotPublished, Truncated
from b3.site import webpage

_NUMBER = re.compile(r"\d{1,28}(?:\.\d{1,28})?")
_EXCERPT = 200
_READ_AGAIN = "The provider changed its answer: look at the kept bytes, and adapt b3.bitcoin."
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - the tables have UTC without a time zone


class Candle(NamedTuple):
    """The trades of one minute. Amounts are exact; what a provider does not tell is None."""

    minute: dt.datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal | None
    trades: int | None


def rows_of(body: bytes, fields: int, source: str) -> list[list[Any]]:
    """Return the rows of an answer, a JSON list of lists; numbers with a fraction are decimals.

    Args:
        body: the answer.
        fields: how many fields a row has.
        source: name of the answer in messages.

    Raises:
        NotPublished: no bytes.
        NotB3Data: a web page.
        Truncated: no whole JSON.
        BadLayout: no list of lists of that length.
    """
    if not body:
        raise NotPublished(source=source, expected="candles in JSON", found="not one byte", hint="Run the task again.")
    webpage.refuse(body, source=source, expected="candles in JSON")
    try:
        found = json.loads(body, parse_float=Decimal)
    except ValueError as error:
        if body.lstrip()[:1] not in (b"[", b"{"):
            raise NotB3Data(source=source, expected="JSON", found=repr(body[:20]), hint=_READ_AGAIN) from error
        raise Truncated(source=source, expected="whole JSON", found=str(error), hint="Run the task again.") from error
    if not isinstance(found, list):
        raise bad(source, "a list of candles", found)
    for row in found:
        if not isinstance(row, list) or len(row) != fields:
            raise bad(source, f"candles of {fields} fields", row)
    return found


def minute_of(value: Any, unit: int, source: str) -> dt.datetime:
    """Return the minute that begins at a number of units since 1970, in UTC without a time zone.

    Args:
        value: the field.
        unit: units in a second: 1 or 1,000.
        source: name of the answer in messages.

    Raises:
        BadLayout: the field is no beginning of a minute.
    """
    # A date beyond year 9999 has no datetime.
    if type(value) is not int or value % (60 * unit) or not 0 <= value < 250_000_000_000 * unit:
        raise bad(source, f"the beginning of a minute, in 1/{unit} s since 1970", value)
    return _EPOCH + dt.timedelta(seconds=value // unit)


def amount_of(value: Any, source: str) -> Decimal:
    """Return a price or volume, exactly as written.

    Args:
        value: the field: a string of digits, or a JSON number read as int or Decimal.
        source: name of the answer in messages.

    Raises:
        BadLayout: the field is no number that is zero or more.
    """
    if type(value) is int and value >= 0:
        return Decimal(value)
    if isinstance(value, Decimal) and value.is_finite() and not value.is_signed():
        return value
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return Decimal(value)
    raise bad(source, "a number of zero or more", value)


def count_of(value: Any, source: str) -> int:
    """Return a number of trades.

    Raises:
        BadLayout: the field is none.
    """
    if type(value) is not int or not 0 <= value < 1 << 31:
        raise bad(source, "a number of trades", value)
    return value


def bad(source: str, expected: str, found: Any) -> BadLayout:
    """Return the error about an answer that is whole, and laid out otherwise than expected."""
    text = found if isinstance(found, str) else repr(found)
    text = text if len(text) <= _EXCERPT else text[:_EXCERPT] + "…"
    return BadLayout(source=source, expected=expected, found=text, hint=_READ_AGAIN)
