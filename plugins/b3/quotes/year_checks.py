"""Check a year's file against the calendar and against raw/, before any of its sessions is written."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from b3.calendar import sessions
from b3.errors import CalendarDiffers, NotPublished, RecordsLost
from b3.lake import layout
from b3.lake.commit import on_condition
from b3.lake.landed import LandedFile
from b3.lake.layout import Lake
from b3.quotes.accepted import Accepted

log = logging.getLogger(__name__)

# Metadata of raw quotes: the sha256 of a file that lacks their session, which a person accepted.
LACKED_BY = "lacked-by"
_NAMED_DAYS = 5

# S3's answers about raw objects, by key.
Formers = Mapping[str, dict[str, Any]]


def check_calendar(dates: Sequence[dt.date], source: str, lost: Sequence[dt.date]) -> None:
    """Raise if the sessions of a year's file differ from the calendar's, up to the file's last session.

    Args:
        dates: the sessions in the file, in order.
        source: the file's URI.
        lost: sessions that the file lacks, which a person accepted.

    Raises:
        NotPublished: the file has no session.
        CalendarDiffers: the file lacks a session, or has one on a closed day. Before 2000 the calendar is not sure, and
            the difference is only logged.
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
        f"{word} {', '.join(map(str, days))}" for word, days in (("without", absent), ("with", unknown)) if days
    )
    if dates[0].year < sessions.CALENDAR_IS_SURE_FROM:
        log.warning("%s differs from the calendar, which is not sure of that year: the file is %s", source, found)
        return
    raise CalendarDiffers(
        source=source,
        expected=f"the sessions of {dates[0].year} up to {dates[-1]}",
        found=found,
        hint="If B3 did trade so, upgrade exchange_calendars. If not, delete the file from landing/ and clear scrape.",
    )


def lost_sessions(dates: Sequence[dt.date], landed: LandedFile, formers: Formers, accepted: Accepted) -> list[dt.date]:
    """Return the sessions that a year's file lacks, and that raw/ has from an earlier file of that name.

    Args:
        dates: the sessions in the file.
        landed: the file.
        formers: S3's answers about the year's raw objects, by key.
        accepted: the suspect quotes that the run publishes.

    Raises:
        RecordsLost: there are such sessions, and nobody accepted their loss in this file.
    """
    keys = {layout.raw_quotes_key(date) for date in dates}
    name = landed.uri.rpartition("/")[2]
    lost = [
        layout.date_of(key)
        for key, former in sorted(formers.items())
        if key not in keys and _landed_name(former) == name
    ]
    undecided = [
        date for date in lost if formers[layout.raw_quotes_key(date)]["Metadata"].get(LACKED_BY, "") != landed.sha256
    ]
    if undecided and not accepted.loss:
        named = f"{', '.join(map(str, lost[:_NAMED_DAYS]))}{', …' if len(lost) > _NAMED_DAYS else ''}"
        raise RecordsLost(
            source=landed.uri,
            expected=f"every session that a {name} had before",
            found=f"{len(lost)} of them gone: {named}",
            hint="The file is in landing/ and readers keep the former quotes. If B3 did take these sessions back, "
            "trigger the DAG again with accept_loss; their partitions stay.",
        )
    return lost


def _landed_name(former: Mapping[str, Any]) -> str:
    """Return the name in landing/ of the file that a raw object was made from."""
    name = former["Metadata"].get("source-url", "").rpartition("/")[2].upper()
    # A file of inbox/ may be text.
    return f"{name.removesuffix('.TXT')}.ZIP" if name.endswith(".TXT") else name


def keep_lost(s3: Any, lake: Lake, former: dict[str, Any], trade_date: dt.date, landed: LandedFile) -> None:
    """Add to a raw object's metadata that a person accepted a file without its session. Its bytes stay.

    Raises:
        Overtaken: the object is no longer `former`.
    """
    if former["Metadata"].get(LACKED_BY) == landed.sha256:
        return
    key = layout.raw_quotes_key(trade_date)
    with on_condition(s3, lake, key):
        s3.copy_object(
            Bucket=lake.bucket,
            Key=key,
            CopySource={"Bucket": lake.bucket, "Key": key},
            CopySourceIfMatch=former["ETag"],
            MetadataDirective="REPLACE",
            Metadata={**former["Metadata"], LACKED_BY: landed.sha256},
        )
    log.warning("%s lacks %s; %s stays", landed.uri, trade_date, lake.uri(key))
