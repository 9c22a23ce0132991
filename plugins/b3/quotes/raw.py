"""From landing/ to raw/quotes/: the source's records as typed Parquet, one object per partition."""

from __future__ import annotations

import datetime as dt
import io
import json
import logging
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from b3.errors import Flood, NotPublished
from b3.lake import layout
from b3.lake.commit import (
    Overtaken,
    has_bytes,
    head,
    heads,
    keys_below,
    on_condition,
    put_if_changed,
    until_committed,
)
from b3.lake.landed import LandedFile, open_landed
from b3.lake.layout import Lake
from b3.quotes import choose, corrections, cotahist, quality
from b3.quotes.accepted import NOTHING, Accepted
from b3.quotes.year_checks import check_calendar, keep_lost, lost_sessions

log = logging.getLogger(__name__)

# Metadata of raw quotes: how they differ from the records that they replaced.
CORRECTION = "correction"

_WRITERS = 4


@dataclass(frozen=True)
class RawPartition:
    """A raw partition of quotes.

    Attributes:
        trade_date: the session, as YYYY-MM-DD.
        uri: the partition's object.
        source: URI of the landed file from which its rows come.
        rows: number of rows.
        financial_volume: sum over the rows, a decimal as text.
    """

    trade_date: str
    uri: str
    source: str
    rows: int
    financial_volume: str


@dataclass(frozen=True)
class RawQuotes:
    """The raw partitions that one call wrote.

    Attributes:
        partitions: one for each session.
        kept: sessions that a year's file lacks, and an earlier version had. Their partitions stay.
    """

    partitions: list[RawPartition]
    kept: list[str] = field(default_factory=list)


def joined(written: Sequence[RawQuotes]) -> RawQuotes:
    """Return what several calls wrote, in their order, as if one had written it."""
    return RawQuotes(
        [partition for each in written for partition in each.partitions],
        [date for each in written for date in each.kept],
    )


def write_quotes(s3: Any, lake: Lake, trade_date: dt.date, accepted: Accepted = NOTHING) -> RawQuotes:
    """Write the raw partition of a session from the file in landing/ that was fetched last, see `b3.quotes.choose`.

    One PUT is the commit, see `b3.lake.commit`. The same records give the same bytes, whatever file they come from, and
    an object with these bytes is not written again. An object that replaces other records has metadata `correction`.

    Args:
        s3: a boto3 S3 client.
        lake: the lake.
        trade_date: the session.
        accepted: the suspect quotes that the run publishes.

    Raises:
        Flood, RecordsLost: the file waits for a person, and the partition stays as it was.
        NotPublished: no file in landing/ holds the session.
        SourceError: or another subclass: the file is damaged.
    """
    return RawQuotes([_write_session(s3, lake, trade_date, accepted)])


def write_year(s3: Any, lake: Lake, year: int, accepted: Accepted = NOTHING) -> RawQuotes:
    """Write the raw partition of every session of a year's landed file, each as `write_quotes` does.

    If another file of a session was fetched later, such as a corrected daily file, the session is written from that
    file. All sessions are checked before the first is written. Memory holds a few sessions, not the file. A killed
    process leaves whole partitions.

    Args:
        s3: a boto3 S3 client.
        lake: the lake.
        year: the year.
        accepted: the suspect quotes that the run publishes.

    Raises:
        CalendarDiffers: the file's sessions differ from the calendar's, up to its last one. Before 2000 the calendar is
            not sure, and the file's sessions are taken.
        NotPublished: the file is not in landing/, or has no session yet.
        Flood, RecordsLost: the file waits for a person.
        SourceError: or another subclass: the landed file is damaged.
        Nothing is written if an error is raised.
    """
    formers = heads(s3, lake, keys_below(s3, lake, layout.raw_quotes_prefix(year)))
    landed = choose.landed_year(s3, lake, year)
    with tempfile.TemporaryFile() as source:
        open_landed(s3, lake, landed, source)
        with cotahist.by_session(source, only=None, name=landed.uri) as found, ThreadPoolExecutor(_WRITERS) as pool:
            dates = found.dates()
            lost = lost_sessions(dates, landed, formers, accepted)
            check_calendar(dates, landed.uri, lost)
            newest = choose.newest_of_each(s3, lake, dates)

            def records_of(date: dt.date) -> tuple[LandedFile, pa.Table]:
                chosen = newest.get(date, landed)
                if chosen.uri != landed.uri:
                    records = _read_session(s3, lake, chosen, date)
                    if len(records):
                        return chosen, records
                return landed, found.table(date)

            def check(date: dt.date) -> None:
                chosen, records = records_of(date)
                _check_session(records, date, chosen.uri, formers.get(layout.raw_quotes_key(date)), accepted)

            def write(date: dt.date) -> RawPartition:
                chosen, records = records_of(date)
                if chosen.uri != landed.uri:
                    log.warning("%s was fetched after %s; using it for %s", chosen.uri, landed.uri, date)
                try:
                    return _commit(s3, lake, chosen, date, records, formers.get(layout.raw_quotes_key(date)))
                except Overtaken as overtaken:
                    log.warning("%s: trying again", overtaken)
                    return _write_session(s3, lake, date, accepted)

            list(pool.map(check, dates))
            for date in lost:
                keep_lost(s3, lake, formers[layout.raw_quotes_key(date)], date, landed)
            return RawQuotes(list(pool.map(write, dates)), [date.isoformat() for date in lost])


def _write_session(s3: Any, lake: Lake, trade_date: dt.date, accepted: Accepted) -> RawPartition:
    key = layout.raw_quotes_key(trade_date)

    def write() -> RawPartition:
        # Read this before landing/: a task that replaces the object later has then read files as new or newer.
        former = head(s3, lake, key)
        landed, records = newest_records(s3, lake, trade_date)
        _check_session(records, trade_date, landed.uri, former, accepted)
        return _commit(s3, lake, landed, trade_date, records, former)

    return until_committed(write, lake.uri(key))


def newest_records(s3: Any, lake: Lake, trade_date: dt.date) -> tuple[LandedFile, pa.Table]:
    """Return the last fetched file that has records of a session, and those records."""
    files = choose.landed(s3, lake, trade_date)
    for landed in files:
        records = _read_session(s3, lake, landed, trade_date)
        if len(records):
            return landed, records
        # The metadata of a file that a person put does not list its sessions.
        log.warning("%s lacks %s", landed.uri, trade_date)
    raise NotPublished(
        source=files[0].uri,
        expected=f"the session {trade_date}",
        found="none of its records",
        hint="Delete the file from landing/ and run scrape again: B3's file may have grown, or the day was no session.",
    )


def _read_session(s3: Any, lake: Lake, landed: LandedFile, trade_date: dt.date) -> pa.Table:
    """Return the records of a session in a landed file; a daily file may hold no others."""
    with tempfile.TemporaryFile() as source:
        open_landed(s3, lake, landed, source)
        if landed.uri.endswith(layout.daily_quotes_file(trade_date)):
            reader = cotahist.Reader(source, trade_date=trade_date, unreadable=True, name=landed.uri)
            return pa.Table.from_batches(reader, cotahist.READ_SCHEMA)
        with cotahist.by_session(source, only=trade_date, name=landed.uri) as found:
            return found.table(trade_date) if found.dates() else cotahist.READ_SCHEMA.empty_table()


def _check_session(
    records: pa.Table, trade_date: dt.date, source: str, former: dict[str, Any] | None, accepted: Accepted
) -> None:
    """Raise Flood or RecordsLost if a session's records wait for a person. Published records are accepted already."""
    if not accepted.flood:
        try:
            quality.refuse_flood(records, trade_date, source)
        except Flood:
            if former is None or not has_bytes(former, _encode(records)):
                raise
    rows = (former or {}).get("Metadata", {}).get("rows", "")
    if rows.isdecimal() and not accepted.loss:
        corrections.refuse_loss(len(records), int(rows), trade_date, source)


def _commit(
    s3: Any, lake: Lake, landed: LandedFile, trade_date: dt.date, records: pa.Table, former: dict[str, Any] | None
) -> RawPartition:
    """Put a session's raw quotes, which replace `former`, unless it has the same bytes.

    Raises:
        Overtaken: the object is no longer `former`.
    """
    key, parquet = layout.raw_quotes_key(trade_date), _encode(records)
    metadata = {**landed.metadata(), "rows": str(len(records))}
    put_if_changed(s3, lake, key, parquet, metadata, former, more=lambda: _correction(s3, lake, key, former, parquet))
    volume = pc.sum(records["financial_volume"]).as_py()
    return RawPartition(trade_date.isoformat(), lake.uri(key), landed.uri, len(records), str(volume))


def _encode(records: pa.Table) -> bytes:
    parquet = io.BytesIO()
    cotahist.write_session(records, parquet)
    return parquet.getvalue()


def _correction(s3: Any, lake: Lake, key: str, former: dict[str, Any] | None, parquet: bytes) -> dict[str, str]:
    """Return metadata on how the records of `parquet` differ from those of the former object, if there is one."""
    if former is None:
        return {}
    with on_condition(s3, lake, key):
        answer = s3.get_object(Bucket=lake.bucket, Key=key, IfMatch=former["ETag"])
    try:
        before = pq.read_table(io.BytesIO(answer["Body"].read()))
    except pa.ArrowException:
        log.warning("%s was damaged; replacing it", lake.uri(key))
        return {}
    correction = corrections.compare(before, pq.read_table(io.BytesIO(parquet)))
    if not correction.changes:
        return {name: text for name, text in former["Metadata"].items() if name == CORRECTION}
    log.warning("%s is corrected: %s; %s", lake.uri(key), correction.before(), correction.after())
    return {CORRECTION: json.dumps({"before": correction.before(), "after": correction.after()})}
