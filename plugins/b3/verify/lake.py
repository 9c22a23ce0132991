"""Verify the lake: landing/ by itself, raw/ against landing/, refined/ against raw/, the catalog against the objects.

Nothing is written. A failure of S3 or of the catalog is raised, and never taken for a lake without differences.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from b3.lake import layout
from b3.lake.layout import Lake
from b3.verify import catalog, inventory, landed, raw_portfolios, refined
from b3.verify.differences import UNKNOWN, Difference, Report
from b3.verify.inventory import Days, Inventory
from b3.verify.raw_quotes import RawQuotes

log = logging.getLogger(__name__)

# Objects at a time; boto3 keeps 10 connections.
_READERS = 8
_Item = TypeVar("_Item")


class NothingToVerify(ValueError):
    """The lake has no object in the period."""


def verify(s3: Any, glue: Any, lake: Lake, database: str, period: Days = Days()) -> Report:  # noqa: B008
    """Compare everything in the lake that belongs to a period, and return what differs.

    Args:
        s3: a boto3 S3 client.
        glue: a boto3 Glue client.
        lake: the lake.
        database: name of its database in the catalog.
        period: the sessions; by default the whole lake, with the answers that landing/ keeps beside its files.

    Raises:
        NothingToVerify: the lake has nothing in the period.
        botocore.exceptions.ClientError: S3 or Glue refuses a request.
    """
    report = Report()
    found = inventory.take(s3, lake, period)
    log.info("listed %d objects", len(found.objects))
    report.differences += landed.hidden(lake, found, period)
    report.differences += (_unknown(lake, key) for key in found.unknown)
    with ThreadPoolExecutor(_READERS) as pool:
        _kept_answers(s3, lake, found, pool, report)
        quotes = RawQuotes(s3, lake, found, period, report)
        quotes.compare(pool)
        log.info("compared raw quotes with landing: %s", report.verdict())
        _portfolios_and_sectors(s3, lake, found, pool, report)
        _refined(s3, lake, found, quotes, pool, report)
        log.info("compared refined with raw: %s", report.verdict())
    for partitions, differences in catalog.compare(glue, database, lake, found, period):
        report.partitions += partitions
        report.differences += differences
    log.info("compared the catalog with the objects: %s", report.verdict())
    if not report.sessions and not report.differences:
        days = "" if period.is_all else f" from {period.first} to {period.last}"
        raise NothingToVerify(f"expected sessions{days} in {lake.uri('')}, found none")
    return report


def _kept_answers(s3: Any, lake: Lake, found: Inventory, pool: ThreadPoolExecutor, report: Report) -> None:
    read = pool.map(lambda key: landed.read(s3, lake, key), found.kept_answers)
    report.differences += (each.difference for each in read if each.difference)
    report.objects += len(found.kept_answers)


def _portfolios_and_sectors(s3: Any, lake: Lake, found: Inventory, pool: ThreadPoolExecutor, report: Report) -> None:
    dates = sorted({*found.portfolios, *found.dates_of(layout.RAW_INDEX_PORTFOLIO_TABLE)})
    with_quotes = report.sessions.copy()
    _each(pool, report, dates, lambda date: raw_portfolios.portfolios(s3, lake, found, date, date in with_quotes))
    workbooks = sorted({*found.workbooks, *found.dates_of(layout.RAW_SECTORS_TABLE)})
    _each(pool, report, workbooks, lambda date: raw_portfolios.sectors(s3, lake, found, date))
    report.sessions |= {*dates, *workbooks}
    report.objects += sum(map(len, found.portfolios.values())) + len(found.workbooks)


def _refined(
    s3: Any, lake: Lake, found: Inventory, quotes: RawQuotes, pool: ThreadPoolExecutor, report: Report
) -> None:
    tables = (layout.RAW_QUOTES_TABLE, layout.QUOTES_TABLE, layout.FINDINGS_TABLE)
    dates = sorted({date for table in tables for date in found.dates_of(table)})
    _each(pool, report, dates, lambda date: refined.quotes(s3, lake, found, date, quotes.totals.get(date)))
    of_indexes = sorted({*found.dates_of(layout.RAW_INDEX_PORTFOLIO_TABLE), *found.dates_of(layout.INDEX_STOCKS_TABLE)})
    _each(pool, report, of_indexes, lambda date: refined.index_stocks(s3, lake, found, date))
    report.sessions |= {*dates, *of_indexes}
    report.objects += sum(each.table != layout.RAW_QUOTES_TABLE for each in found.partitions)


def _each(
    pool: ThreadPoolExecutor,
    report: Report,
    items: Iterable[_Item],
    compare: Callable[[_Item], Iterable[Difference]],
) -> None:
    """Add the differences of all items to the report, several items at a time."""
    for differences in pool.map(lambda item: list(compare(item)), items):
        report.differences += differences


def _unknown(lake: Lake, key: str) -> Difference:
    expected = "a name of the lake's layout"
    return Difference(UNKNOWN, lake.uri(key), expected, "another one", f"aws s3 rm {lake.uri(key)}, if nobody needs it")
