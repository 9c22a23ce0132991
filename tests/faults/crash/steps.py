"""The steps that write to a lake, in a process that dies at a write of theirs, or in this one."""

from __future__ import annotations

import datetime as dt
import http.client
import itertools
import multiprocessing
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import boto3

from b3.arrivals import inbox, landing
from b3.errors import SourceError
from b3.indexes import land as index_land
from b3.indexes import raw as index_raw
from b3.lake import layout
from b3.lake.landed import find, keep
from b3.lake.layout import Lake, landing_quotes_key, landing_sectors_key
from b3.quotes import land, raw
from b3.sectors import land as sector_land
from b3.sectors import raw as sector_raw
from b3.site.hook import B3Hook, Download
from tests.faults.glue import S3Path, commit, head
from tests.faults.quotes import DATE, GOOD, file_of, rows
from tests.plugins.b3.downloads import downloaded
from tests.plugins.b3.exchange import Answer
from tests.plugins.b3.indexes import index_pages as pages
from tests.plugins.b3.sectors.sector_workbook import ROWS, make_workbook

SESSION = dt.date(2026, 10, 5)
YEAR = [dt.date(2020, 1, day) for day in (2, 3, 6)]
CORRECTED = file_of(rows(PREULT=1051))
OTHER_SESSION = file_of(rows(date=dt.date(2020, 4, 29)))
OF_YEAR = file_of([row for date in YEAR for row in rows(5, date)])
PORTFOLIOS = (pages.day(), pages.undated(), pages.undated(header=pages.portfolio_header(reductor=None)))
BOOK, CHANGED_BOOK = make_workbook(), make_workbook(ROWS[:-4])
REFINED = layout.refined_quotes_key(DATE)


@dataclass(frozen=True)
class Place:
    """Where a step works: a bucket of the local AWS, and the address of B3."""

    endpoint: str
    secret: str
    bucket: str
    exchange: str

    def client(self) -> Any:
        """A boto3 S3 client."""
        return boto3.client(
            "s3", endpoint_url=self.endpoint, region_name="sa-east-1", aws_access_key_id="local",
            aws_secret_access_key=self.secret,
        )  # fmt: skip

    @property
    def lake(self) -> Lake:
        """The lake in the bucket."""
        return Lake(self.bucket)

    def hook(self) -> B3Hook:
        """A hook to B3."""
        fields = {"host": self.exchange, "schema": "", "port": None, "extra_dejson": {"attempts": 1}}
        return B3Hook(connection=SimpleNamespace(**fields))


@dataclass(frozen=True)
class Step:
    """A step of a run, what the lake has before it, and what B3 answers."""

    prepare: Callable[[Any, Lake], None]
    run: Callable[[Any, Place], Any]
    answers: tuple[Answer, ...] = ()


def _land(s3: Any, lake: Lake, sent: bytes, key: str, hour: int, **more: str) -> None:
    at = dt.datetime(2020, 5, 1, hour, tzinfo=dt.UTC)
    file, _ = downloaded(sent)
    keep(s3, lake, key, file, Download(f"https://b3.example/{key}", _sha256(sent), len(sent), at, "b3"), **more)


def _sha256(sent: bytes) -> str:
    return downloaded(sent)[1].sha256


def _published(s3: Any, lake: Lake) -> None:
    _land(s3, lake, GOOD, landing_quotes_key("COTAHIST_D30042020.ZIP"), 1)
    raw.write_quotes(s3, lake, DATE)


def _corrected(s3: Any, lake: Lake) -> None:
    _published(s3, lake)
    _land(s3, lake, CORRECTED, landing_quotes_key("COTAHIST_D30042020.ZIP"), 2)


def _year(s3: Any, lake: Lake) -> None:
    _land(s3, lake, OF_YEAR, landing_quotes_key("COTAHIST_A2020.ZIP"), 1)


def _portfolios(s3: Any, lake: Lake) -> None:
    for endpoint, sent in zip(("portfolio_day", "theoretical", "preview"), PORTFOLIOS, strict=True):
        _land(s3, lake, sent, f"landing/index/IBOV/{endpoint}/{SESSION}.json", 1)


def _workbook(s3: Any, lake: Lake) -> None:
    _land(s3, lake, BOOK, landing_sectors_key(SESSION), 1)


def _workbook_of_before(s3: Any, lake: Lake) -> None:
    _land(s3, lake, BOOK, landing_sectors_key(dt.date(2026, 10, 2)), 1)


def _refined(s3: Any, lake: Lake) -> None:
    """Publish and refine a session, then correct its raw quotes."""
    _published(s3, lake)
    _commit_refined(s3, lake)
    _land(s3, lake, CORRECTED, landing_quotes_key("COTAHIST_D30042020.ZIP"), 2)
    raw.write_quotes(s3, lake, DATE)


def _commit_refined(s3: Any, lake: Lake) -> None:
    """Commit a session as the Glue job does; the rows are the raw ones."""
    source = s3.get_object(Bucket=lake.bucket, Key=layout.raw_quotes_key(DATE))
    content, etag = source["Body"].read(), source["ETag"].strip('"')
    target = S3Path(lake.bucket, REFINED)
    found = head(s3, target)
    commit(s3, content, target, {**source["Metadata"], "raw-etag": etag}, found["ETag"] if found else None)


def _arrived(s3: Any, lake: Lake) -> None:
    s3.put_object(Bucket=lake.bucket, Key="inbox/COTAHIST_D30042020.ZIP", Body=GOOD)


def _take_arrivals(s3: Any, at: Place) -> None:
    for arrival in inbox.waiting(s3, at.lake):
        landing.land(s3, at.lake, arrival, "b3")
        inbox.remove(s3, at.lake, arrival.key, arrival.etag)


def _upload_indexes(s3: Any, at: Place) -> None:
    captured = index_land.landed_portfolios(s3, at.lake, SESSION, ["IBOV"])
    index_raw.write_portfolios(s3, at.lake, captured.landed, SESSION)


def _upload_sectors(s3: Any, at: Place) -> None:
    landed = find(s3, at.lake, landing_sectors_key(SESSION))
    assert landed
    sector_raw.write_sectors(s3, at.lake, landed, SESSION)


_OF_DAY = tuple(Answer(body=sent) for sent in PORTFOLIOS)
STEPS = {
    "scrape": Step(
        _published, lambda s3, at: land.capture_quotes(at.hook(), s3, at.lake, DATE), (Answer(body=CORRECTED),)
    ),
    "refuse": Step(
        _published, lambda s3, at: land.capture_quotes(at.hook(), s3, at.lake, DATE), (Answer(body=OTHER_SESSION),)
    ),
    "scrape year": Step(
        lambda s3, lake: None,
        lambda s3, at: land.capture_year(at.hook(), s3, at.lake, 2020),
        (Answer(body=OF_YEAR),),
    ),
    "upload": Step(_corrected, lambda s3, at: raw.write_quotes(s3, at.lake, DATE)),
    "upload year": Step(_year, lambda s3, at: raw.write_year(s3, at.lake, 2020)),
    "scrape indexes": Step(
        lambda s3, lake: None,
        lambda s3, at: index_land.capture_portfolios(at.hook(), s3, at.lake, SESSION, ["IBOV"]),
        _OF_DAY,
    ),
    "upload indexes": Step(_portfolios, _upload_indexes),
    "scrape sectors": Step(
        _workbook_of_before,
        lambda s3, at: sector_land.capture_sectors(at.hook(), s3, at.lake, SESSION, "IBOV"),
        (_OF_DAY[0], Answer(body=CHANGED_BOOK)),
    ),
    "upload sectors": Step(_workbook, _upload_sectors),
    "land arrival": Step(_arrived, _take_arrivals),
    "refine": Step(_refined, lambda s3, at: _commit_refined(s3, at.lake)),
}  # fmt: skip


def run(name: str, at: Place, s3: Any = None) -> None:
    """Run a step; what B3 sent that is refused is no failure here."""
    with suppress(SourceError):
        STEPS[name].run(s3 or at.client(), at)


def die(name: str, at: Place, write: int, when: str) -> None:
    """Run a step, and kill this process at a write of it: `before` it, when `half` of it is sent, or `after` it."""
    s3 = at.client()
    writes = itertools.count(1)

    def reach(request: Any = None, **_: Any) -> None:
        if next(writes) == write:
            if when == "half":
                _send_half(request)
            os.kill(os.getpid(), signal.SIGKILL)

    # Each write of these steps is a PUT.
    s3.meta.events.register(f"{'response-received' if when == 'after' else 'before-send'}.s3.PutObject", reach)
    run(name, at, s3)


def _send_half(request: Any) -> None:
    body = request.body if isinstance(request.body, bytes) else request.body.read()
    url = urlsplit(request.url)
    connection = http.client.HTTPConnection(url.netloc)
    connection.putrequest(request.method, url.path, skip_host=True, skip_accept_encoding=True)
    sent = {"Host": url.netloc} | dict(request.headers.items())
    for header, value in sent.items():
        if header.lower() not in ("content-length", "expect"):
            connection.putheader(header, value.decode() if isinstance(value, bytes) else value)
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body[: len(body) // 2])


# Killed children are forked from a process that has imported all of this, and runs no thread.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload([__name__])


def die_in_a_process(name: str, at: Place, write: int, when: str) -> int | None:
    """Run `die` in a process of its own, and return its status."""
    process = _processes.Process(target=die, args=(name, at, write, when))
    process.start()
    process.join(60)
    return process.exitcode


def state(s3: Any, bucket: str) -> dict[str, Any]:
    """Return each object: its ETag, its number of versions, and its metadata but for the time of the fetch."""
    found: dict[str, Any] = {}
    versions = s3.list_object_versions(Bucket=bucket).get("Versions", [])
    for key in {version["Key"] for version in versions}:
        answer = s3.head_object(Bucket=bucket, Key=key)
        metadata = {name: value for name, value in answer["Metadata"].items() if name != "fetched-at"}
        found[key] = (answer["ETag"], sum(version["Key"] == key for version in versions), metadata)
    return found
