"""What the lake holds, from listings of S3: one request for each thousand sessions of a table, none for landing/."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

from b3.calendar.sessions import FIRST_YEAR, LAST_YEAR
from b3.lake import layout
from b3.lake.commit import folders_below, heads
from b3.lake.layout import Lake

# Requests at a time; boto3 keeps 10 connections.
_REQUESTS = 6


class Stored(NamedTuple):
    """An object of a session as it was listed; `etag` has no quotes."""

    etag: str
    size: int
    modified: dt.datetime


@dataclass(frozen=True)
class Sessions:
    """The sessions of the whole lake.

    Attributes:
        raw: the objects of raw quotes, by session.
        refined: the objects of refined quotes, by session.
        reports: the sessions that have a report.
        listed_at: when they were listed, in UTC.
    """

    raw: dict[dt.date, Stored]
    refined: dict[dt.date, Stored]
    reports: frozenset[dt.date]
    listed_at: dt.datetime

    @property
    def dates(self) -> list[dt.date]:
        """The sessions with quotes, raw or refined, in order."""
        return sorted(self.raw.keys() | self.refined.keys())

    @property
    def size(self) -> int:
        """The bytes of all quotes, raw and refined."""
        return sum(each.size for table in (self.raw, self.refined) for each in table.values())


@dataclass(frozen=True)
class Further:
    """What else there is of the sessions of some years.

    Attributes:
        findings: the sessions with a partition of findings.
        portfolios: the sessions with raw index portfolios.
        constituents: the sessions with refined constituents.
        stale: the sessions whose refined quotes were made from other raw quotes than those that are there.
    """

    findings: frozenset[dt.date] = frozenset()
    portfolios: frozenset[dt.date] = frozenset()
    constituents: frozenset[dt.date] = frozenset()
    stale: frozenset[dt.date] = frozenset()


def list_sessions(s3: Any, lake: Lake, now: dt.datetime) -> Sessions:
    """Return the sessions of the whole lake, from three listings at once.

    Args:
        s3: a boto3 S3 client.
        lake: the lake.
        now: the present instant.
    """
    with ThreadPoolExecutor(_REQUESTS) as pool:
        raw = pool.submit(_objects, s3, lake, layout.raw_quotes_key)
        refined = pool.submit(_objects, s3, lake, layout.refined_quotes_key)
        reports = pool.submit(_objects, s3, lake, layout.report_key)
        return Sessions(raw.result(), refined.result(), frozenset(reports.result()), now)


def list_further(s3: Any, lake: Lake, years: list[int], sessions: Sessions) -> Further:
    """Return what else there is of the sessions of some years, from three listings a year."""
    tables: list[Callable[[Any, Lake, int], frozenset[dt.date]]] = [_findings, _portfolios, _constituents]
    with ThreadPoolExecutor(_REQUESTS) as pool:
        answers = [[pool.submit(table, s3, lake, year) for year in years] for table in tables]
        stale = pool.submit(_stale, s3, lake, years, sessions)
        findings, portfolios, constituents = (
            frozenset().union(*(answer.result() for answer in of_table)) for of_table in answers
        )
        return Further(findings, portfolios, constituents, stale.result())


def _findings(s3: Any, lake: Lake, year: int) -> frozenset[dt.date]:
    return frozenset(_objects(s3, lake, layout.findings_key, year))


def _portfolios(s3: Any, lake: Lake, year: int) -> frozenset[dt.date]:
    return frozenset(_objects(s3, lake, layout.raw_index_portfolio_key, year))


def _constituents(s3: Any, lake: Lake, year: int) -> frozenset[dt.date]:
    """Return the sessions of a year that have constituents: a session has an object for each, which S3 groups."""
    prefix = layout.sessions_prefix(layout.refined_index_stocks_prefix, year)
    return frozenset(_dates(folders_below(s3, lake, prefix), layout.refined_index_stocks_prefix))


def _stale(s3: Any, lake: Lake, years: list[int], sessions: Sessions) -> frozenset[dt.date]:
    """Return the sessions whose refined quotes name other raw quotes. Only those older than raw need a request."""
    older = {
        layout.refined_quotes_key(date): date
        for date, refined in sessions.refined.items()
        if date.year in years and date in sessions.raw and refined.modified < sessions.raw[date].modified
    }
    answers = heads(s3, lake, older)
    return frozenset(
        older[key]
        for key, answer in answers.items()
        if answer["Metadata"].get(layout.RAW_ETAG) != sessions.raw[older[key]].etag
    )


def _objects(s3: Any, lake: Lake, key_of: Callable[[dt.date], str], year: int | None = None) -> dict[dt.date, Stored]:
    """Return the objects that `key_of` names, by session; other keys below the prefix are left out."""
    prefix = layout.sessions_prefix(key_of, year)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=lake.bucket, Prefix=prefix)
    entries = {entry["Key"]: entry for page in pages for entry in page.get("Contents", [])}
    return {
        date: Stored(entry["ETag"].strip('"'), entry["Size"], entry["LastModified"])
        for date in _dates(entries, key_of)
        if (entry := entries[key_of(date)])
    }


def _dates(keys: Any, key_of: Callable[[dt.date], str]) -> Iterator[dt.date]:
    for key in keys:
        try:
            date = layout.date_of(key)
        except ValueError:
            continue
        # A stray key of another century would leave the page without a calendar.
        if key_of(date) == key and FIRST_YEAR <= date.year <= LAST_YEAR:
            yield date
