"""COTAHIST read one field at a time: slow, plain, and independent of the parser it is compared with."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from tests.plugins.b3.quotes.cotahist.cotahist_lines import POSITIONS


def lines(text: bytes) -> list[str]:
    """The records of type 01."""
    return [line for line in text.decode("latin-1").replace("\r", "").split("\n") if line.startswith("01")]


def field(line: str, name: str) -> str:
    """The characters of a field."""
    start, length = POSITIONS[name]
    return line[start - 1 : start - 1 + length]


def rows(text: bytes) -> list[dict[str, Any]]:
    """A dict per record, of the lake's column names and Python's values."""
    return [row(line) for line in lines(text)]


def volume(text: bytes) -> Decimal:
    """The sum of VOLTOT."""
    return sum((Decimal(field(line, "VOLTOT")) / 100 for line in lines(text)), Decimal(0))


def row(line: str) -> dict[str, Any]:
    """A record as the lake's columns."""

    def text(name: str) -> str | None:
        return field(line, name).rstrip(" ") or None

    def number(name: str) -> int:
        return int(field(line, name))

    def cents(name: str) -> Decimal:
        return Decimal(number(name)).scaleb(-2)

    def date(name: str) -> dt.date | None:
        digits = field(line, name)
        return None if digits == "99991231" else dt.date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))

    return {
        "trade_date": date("DATPRE"),
        "bdi_code": text("CODBDI"),
        "ticker": text("CODNEG"),
        "market_type": text("TPMERC"),
        "short_name": text("NOMRES"),
        "specification": text("ESPECI"),
        "forward_days": number("PRAZOT") if text("PRAZOT") else None,
        "currency": text("MODREF"),
        "open": cents("PREABE"),
        "high": cents("PREMAX"),
        "low": cents("PREMIN"),
        "average": cents("PREMED"),
        "close": cents("PREULT"),
        "best_bid": cents("PREOFC"),
        "best_ask": cents("PREOFV"),
        "trade_count": number("TOTNEG"),
        "quantity": number("QUATOT"),
        "financial_volume": cents("VOLTOT"),
        "strike_price": cents("PREEXE"),
        "strike_correction": text("INDOPC"),
        "expiry_date": date("DATVEN"),
        "quote_factor": number("FATCOT"),
        "strike_points": Decimal(number("PTOEXE")).scaleb(-6),
        "isin": text("CODISI"),
        "distribution_number": number("DISMES"),
    }
