"""The objects of the lake, from one listing of all versions, and which of them the layout knows."""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from b3.lake import layout
from b3.lake.layout import Lake
from b3.quotes import choose
from b3.site.addresses import INDEX_METHODS

PREFIXES = ("landing/", "raw/", "refined/")
RECEIVED, REJECTED = "received", "rejected"
_QUOTES_FILE = re.compile(r"COTAHIST_(?:D(?P<day>\d{8})|M(?P<month>\d{6})|A(?P<year>\d{4}))\.ZIP")
_KEPT_ANSWER = re.compile(rf"landing/({RECEIVED}|{REJECTED})/[0-9a-f]{{64}}/[^/]+")
_INDEX = re.compile(r"landing/index/([^/]+)/([^/]+)/(.{10})\.json")
# Bitcoin's minutes are no session's: the checks of their own DAG compare raw with refined.
_CANDLES = re.compile(r"landing/bitcoin/trade_date=\d{4}-\d\d-\d\d/symbol=[A-Z]+/\d\d\.[a-z]+\.[0-9a-f]{16}\.json")
_TICKER = re.compile(r"/ticker=([^/]+)/")

# A table of raw/ or refined/, by the key of its object of a session.
_ONE_OBJECT_TABLES: dict[str, Callable[[dt.date], str]] = {
    layout.RAW_QUOTES_TABLE: layout.raw_quotes_key,
    layout.RAW_INDEX_PORTFOLIO_TABLE: layout.raw_index_portfolio_key,
    layout.RAW_SECTORS_TABLE: layout.raw_sectors_key,
    layout.QUOTES_TABLE: layout.refined_quotes_key,
    layout.FINDINGS_TABLE: layout.findings_key,
}
TABLES = (*_ONE_OBJECT_TABLES, layout.INDEX_STOCKS_TABLE)


class Days(NamedTuple):
    """The trade dates from `first` to `last`, both included; all of them by default."""

    first: dt.date = dt.date.min
    last: dt.date = dt.date.max

    @classmethod
    def of(cls, first: str, last: str) -> Days:
        """Return the days between two dates of YYYY-MM-DD; an empty text leaves that end open.

        Raises:
            ValueError: a text is no date, or the first lies after the last.
        """
        try:
            found = cls(
                dt.date.fromisoformat(first) if first else dt.date.min,
                dt.date.fromisoformat(last) if last else dt.date.max,
            )
        except (TypeError, ValueError):
            found = None
        if found is None or found.first > found.last:
            raise ValueError(
                f"expected from and to as YYYY-MM-DD, or empty, from not after to; found from {first!r}, to {last!r}"
            ) from None
        return found

    def has(self, first: dt.date, last: dt.date | None = None) -> bool:
        """Return whether some day from `first` to `last`, by default `first` alone, lies in the period."""
        return self.first <= (last or first) and first <= self.last

    @property
    def is_all(self) -> bool:
        """Whether the period is the whole lake."""
        return self == Days()


class Entry(NamedTuple):
    """An object as it was listed."""

    key: str
    etag: str


class Partition(NamedTuple):
    """A partition of a table."""

    table: str
    trade_date: dt.date
    ticker: str | None = None

    @property
    def key(self) -> str:
        """The key of its one object."""
        if self.ticker is not None:
            return layout.refined_index_stocks_key(self.trade_date, self.ticker)
        return _ONE_OBJECT_TABLES[self.table](self.trade_date)

    @property
    def values(self) -> list[str]:
        """Its values in the catalog."""
        return [self.trade_date.isoformat(), *([] if self.ticker is None else [self.ticker])]


@dataclass(frozen=True)
class LandedPortfolioKey:
    """An index's portfolio in landing/."""

    index: str
    endpoint: str
    trade_date: dt.date

    @property
    def key(self) -> str:
        """The key of its object."""
        return layout.landing_index_key(self.index, self.endpoint, self.trade_date)


@dataclass
class Inventory:
    """The objects of landing/, raw/ and refined/ in a period.

    Attributes:
        objects: all objects of the lake, in any period, by key.
        deleted: keys whose newest version is a delete marker over a former version, by key the marker's version id.
        quotes_files: keys of landed quotes files, and the days that each covers.
        portfolios: landed index portfolios, by session.
        workbooks: landed sector workbooks, by session.
        kept_answers: keys of answers in landing/received/ and landing/rejected/.
        partitions: objects of raw/ and refined/.
        constituents: those of the refined constituents, by session and ticker.
        unknown: keys that the layout does not know.
    """

    objects: dict[str, Entry] = field(default_factory=dict)
    deleted: dict[str, str] = field(default_factory=dict)
    quotes_files: dict[str, Days] = field(default_factory=dict)
    portfolios: defaultdict[dt.date, list[LandedPortfolioKey]] = field(default_factory=lambda: defaultdict(list))
    workbooks: dict[dt.date, str] = field(default_factory=dict)
    kept_answers: list[str] = field(default_factory=list)
    partitions: set[Partition] = field(default_factory=set)
    constituents: defaultdict[dt.date, dict[str, Partition]] = field(default_factory=lambda: defaultdict(dict))
    unknown: list[str] = field(default_factory=list)

    def dates_of(self, table: str) -> list[dt.date]:
        """Return the sessions that a table has objects of, in order."""
        return sorted({each.trade_date for each in self.partitions if each.table == table})

    def _add(self, key: str, period: Days) -> None:
        """Put a key where it belongs, unless it lies outside the period."""
        portfolio, partition, covered = portfolio_of(key), partition_of(key), days_of_quotes_file(key)
        workbook = layout.date_in(key, layout.landing_sectors_key, layout.LANDING_SECTORS_PREFIX)
        if covered:
            if period.has(*covered):
                self.quotes_files[key] = covered
        elif portfolio:
            if period.has(portfolio.trade_date):
                self.portfolios[portfolio.trade_date].append(portfolio)
        elif workbook:
            if period.has(workbook):
                self.workbooks[workbook] = key
        elif partition:
            if period.has(partition.trade_date):
                self.partitions.add(partition)
                if partition.ticker is not None:
                    self.constituents[partition.trade_date][partition.ticker] = partition
        elif _KEPT_ANSWER.fullmatch(key):
            if period.is_all:
                self.kept_answers.append(key)
        elif not _CANDLES.fullmatch(key):
            self.unknown.append(key)


def take(s3: Any, lake: Lake, period: Days) -> Inventory:
    """Return the inventory of a period. Keys that the layout does not know belong to every period."""
    found = Inventory()
    former: set[str] = set()
    markers: dict[str, str] = {}
    for prefix in PREFIXES:
        pages = s3.get_paginator("list_object_versions").paginate(Bucket=lake.bucket, Prefix=prefix)
        for page in pages:
            for entry in page.get("Versions", []):
                if entry["IsLatest"]:
                    found.objects[entry["Key"]] = Entry(entry["Key"], entry["ETag"])
                else:
                    former.add(entry["Key"])
            markers |= {
                entry["Key"]: entry["VersionId"] for entry in page.get("DeleteMarkers", []) if entry["IsLatest"]
            }
    found.deleted = {key: version for key, version in markers.items() if key in former}
    for key in found.objects:
        found._add(key, period)
    return found


def partition_of(key: str) -> Partition | None:
    """Return the partition whose one object a key of raw/ or refined/ names; None for any other key."""
    try:
        trade_date = layout.date_of(key)
    except ValueError:
        return None
    if key.startswith(layout.refined_index_stocks_prefix(trade_date)):
        named = _TICKER.search(key)
        found = Partition(layout.INDEX_STOCKS_TABLE, trade_date, named[1]) if named else None
        return found if found and found.key == key else None
    return next(
        (Partition(table, trade_date) for table, of in _ONE_OBJECT_TABLES.items() if of(trade_date) == key), None
    )


def days_of_quotes_file(key: str) -> Days | None:
    """Return the days that a landed quotes file covers by its name; None for any other key."""
    found = _QUOTES_FILE.fullmatch(key.removeprefix(layout.LANDING_QUOTES_PREFIX))
    if not found or not key.startswith(layout.LANDING_QUOTES_PREFIX):
        return None
    try:
        if found["day"]:
            day = _date(found["day"][4:], found["day"][2:4], found["day"][:2])
            return Days(day, day)
        if found["month"]:
            _, *days = choose.month_file(_date(found["month"][2:], found["month"][:2]))
        else:
            _, *days = choose.year_file(int(found["year"]))
        return Days(*days)
    except ValueError:
        return None


def _date(year: str, month: str, day: str = "1") -> dt.date:
    return dt.date(int(year), int(month), int(day))


def portfolio_of(key: str) -> LandedPortfolioKey | None:
    """Return the landed index portfolio that a key names; None for any other key."""
    found = _INDEX.fullmatch(key)
    try:
        named = LandedPortfolioKey(found[1], found[2], dt.date.fromisoformat(found[3])) if found else None
    except ValueError:
        return None
    return named if named and named.key == key and named.endpoint in INDEX_METHODS else None


def landed_days(key: str) -> Days | None:
    """Return the days of a landed source of any kind; None for answers that are kept by sha256, and any other key."""
    portfolio = portfolio_of(key)
    if portfolio:
        return Days(portfolio.trade_date, portfolio.trade_date)
    workbook = layout.date_in(key, layout.landing_sectors_key, layout.LANDING_SECTORS_PREFIX)
    return Days(workbook, workbook) if workbook else days_of_quotes_file(key)
