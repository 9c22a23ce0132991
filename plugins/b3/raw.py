"""From landing/ to raw/: the source's records as typed Parquet, one object a partition."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import logging
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow.compute as pc

from b3 import cotahist, lake, sessions
from b3.errors import CalendarDiffers, NotPublished
from b3.lake import Lake
from b3.landing import LandedFile, find, head, latest, open_landed

log = logging.getLogger(__name__)

_WRITERS = 4


@dataclass(frozen=True)
class RawPartition:
    """A raw partition, and what its source file has of that session; the volume is a decimal as text."""

    trade_date: str
    uri: str
    rows: int
    financial_volume: str


@dataclass(frozen=True)
class RawQuotes:
    """The raw partitions written from one source file; `source_records` are all quotes in it, by its trailer."""

    partitions: list[RawPartition]
    source_records: int


def write_quotes(s3: Any, where: Lake, landed: LandedFile, trade_date: dt.date) -> RawQuotes:
    """Write the raw quotes partition of `trade_date` from the COTAHIST file that holds it.

    That is the one that came last of those in landing/, see `landing.latest`: another than `landed` where it came
    since, whose corrections must not be undone.

    The one PUT is the commit: readers see the former object or the new one. The same records give the same bytes,
    whichever file they are from, and bytes that are there already are not written again.

    Raises:
        SourceError: and its subclasses: the file is damaged, or does not hold that session.
    """
    landed = latest(s3, where, trade_date) or landed
    key = lake.landing_quotes_key(lake.daily_quotes_file(trade_date))
    if landed.uri == where.uri(key):
        return _write_daily(s3, where, landed, trade_date)
    written = _write_sessions(s3, where, landed, trade_date)
    if written.partitions:
        return written
    # A longer file may lack a session that it goes beyond; the daily one, if any, is all there is of it.
    daily = find(s3, where, key)
    if daily is None:
        raise NotPublished(
            source=landed.uri,
            expected=f"the session {trade_date}",
            found="none of its records",
            hint="Delete the file from landing/ and run scrape again: B3's has grown, or the day was no session.",
        )
    log.warning("%s lacks %s; using %s", landed.uri, trade_date, daily.uri)
    return _write_daily(s3, where, daily, trade_date)


def _write_daily(s3: Any, where: Lake, landed: LandedFile, trade_date: dt.date) -> RawQuotes:
    parquet = io.BytesIO()
    with tempfile.TemporaryFile() as source:
        open_landed(s3, where, landed, source)
        summary = cotahist.write_parquet(source, parquet, trade_date=trade_date, name=landed.uri)
    partition = _put(s3, where, landed, trade_date, parquet.getvalue(), summary.records, summary.financial_volume)
    return RawQuotes([partition], summary.trailer_records - 2)


def write_year(s3: Any, where: Lake, landed: LandedFile) -> RawQuotes:
    """Write the raw quotes partition of every session of a landed COTAHIST file, as `write_quotes` writes each.

    It is read as it lies there now: B3's file of the running year may have been fetched again since. A session of which
    another file came later, such as a daily one that B3 corrected, is written from that.

    Memory is bounded by a few sessions, not by the file. Killed half-way, it leaves whole partitions.

    Raises:
        CalendarDiffers: up to its last session the file has not those of the calendar; nothing is written then. Before
            2000, where the calendar is not sure, the file's are taken.
        NotPublished: it has no session yet.
        SourceError: and its subclasses: the landed file is damaged; nothing is written then.
    """
    return _write_sessions(s3, where, find(s3, where, landed.uri.removeprefix(where.uri(""))) or landed, None)


def _write_sessions(s3: Any, where: Lake, landed: LandedFile, only: dt.date | None) -> RawQuotes:
    with tempfile.TemporaryFile() as source:
        open_landed(s3, where, landed, source)
        with cotahist.by_session(source, only=only, name=landed.uri) as found:
            if only is None:
                _check_calendar(found.dates(), landed.uri)

            def write(date: dt.date) -> RawPartition:
                if only is None and (last := latest(s3, where, date)) and last.uri != landed.uri:
                    log.warning("%s came after %s; using it for %s", last.uri, landed.uri, date)
                    return write_quotes(s3, where, last, date).partitions[0]
                records, parquet = found.table(date), io.BytesIO()
                cotahist.write_session(records, parquet)
                volume = pc.sum(records["financial_volume"]).as_py()
                return _put(s3, where, landed, date, parquet.getvalue(), len(records), volume)

            with ThreadPoolExecutor(_WRITERS) as pool:
                partitions = list(pool.map(write, found.dates()))
            return RawQuotes(partitions, found.summary.trailer_records - 2)


def _check_calendar(dates: list[dt.date], source: str) -> None:
    """Raise CalendarDiffers unless `dates` of a year are its sessions up to the last of them, NotPublished if none."""
    if not dates:
        raise NotPublished(
            source=source,
            expected="the sessions of a year",
            found="not one record",
            hint="Delete the file from landing/ and run scrape again, from the second session of the year on.",
        )
    expected = sessions.sessions(dt.date(dates[0].year, 1, 1), dates[-1])
    absent, unknown = sorted(set(expected) - set(dates)), sorted(set(dates) - set(expected))
    if not absent and not unknown:
        return
    found = "; ".join(
        f"{what} {', '.join(map(str, days))}" for what, days in (("without", absent), ("with", unknown)) if days
    )
    if dates[0].year < sessions.CALENDAR_IS_SURE_FROM:
        log.warning("%s is not as the calendar, which is not sure of that year: it is %s", source, found)
        return
    raise CalendarDiffers(
        source=source,
        expected=f"the sessions of {dates[0].year} up to {dates[-1]}",
        found=found,
        hint="If B3 did trade so, upgrade exchange_calendars. If not, delete the file from landing/ and clear scrape.",
    )


def _put(
    s3: Any, where: Lake, landed: LandedFile, trade_date: dt.date, parquet: bytes, rows: int, volume: Decimal
) -> RawPartition:
    key = lake.raw_quotes_key(trade_date)
    put_if_changed(s3, where, key, parquet, {**landed.metadata(), "rows": str(rows)})
    return RawPartition(trade_date.isoformat(), where.uri(key), rows, str(volume))


def put_if_changed(s3: Any, where: Lake, key: str, body: bytes, metadata: dict[str, str]) -> None:
    """Put `body` under `key`, unless these bytes, of the same `source`, lie there already.

    Then the object keeps saying which file it was first made from: B3 has the same records in several.
    """
    etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
    there = head(s3, where, key)
    if there and there["ETag"].strip('"') == etag and there["Metadata"].get("source") == metadata["source"]:
        log.info("%s already holds these bytes", where.uri(key))
        return
    s3.put_object(Bucket=where.bucket, Key=key, Body=body, Metadata=metadata)
    log.info("%s: %s rows", where.uri(key), metadata["rows"])
