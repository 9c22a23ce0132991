"""Compare raw index portfolios and raw sectors with the files in landing/ that they are made from: every row."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from b3.errors import SourceError, reading
from b3.indexes import portfolio
from b3.indexes.land import REQUIRED
from b3.indexes.raw import PORTFOLIO_SCHEMA
from b3.lake import layout
from b3.lake.layout import Lake
from b3.sectors import workbook
from b3.site.addresses import INDEX_METHODS
from b3.verify import landed, objects
from b3.verify.differences import DAMAGED, ORPHAN, ROWS, Difference, listed, rebuild, unreadable
from b3.verify.inventory import Inventory, LandedPortfolioKey, Partition

_REFUSED = "adapt the reader, or restore a former version of the file"


def portfolios(
    s3: Any, lake: Lake, inventory: Inventory, trade_date: dt.date, has_quotes: bool
) -> Iterator[Difference]:
    """Yield how a session's raw index portfolios differ from those in landing/.

    Args:
        s3: a boto3 S3 client.
        lake: the lake.
        inventory: the lake's objects.
        trade_date: the session.
        has_quotes: whether quotes of the session have landed. Portfolios may land a day ahead, before their session's
            run.
    """
    by_index: defaultdict[str, list[LandedPortfolioKey]] = defaultdict(list)
    for each in inventory.portfolios.get(trade_date, ()):
        by_index[each.index].append(each)
    tables, whole = [], True
    for index in sorted(by_index):
        of_endpoint = {each.endpoint: each for each in by_index[index]}
        complete = of_endpoint.keys() >= set(REQUIRED)
        for endpoint in sorted(of_endpoint, key=list(INDEX_METHODS).index):
            found, body = landed.read_small(s3, lake, of_endpoint[endpoint].key)
            if found.file is None:
                assert found.difference
                whole = False
                yield found.difference
                continue
            try:
                with reading(found.file.uri):
                    table = _read(body, of_endpoint[endpoint])
            except SourceError as error:
                whole = False
                yield unreadable(found.file.uri, error, _REFUSED)
                continue
            if complete:
                tables.append(table)
    partition = Partition(layout.RAW_INDEX_PORTFOLIO_TABLE, trade_date)
    # `upload` takes the indexes of which all required endpoints have landed.
    expected = pa.concat_tables(tables) if tables else None
    source = lake.uri("landing/index/")
    if partition not in inventory.partitions:
        if expected is not None and has_quotes:
            yield objects.missing(lake, inventory, partition, f"the portfolios of {trade_date} in {source}")
    elif whole:
        yield from _compare(s3, lake, partition, expected, source)


def sectors(s3: Any, lake: Lake, inventory: Inventory, trade_date: dt.date) -> Iterator[Difference]:
    """Yield how a session's raw sectors differ from the workbook in landing/."""
    key, partition = inventory.workbooks.get(trade_date), Partition(layout.RAW_SECTORS_TABLE, trade_date)
    expected = None
    if key is not None:
        found, body = landed.read_small(s3, lake, key)
        if found.file is None:
            assert found.difference
            yield found.difference
            return
        try:
            with reading(found.file.uri):
                expected = workbook.read_workbook(body, source=found.file.uri)
        except SourceError as error:
            yield unreadable(found.file.uri, error, _REFUSED)
            return
    if partition in inventory.partitions:
        yield from _compare(s3, lake, partition, expected, lake.uri(layout.landing_sectors_key(trade_date)))
    else:
        yield objects.missing(lake, inventory, partition, lake.uri(layout.landing_sectors_key(trade_date)))


def _read(body: bytes, of: LandedPortfolioKey) -> pa.Table:
    # The other endpoints name no date to check.
    named = of.trade_date if of.endpoint == "portfolio_day" else None
    table = portfolio.read_table(body, endpoint=of.endpoint, index=of.index, trade_date=named, source=of.key)
    return table.rename_columns(PORTFOLIO_SCHEMA.names)


def _compare(s3: Any, lake: Lake, partition: Partition, expected: pa.Table | None, source: str) -> Iterator[Difference]:
    stored = objects.read(s3, lake, partition)
    mend = rebuild(partition.trade_date)
    if stored.file is None:
        damage = stored.damage(partition.trade_date)
        assert damage
        yield damage
    elif expected is None:
        mend = "restore the landed files; if there were none, delete the object"
        yield Difference(ORPHAN, stored.uri, f"its source in {source}", "none", mend)
    else:
        present = stored.table()
        try:
            same = present.select(expected.schema.names).cast(expected.schema).equals(expected)
        except (pa.ArrowException, KeyError) as error:
            yield Difference(DAMAGED, stored.uri, "the columns of its table", str(error), mend)
            return
        if not same:
            yield Difference(ROWS, stored.uri, f"{_rows(expected)}, as in {source}", _found(present, expected), mend)
        elif damage := stored.damage(partition.trade_date):
            yield damage


def _rows(table: pa.Table) -> str:
    """Return the number of rows, of portfolios by index and endpoint."""
    if "endpoint" not in table.schema.names:
        return f"{len(table)} rows"
    counts = table.group_by(["index", "endpoint"]).aggregate([([], "count_all")]).to_pylist()
    parts = sorted(f"{each['index']} {each['endpoint']} {each['count_all']}" for each in counts)
    return f"{len(table)} rows ({listed(parts, 9)})"


def _found(present: pa.Table, expected: pa.Table) -> str:
    found = _rows(present)
    return f"{found} with other values" if found == _rows(expected) else found
