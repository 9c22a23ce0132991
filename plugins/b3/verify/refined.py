"""Compare refined quotes, findings and constituents with the raw objects that they are made from."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pyarrow.compute as pc

from b3.lake import layout
from b3.lake.layout import Lake
from b3.verify import objects
from b3.verify.differences import ORPHAN, ROWS, STALE, Difference, rebuild
from b3.verify.inventory import Inventory, Partition

_GENERATION = "generation"


def quotes(
    s3: Any, lake: Lake, inventory: Inventory, trade_date: dt.date, raw: objects.Totals | None
) -> Iterator[Difference]:
    """Yield how a session's refined quotes and findings differ from its raw quotes.

    Args:
        s3: a boto3 S3 client.
        lake: the lake.
        inventory: the lake's objects.
        trade_date: the session.
        raw: rows and volume of its raw quotes; None if they are missing or unreadable.
    """
    source = Partition(layout.RAW_QUOTES_TABLE, trade_date)
    for table in (layout.QUOTES_TABLE, layout.FINDINGS_TABLE):
        partition = Partition(table, trade_date)
        if partition not in inventory.partitions:
            if source in inventory.partitions:
                yield objects.missing(lake, inventory, partition, lake.uri(source.key))
        else:
            stored = objects.read(s3, lake, partition)
            difference = stored.damage(trade_date) or _from_raw(stored, lake, inventory, source)
            if difference is None and table == layout.QUOTES_TABLE and raw is not None:
                difference = _totals(stored, raw, lake.uri(source.key), trade_date)
            if difference:
                yield difference


def _from_raw(stored: objects.StoredObject, lake: Lake, inventory: Inventory, source: Partition) -> Difference | None:
    uri = lake.uri(source.key)
    if source not in inventory.partitions:
        return Difference(ORPHAN, stored.uri, f"the raw object {uri}", "none", _without_raw(source.trade_date))
    etag, made_from = inventory.objects[source.key].etag.strip('"'), stored.metadata.get(layout.RAW_ETAG, "none")
    if made_from == etag:
        return None
    return Difference(
        STALE, stored.uri, f"{layout.RAW_ETAG} {etag}, as {uri} has", made_from, rebuild(source.trade_date)
    )


def _totals(stored: objects.StoredObject, raw: objects.Totals, uri: str, trade_date: dt.date) -> Difference | None:
    found = stored.totals()
    return (
        None if found == raw else Difference(ROWS, stored.uri, f"{raw}, as in {uri}", str(found), rebuild(trade_date))
    )


def index_stocks(s3: Any, lake: Lake, inventory: Inventory, trade_date: dt.date) -> Iterator[Difference]:
    """Yield how a session's constituents differ from its raw portfolios and raw quotes."""
    present = inventory.constituents.get(trade_date, {})
    portfolio = Partition(layout.RAW_INDEX_PORTFOLIO_TABLE, trade_date)
    raw_quotes = Partition(layout.RAW_QUOTES_TABLE, trade_date)
    wanted: Counter[str] = Counter()
    generation = None
    if portfolio in inventory.partitions:
        stored = objects.read(s3, lake, portfolio)
        if stored.file is None:
            return
        constituents = stored.table(["ticker", "endpoint"])
        wanted.update(constituents.filter(pc.equal(constituents["endpoint"], "portfolio_day"))["ticker"].to_pylist())
        if raw_quotes in inventory.partitions:
            etags = inventory.objects[raw_quotes.key].etag, inventory.objects[portfolio.key].etag
            generation = hashlib.sha256(" ".join(etags).encode()).hexdigest()[:16]
    elif present:
        # One fault, and one line.
        expected = f"the raw object {lake.uri(portfolio.key)}, for {len(present)} constituents"
        yield Difference(ORPHAN, lake.refined_index_stocks(trade_date), expected, "none", _without_raw(trade_date))
        return
    for ticker in sorted(wanted):
        if ticker not in present and generation is not None:
            partition = Partition(layout.INDEX_STOCKS_TABLE, trade_date, ticker)
            yield objects.missing(lake, inventory, partition, lake.uri(portfolio.key))
    for _, partition in sorted(present.items()):
        stored = objects.read(s3, lake, partition)
        rows = wanted[str(partition.ticker)]
        if not rows:
            expected = f"its ticker in {lake.uri(portfolio.key)}"
            yield Difference(
                ORPHAN, stored.uri, expected, "none", f"{rebuild(trade_date)}; if it stays, delete the object"
            )
        elif damage := stored.damage(trade_date):
            yield damage
        elif generation is None:
            yield Difference(
                ORPHAN, stored.uri, f"the raw object {lake.uri(raw_quotes.key)}", "none", _without_raw(trade_date)
            )
        elif stored.metadata.get(_GENERATION) != generation:
            expected = f"generation {generation}, of the raw quotes and portfolios as they are"
            found = stored.metadata.get(_GENERATION, "none")
            yield Difference(STALE, stored.uri, expected, found, rebuild(trade_date))
        elif stored.rows != rows:
            expected = f"{rows} rows, as in {lake.uri(portfolio.key)}"
            yield Difference(ROWS, stored.uri, expected, f"{stored.rows} rows", rebuild(trade_date))


def _without_raw(trade_date: dt.date) -> str:
    return f"{rebuild(trade_date)}; if nothing landed for it, delete the object"
