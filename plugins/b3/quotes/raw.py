"""From landing/ to raw/: the source's records as typed Parquet, one object a partition."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import logging
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from b3.calendar import sessions
from b3.errors import CalendarDiffers, Flood, NotPublished, RecordsLost, SourceError
from b3.lake import layout
from b3.lake.layout import Lake
from b3.quotes import corrections, cotahist, quality
from b3.quotes.accepted import NOTHING, Accepted
from b3.quotes.land import OVERTAKEN, LandedFile, find, head, latest, open_landed

log = logging.getLogger(__name__)

# Metadata of raw quotes: the records that they replaced, and how they differ; and the file that lacks their session
# although one of its name had it, as a person accepted.
CORRECTION = "correction"
LACKED_BY = "lacked-by"

_WRITERS = 4
_TRIES = 3


class _Overtaken(Exception):
    """Another upload replaced the object since this one looked at it."""


@dataclass(frozen=True)
class RawPartition:
    """A raw partition, and what its source file has of that session; the volume is a decimal as text."""

    trade_date: str
    uri: str
    rows: int
    financial_volume: str


@dataclass(frozen=True)
class RawQuotes:
    """The raw partitions written from one source file.

    Attributes:
        partitions: one for each session.
        source_records: all quotes in the file.
        kept: sessions that the file lacks although one of its name had them; their partitions stay.
    """

    partitions: list[RawPartition]
    source_records: int
    kept: list[str] = field(default_factory=list)


def write_quotes(
    s3: Any, where: Lake, landed: LandedFile, trade_date: dt.date, accepted: Accepted = NOTHING
) -> RawQuotes:
    """Write the raw quotes partition of `trade_date` from the COTAHIST file that holds it.

    Of the files in landing/ that hold the session, take the one that came last, see `landing.latest`. It may have come
    after `landed`; its corrections must not be undone.

    The one PUT is the commit, on the condition that the object is still the one that was found at first: readers see
    the former object or the new one, and an upload that was held up does not undo a newer one. The same records give
    the same bytes, whichever file they are from, and bytes that are there already are not written again. An object
    that replaces other records says so in its metadata `correction`.

    Args:
        s3: a boto3 S3 client.
        where: the lake.
        landed: a file in landing/ that holds the session.
        trade_date: the session.
        accepted: what the run publishes although it looks wrong.

    Raises:
        Flood, RecordsLost: the file waits for a person, and the partition stays as it was.
        SourceError: and its other subclasses: the file is damaged, or does not hold that session.
    """
    for _ in range(_TRIES):
        try:
            return _write_quotes(s3, where, landed, trade_date, accepted)
        except _Overtaken as overtaken:
            log.warning("%s: looking again", overtaken)
    raise SourceError(
        source=where.uri(layout.raw_quotes_key(trade_date)),
        expected="no other upload of this session at the same time",
        found=f"that others replaced the object {_TRIES} times in the meantime",
        hint="Clear upload once the other runs of this session have ended.",
    )


def _write_quotes(s3: Any, where: Lake, landed: LandedFile, trade_date: dt.date, accepted: Accepted) -> RawQuotes:
    key = layout.raw_quotes_key(trade_date)
    # Before landing/ is looked at: what replaces this later was made from something as new or newer.
    formers = {key: found} if (found := head(s3, where, key)) else {}
    landed = latest(s3, where, trade_date) or landed
    daily_key = layout.landing_quotes_key(layout.daily_quotes_file(trade_date))
    if landed.uri != where.uri(daily_key):
        written = _write_sessions(s3, where, landed, trade_date, formers, accepted)
        if written.partitions:
            return written
        # A longer file may lack a session that it goes beyond; the daily one, if any, is all there is of it.
        daily = find(s3, where, daily_key)
        if daily is None:
            raise NotPublished(
                source=landed.uri,
                expected=f"the session {trade_date}",
                found="none of its records",
                hint="Delete the file from landing/ and run scrape again: B3's has grown, or the day was no session.",
            )
        log.warning("%s lacks %s; using %s", landed.uri, trade_date, daily.uri)
        landed = daily
    records = _read_session(s3, where, landed, trade_date)
    _check_session(records, trade_date, landed.uri, formers.get(key), accepted)
    return RawQuotes([_commit(s3, where, landed, trade_date, records, formers.get(key))], len(records))


def _read_session(s3: Any, where: Lake, landed: LandedFile, trade_date: dt.date) -> pa.Table:
    """Return the records of a session in a landed file, of which a daily one may hold no others."""
    with tempfile.TemporaryFile() as source:
        open_landed(s3, where, landed, source)
        if landed.uri.endswith(layout.daily_quotes_file(trade_date)):
            reader = cotahist.Reader(source, trade_date=trade_date, unreadable=True, name=landed.uri)
            return pa.Table.from_batches(reader, cotahist.READ_SCHEMA)
        with cotahist.by_session(source, only=trade_date, name=landed.uri) as found:
            return found.table(trade_date)


def write_year(s3: Any, where: Lake, landed: LandedFile, accepted: Accepted = NOTHING) -> RawQuotes:
    """Write the raw quotes partition of every session of a landed COTAHIST file, as `write_quotes` writes each.

    It is read as it lies there now: B3's file of the running year may have been fetched again since. A session of which
    another file came later, such as a daily one that B3 corrected, is written from that.

    Memory is bounded by a few sessions, not by the file. Killed half-way, it leaves whole partitions.

    Args:
        s3: a boto3 S3 client.
        where: the lake.
        landed: the file of a year.
        accepted: what the run publishes although it looks wrong.

    Raises:
        CalendarDiffers: up to its last session the file has not those of the calendar; nothing is written then. Before
            2000, where the calendar is not sure, the file's are taken.
        NotPublished: it has no session yet.
        Flood, RecordsLost: the file waits for a person; nothing is written then.
        SourceError: and its other subclasses: the landed file is damaged; nothing is written then.
    """
    prefix = f"{layout.RAW_QUOTES_PREFIX}trade_date={_year_of(landed)}-"
    formers = _formers(s3, where, prefix)
    landed = find(s3, where, landed.uri.removeprefix(where.uri(""))) or landed
    return _write_sessions(s3, where, landed, None, formers, accepted)


def _year_of(landed: LandedFile) -> str:
    return landed.uri.rpartition("_A")[2][:4]


def _formers(s3: Any, where: Lake, prefix: str) -> dict[str, dict[str, Any]]:
    """Return S3's answer about each object below a prefix, by key."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=where.bucket, Prefix=prefix)
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    with ThreadPoolExecutor(_WRITERS) as pool:
        found = zip(keys, pool.map(lambda key: head(s3, where, key), keys), strict=True)
        return {key: answer for key, answer in found if answer}


def _write_sessions(
    s3: Any,
    where: Lake,
    landed: LandedFile,
    only: dt.date | None,
    formers: dict[str, dict[str, Any]],
    accepted: Accepted,
) -> RawQuotes:
    with tempfile.TemporaryFile() as source:
        open_landed(s3, where, landed, source)
        with (
            cotahist.by_session(source, only=only, name=landed.uri) as found,
            ThreadPoolExecutor(_WRITERS) as pool,
        ):
            dates = found.dates()
            newer: dict[dt.date, LandedFile] = {}
            lost: list[dt.date] = []
            if only is None:
                lost = _lost_sessions(dates, landed, formers, accepted)
                _check_calendar(dates, landed.uri, lost)
                lasts = zip(dates, pool.map(lambda date: latest(s3, where, date), dates), strict=True)
                newer = {date: last for date, last in lasts if last and last.uri != landed.uri}

            def check(date: dt.date) -> None:
                last = newer.get(date)
                records = _read_session(s3, where, last, date) if last else found.table(date)
                former = formers.get(layout.raw_quotes_key(date))
                _check_session(records, date, (last or landed).uri, former, accepted)

            def write(date: dt.date) -> RawPartition:
                if date in newer:
                    log.warning("%s came after %s; using it for %s", newer[date].uri, landed.uri, date)
                    return write_quotes(s3, where, newer[date], date, accepted).partitions[0]
                former = formers.get(layout.raw_quotes_key(date))
                try:
                    return _commit(s3, where, landed, date, found.table(date), former)
                except _Overtaken as overtaken:
                    if only is not None:
                        raise
                    log.warning("%s: looking again", overtaken)
                    return write_quotes(s3, where, landed, date, accepted).partitions[0]

            # All of them before the first is replaced.
            list(pool.map(check, dates))
            for date in lost:
                _keep_lost(s3, where, formers[layout.raw_quotes_key(date)], date, landed)
            partitions = list(pool.map(write, dates))
            return RawQuotes(partitions, found.summary.records, [date.isoformat() for date in lost])


def _check_session(
    records: pa.Table, trade_date: dt.date, source: str, former: dict[str, Any] | None, accepted: Accepted
) -> None:
    """Raise Flood or RecordsLost if a session's records wait for a person; what readers see has been accepted."""
    if not accepted.flood:
        try:
            quality.refuse_flood(records, trade_date, source)
        except Flood:
            if former is None or former["ETag"].strip('"') != _etag(_encode(records)):
                raise
    rows = (former or {}).get("Metadata", {}).get("rows", "")
    if rows.isdecimal() and not accepted.loss:
        corrections.refuse_loss(len(records), int(rows), trade_date, source)


def _lost_sessions(
    dates: list[dt.date], landed: LandedFile, formers: dict[str, dict[str, Any]], accepted: Accepted
) -> list[dt.date]:
    """Return the sessions that a year's file lacks, and that were once written from a file of its name.

    Raises:
        RecordsLost: there are any, and this file's lack of them was not accepted.
    """
    keys = {layout.raw_quotes_key(date) for date in dates}
    name = landed.url.rpartition("/")[2]
    lost = [
        layout.date_of(key)
        for key, former in sorted(formers.items())
        if key not in keys and former["Metadata"].get("source-url", "").rpartition("/")[2] == name
    ]
    open_ones = [
        date for date in lost if formers[layout.raw_quotes_key(date)]["Metadata"].get(LACKED_BY, "") != landed.sha256
    ]
    if open_ones and not accepted.loss:
        raise RecordsLost(
            source=landed.uri,
            expected=f"every session that a {name} had before",
            found=f"{len(lost)} of them gone: {', '.join(map(str, lost[:5]))}{', …' if len(lost) > 5 else ''}",
            hint="The file is in landing/ and readers keep the former quotes. If B3 did take these sessions back, "
            "trigger the DAG again with accept_loss; their partitions stay.",
        )
    return lost


def _keep_lost(s3: Any, where: Lake, former: dict[str, Any], trade_date: dt.date, landed: LandedFile) -> None:
    """Note on a raw object that a person accepted a file without its session; its bytes stay."""
    if former["Metadata"].get(LACKED_BY) == landed.sha256:
        return
    key = layout.raw_quotes_key(trade_date)
    s3.copy_object(
        Bucket=where.bucket,
        Key=key,
        CopySource={"Bucket": where.bucket, "Key": key},
        CopySourceIfMatch=former["ETag"],
        MetadataDirective="REPLACE",
        Metadata={**former["Metadata"], LACKED_BY: landed.sha256},
    )
    log.warning("%s lacks %s; %s stays", landed.uri, trade_date, where.uri(key))


def _check_calendar(dates: list[dt.date], source: str, lost: list[dt.date]) -> None:
    """Raise CalendarDiffers unless `dates` of a year are its sessions up to the last of them, NotPublished if none.

    Sessions that are `lost`, and accepted as such, may be absent.
    """
    if not dates:
        raise NotPublished(
            source=source,
            expected="the sessions of a year",
            found="not one record",
            hint="Delete the file from landing/ and run scrape again, from the second session of the year on.",
        )
    expected = sessions.sessions(dt.date(dates[0].year, 1, 1), dates[-1])
    absent, unknown = sorted(set(expected) - {*dates, *lost}), sorted(set(dates) - set(expected))
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


def _commit(
    s3: Any, where: Lake, landed: LandedFile, trade_date: dt.date, records: pa.Table, former: dict[str, Any] | None
) -> RawPartition:
    """Put a session's raw quotes in place of `former`, unless they are these.

    Raises:
        _Overtaken: another object lies there now.
    """
    key, parquet = layout.raw_quotes_key(trade_date), _encode(records)
    volume = pc.sum(records["financial_volume"]).as_py()
    partition = RawPartition(trade_date.isoformat(), where.uri(key), len(records), str(volume))
    metadata = {**landed.metadata(), "rows": str(len(records))}
    if former and _holds(former, parquet, landed.source):
        log.info("%s already holds these bytes", partition.uri)
        return partition
    if former:
        metadata |= _correction(s3, where, key, former, parquet)
    try:
        s3.put_object(
            Bucket=where.bucket,
            Key=key,
            Body=parquet,
            Metadata=metadata,
            **({"IfMatch": former["ETag"]} if former else {"IfNoneMatch": "*"}),
        )
    except s3.exceptions.ClientError as error:
        if error.response["Error"]["Code"] in OVERTAKEN:
            raise _Overtaken(f"{partition.uri} was put by another upload meanwhile") from error
        raise
    log.info("%s: %s rows", partition.uri, metadata["rows"])
    return partition


def _encode(records: pa.Table) -> bytes:
    parquet = io.BytesIO()
    cotahist.write_session(records, parquet)
    return parquet.getvalue()


def _correction(s3: Any, where: Lake, key: str, former: dict[str, Any], parquet: bytes) -> dict[str, str]:
    """Return the metadata that tells how the records of `parquet` differ from those of the former object."""
    try:
        answer = s3.get_object(Bucket=where.bucket, Key=key, IfMatch=former["ETag"])
        before = pq.read_table(io.BytesIO(answer["Body"].read()))
    except s3.exceptions.ClientError as error:
        if error.response["Error"]["Code"] in OVERTAKEN:
            raise _Overtaken(f"{where.uri(key)} was put by another upload meanwhile") from error
        raise
    except pa.ArrowException:
        log.warning("%s was damaged; replacing it", where.uri(key))
        return {}
    correction = corrections.compare(before, pq.read_table(io.BytesIO(parquet)))
    if not correction.changes:
        return {name: told for name, told in former["Metadata"].items() if name == CORRECTION}
    log.warning("%s is corrected: %s; %s", where.uri(key), correction.before(), correction.after())
    return {CORRECTION: json.dumps({"before": correction.before(), "after": correction.after()})}


def put_if_changed(s3: Any, where: Lake, key: str, body: bytes, metadata: dict[str, str]) -> None:
    """Put `body` under `key`, unless these bytes, of the same `source`, lie there already.

    Then the object keeps saying which file it was first made from: B3 has the same records in several.
    """
    there = head(s3, where, key)
    if there and _holds(there, body, metadata["source"]):
        log.info("%s already holds these bytes", where.uri(key))
        return
    s3.put_object(Bucket=where.bucket, Key=key, Body=body, Metadata=metadata)
    log.info("%s: %s rows", where.uri(key), metadata["rows"])


def _holds(there: dict[str, Any], body: bytes, source: str) -> bool:
    return there["ETag"].strip('"') == _etag(body) and there["Metadata"].get("source") == source


def _etag(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()
