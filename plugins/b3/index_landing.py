"""From B3 to landing/: the portfolios of the indexes and the sector classification, kept as sent once checked.

B3 serves one portfolio of an index at a time, that of the session it names itself, which may be the next one. So what
is captured lands under that session, and a run uses what lies under its own: captured just now, or by an earlier run.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from b3 import lake, portfolio, sectors
from b3.errors import BadLayout, NoPortfolio, OtherSession, SourceError
from b3.lake import Lake
from b3.landing import LandedFile, find, keep, rejecting
from b3.site import INDEX_METHODS, MOST_PAGES

if TYPE_CHECKING:
    from b3.hook import B3Hook, Download

log = logging.getLogger(__name__)

# An index may have no preview.
_REQUIRED = ("portfolio_day", "theoretical")
_SECTORS_FILE = "GetDownloadIndustryClassification.xlsx"


@dataclass(frozen=True)
class LandedPortfolio:
    """One endpoint's portfolio of an index in landing/."""

    index: str
    endpoint: str
    file: LandedFile

    @classmethod
    def of(cls, fields: dict[str, Any]) -> LandedPortfolio:
        """The one that `dataclasses.asdict` made these fields of."""
        return cls(fields["index"], fields["endpoint"], LandedFile(**fields["file"]))


class _Unserved(Exception):
    """B3 failed to answer, as `error` says; what it does answer fails with a SourceError."""

    def __init__(self, error: SourceError) -> None:
        super().__init__(error)
        self.error = error


@dataclass(frozen=True)
class _Captured:
    """What B3 gave of one index.

    Attributes:
        session: the one the portfolios are for, None if that is unknown.
        files: what landed, by endpoint.
        unserved: the endpoints that B3 failed to answer.
        refused: what was wrong with the answers that were not what they should be.
    """

    session: dt.date | None
    files: dict[str, LandedFile]
    unserved: dict[str, SourceError]
    refused: list[SourceError]


@dataclass(frozen=True)
class _Elsewhere:
    """An index whose portfolios B3 serves for another session, and what landing/ lacks of the one asked for."""

    index: str
    session: dt.date
    missing: tuple[str, ...]


def capture_portfolios(
    hook: B3Hook, s3: Any, where: Lake, trade_date: dt.date, indexes: Sequence[str]
) -> list[LandedPortfolio]:
    """Bring the portfolios of the indexes to landing/index/, and name those of `trade_date`.

    Every endpoint is asked for all its pages and checked whole, and lands under the session that the index's
    portfolio_day names; an answer that fails its checks is kept in landing/rejected/ instead. What is good lands even
    if something else fails. Where B3 fails to answer, what landed for `trade_date` before is used, and where it serves
    another session too. A preview that B3 does not have is left out.

    Run again, the same bytes leave the objects as they are, other bytes become a new version of them.

    Args:
        hook: where to fetch from.
        s3: a boto3 S3 client.
        where: the lake.
        trade_date: the session.
        indexes: B3's codes of them.

    Returns:
        What lies in landing/ for that session, by index in the order given, without indexes that have nothing there.

    Raises:
        OtherSession: B3 serves other sessions, and no index has portfolios of `trade_date` in landing/.
        SourceError: and its subclasses: an answer is missing or not what it should be; one of several such errors
            lists them all.
    """
    landed: list[LandedPortfolio] = []
    errors: list[SourceError] = []
    elsewhere: list[_Elsewhere] = []
    captures = {index: _capture(hook, s3, where, index) for index in indexes}
    for index, captured in captures.items():
        files = _of_session(s3, where, index, trade_date, captured)
        missing = tuple(endpoint for endpoint in _REQUIRED if endpoint not in files)
        failed = captured.refused + [
            error for endpoint, error in captured.unserved.items() if missing or endpoint not in files
        ]
        for error in captured.unserved.values():
            if error not in failed:
                log.warning("using what has landed of %s for %s: %s", index, trade_date, error)
        errors += failed
        if not missing:
            landed += [LandedPortfolio(index, endpoint, file) for endpoint, file in files.items()]
        elif not failed:
            assert captured.session
            elsewhere.append(_Elsewhere(index, captured.session, missing))
    if errors:
        raise _summary(errors)
    if elsewhere and not landed:
        raise _other_session(trade_date, elsewhere)
    if elsewhere:
        log.warning("going on without some indexes: %s", _other_session(trade_date, elsewhere))
    return landed


def capture_sectors(hook: B3Hook, s3: Any, where: Lake, trade_date: dt.date, index: str) -> LandedFile | None:
    """Bring the sector classification to landing/sectors/ if it differs from the newest there up to `trade_date`.

    It carries no date, and B3 serves the current one alone. So it is taken only while B3's portfolios are those of
    `trade_date`; afterwards, and where B3 fails to answer, that session's file is used as it landed.

    Args:
        hook: where to fetch from.
        s3: a boto3 S3 client.
        where: the lake.
        trade_date: the session.
        index: B3's code of the one whose portfolio tells at which session B3 is.

    Returns:
        The file of that session; None if the classification is as on an earlier one.

    Raises:
        OtherSession: B3 is at another session, and nothing has landed for `trade_date`.
        SourceError: and its subclasses: B3's answer is missing, or no sector classification; what came is kept in
            landing/rejected/.
    """
    key = lake.landing_sectors_key(trade_date)
    newest = _newest_sectors_key(s3, where, key)
    former = find(s3, where, newest) if newest else None
    own = former if newest == key else None
    try:
        current = _current_session(hook, s3, where, index)
        if current != trade_date:
            raise OtherSession(
                source="B3's sector classification",
                expected=f"that of {trade_date}",
                found=f"B3 at the session {current}",
                hint="The newest one that landed up to a session is that session's.",
            )
        body, download = hook.download_sector_workbook()
    except SourceError as error:
        if own is None:
            raise
        log.warning("using %s as landed: %s", own.uri, error)
        return own
    with rejecting(s3, where, _SECTORS_FILE, io.BytesIO(body), download):
        sectors.read_workbook(body, source=download.url)
    if former is not None and own is None and former.sha256 == download.sha256:
        log.info("the sector classification is still that of %s", former.uri)
        return None
    return keep(s3, where, key, io.BytesIO(body), download)


def _current_session(hook: B3Hook, s3: Any, where: Lake, index: str) -> dt.date:
    """The session that B3 is at, as the portfolio of an index names it."""
    method = INDEX_METHODS["portfolio_day"]
    body, download = hook.download_index(method, index=index)
    with rejecting(s3, where, f"{method}.{index}.json", io.BytesIO(body), download):
        return portfolio.header_date(body, source=download.url)


def _newest_sectors_key(s3: Any, where: Lake, last: str) -> str | None:
    """The key of the newest sector classification up to that of key `last`; dates in keys sort as text."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=where.bucket, Prefix=lake.LANDING_SECTORS_PREFIX)
    keys = (found["Key"] for page in pages for found in page.get("Contents", []))
    return max((key for key in keys if key <= last and key.endswith(".xlsx")), default=None)


def _capture(hook: B3Hook, s3: Any, where: Lake, index: str) -> _Captured:
    """Ask for every endpoint of an index, and land what is good under the session it is for."""
    session: dt.date | None = None
    files: dict[str, LandedFile] = {}
    unserved: dict[str, SourceError] = {}
    refused: list[SourceError] = []
    for endpoint in INDEX_METHODS:
        try:
            body, download = _ask(hook, s3, where, index, endpoint)
        except _Unserved as failure:
            unserved[endpoint] = failure.error
        except NoPortfolio as error:
            if endpoint in _REQUIRED:
                refused.append(error)
            else:
                log.info("%s has no %s: %s", index, endpoint, error)
        except SourceError as error:
            refused.append(error)
        else:
            session = session or portfolio.header_date(body)
            files[endpoint] = keep(
                s3, where, lake.landing_index_key(index, endpoint, session), io.BytesIO(body), download
            )
        if session is None:
            # The other endpoints name no session: without portfolio_day they cannot be placed.
            break
    return _Captured(session, files, unserved, refused)


def _ask(hook: B3Hook, s3: Any, where: Lake, index: str, endpoint: str) -> tuple[bytes, Download]:
    """All pages of a portfolio as one object, known to be whole; its origin is that of the first page."""
    method = INDEX_METHODS[endpoint]
    name = f"{method}.{index}"
    first, download = _page(hook, method, index, 1)
    with rejecting(s3, where, f"{name}.json", io.BytesIO(first), download):
        count = portfolio.page_count(first, source=download.url)
        if count > MOST_PAGES:
            raise BadLayout(
                source=download.url,
                expected=f"at most {MOST_PAGES} pages",
                found=f"{count} in page.totalPages",
                hint="Look at the answer: no index is that wide.",
            )
    pages = [first]
    for number in range(2, count + 1):
        page, of_page = _page(hook, method, index, number)
        with rejecting(s3, where, f"{name}.page{number}.json", io.BytesIO(page), of_page):
            portfolio.page_count(page, source=of_page.url)
        pages.append(page)
    body = portfolio.join_pages(pages)
    download = replace(download, sha256=hashlib.sha256(body).hexdigest(), size=len(body))
    with rejecting(s3, where, f"{name}.json", io.BytesIO(body), download):
        portfolio.read_table(body, endpoint=endpoint, index=index, source=download.url)
    return body, download


def _page(hook: B3Hook, method: str, index: str, number: int) -> tuple[bytes, Download]:
    try:
        return hook.download_index(method, index=index, page=number)
    except SourceError as error:
        error.add_note(f"asked for: {method} of {index}, page {number}")
        raise _Unserved(error) from error


def _of_session(s3: Any, where: Lake, index: str, trade_date: dt.date, captured: _Captured) -> dict[str, LandedFile]:
    """What lies in landing/ of an index for `trade_date`, by endpoint."""
    captured_now = captured.files if captured.session == trade_date else {}
    files = {}
    for endpoint in INDEX_METHODS:
        key = lake.landing_index_key(index, endpoint, trade_date)
        file = captured_now.get(endpoint) or find(s3, where, key)
        if file is not None:
            files[endpoint] = file
    return files


def _summary(errors: list[SourceError]) -> SourceError:
    """The one error of several, or it alone."""
    if len(errors) == 1:
        return errors[0]
    said = [" ".join([str(error), *(f"({note})" for note in getattr(error, "__notes__", []))]) for error in errors]
    return SourceError(
        source="B3's index portfolios",
        expected="every answer there and whole",
        found=f"{len(errors)} that are not: " + " ".join(f"[{number}] {text}" for number, text in enumerate(said, 1)),
        hint="What is good has landed. Run the task again before the next session: B3 serves no past portfolio.",
    )


def _other_session(trade_date: dt.date, elsewhere: list[_Elsewhere]) -> OtherSession:
    return OtherSession(
        source="B3's index portfolios",
        expected=f"those of {trade_date}",
        found="; ".join(
            f"{of.index} of {of.session}, and no {' and no '.join(of.missing)} of {trade_date} in landing"
            for of in elsewhere
        ),
        hint="B3 serves one portfolio at a time: for a session to come, run the task again on its day; one that has "
        "passed can't be had any more.",
    )
