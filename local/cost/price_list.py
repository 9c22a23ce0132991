"""The price list."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

FILE = Path(__file__).with_name("prices.yaml")


@dataclass(frozen=True)
class Price:
    """An entry: a price in dollars, or a figure of how things are billed, for a `unit`."""

    name: str
    value: Decimal
    in_dollars: bool
    unit: str
    page: str
    checked: str


@dataclass(frozen=True)
class PriceList:
    """Prices by name, in a region, as of a day."""

    region: str
    as_of: dt.date
    entries: dict[str, Price]

    def __getitem__(self, name: str) -> Decimal:
        """The value of an entry."""
        return self.entries[name].value


def read(file: Path = FILE) -> PriceList:
    """The price list of a file; exact, as its numbers are text.

    Raises:
        ValueError: an entry lacks something, or its number is no text.
    """
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    entries = {name: _price(file, name, entry) for name, entry in content["prices"].items()}
    return PriceList(content["region"], content["as_of"], entries)


def _price(file: Path, name: str, entry: dict[str, Any]) -> Price:
    kinds = {"usd", "value"} & entry.keys()
    if len(kinds) != 1 or {"unit", "page", "checked"} - entry.keys():
        raise ValueError(f"expected unit, page, checked and one of usd or value at {name} in {file}, found {entry}")
    (kind,) = kinds
    if not isinstance(entry[kind], str):
        raise ValueError(
            f"expected a number in quotes at {name} in {file}, found {entry[kind]!r}: floats are not exact"
        )
    return Price(name, Decimal(entry[kind]), kind == "usd", entry["unit"], entry["page"], entry["checked"])
