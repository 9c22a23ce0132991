"""Fetch index portfolios from B3: keep each page as received, and check all pages of a portfolio as a whole."""

from __future__ import annotations

import calendar
import datetime as dt
import hashlib
import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from b3.calendar import sessions
from b3.errors import SourceError, WrongDate, reading
from b3.indexes import pages, portfolio
from b3.lake.landed import LandedFile, keeping_received, receive, rejecting
from b3.lake.layout import Lake
from b3.site.addresses import INDEX_METHODS

if TYPE_CHECKING:
    from b3.site.hook import B3Hook, Download

# B3 serves the portfolio of the day or of the next session. This allows more, because the calendar may be wrong.
_NEAR_SESSIONS = 5
# More days than _NEAR_SESSIONS can take, with holidays and weekends.
_NEAR_DAYS = dt.timedelta(days=21)


class Unserved(Exception):
    """B3 failed to answer; `error` says how. (A bad answer raises a SourceError instead.)"""

    def __init__(self, error: SourceError) -> None:
        super().__init__(error)
        self.error = error


@dataclass(frozen=True)
class Answer:
    """A whole portfolio, checked, with all its pages in one object.

    Attributes:
        body: the object.
        download: the origin of the first page, with sha256 and size of `body`.
        received: URIs of the pages in landing/received/.
        session: the session that the answer names, None if the endpoint names none.
    """

    body: bytes
    download: Download
    received: list[str]
    session: dt.date | None


def ask(hook: B3Hook, s3: Any, lake: Lake, trade_date: dt.date, index: str, endpoint: str) -> Answer:
    """Fetch all pages of a portfolio, check them, and return them.

    Raises:
        Unserved: B3 failed to answer.
        SourceError: or a subclass: an answer is bad; it is kept in landing/rejected/.
    """
    method = INDEX_METHODS[endpoint]
    first, download, received = _page(hook, s3, lake, method, index, 1)
    with rejecting(s3, lake, _page_name(method, index, 1), io.BytesIO(first), download):
        count = pages.page_count(first, source=download.url)
    bodies, uris = [first], [received.uri]
    for number in range(2, count + 1):
        page, of_page, received = _page(hook, s3, lake, method, index, number)
        with rejecting(s3, lake, _page_name(method, index, number), io.BytesIO(page), of_page):
            pages.page_count(page, source=of_page.url)
        bodies.append(page)
        uris.append(received.uri)
    body = pages.join_pages(bodies)
    download = replace(download, sha256=hashlib.sha256(body).hexdigest(), size=len(body))
    with rejecting(s3, lake, _page_name(method, index, 1), io.BytesIO(body), download):
        table = portfolio.read_table(body, endpoint=endpoint, index=index, source=download.url)
        session = table["trade_date"][0].as_py()
        if session is not None:
            _check_near(session, trade_date, download)
    return Answer(body, download, uris, session)


def current_session(hook: B3Hook, s3: Any, lake: Lake, trade_date: dt.date, index: str) -> dt.date:
    """Return the session that B3 serves now, as the portfolio of an index names it."""
    method = INDEX_METHODS["portfolio_day"]
    try:
        body, download, _ = _page(hook, s3, lake, method, index, 1)
    except Unserved as failure:
        raise failure.error from None
    with rejecting(s3, lake, _page_name(method, index, 1), io.BytesIO(body), download):
        session = portfolio.header_date(body, source=download.url)
        _check_near(session, trade_date, download)
    return session


def _page(
    hook: B3Hook, s3: Any, lake: Lake, method: str, index: str, number: int
) -> tuple[bytes, Download, LandedFile]:
    """Fetch a page, and keep it in landing/received/ before it is read."""
    name = _page_name(method, index, number)
    try:
        with reading(f"{method} of {index}"), keeping_received(s3, lake, name):
            body, download = hook.download_index(method, index=index, page=number)
    except SourceError as error:
        error.add_note(f"asked for: {method} of {index}, page {number}")
        raise Unserved(error) from error
    return body, download, receive(s3, lake, name, io.BytesIO(body), download)


def _page_name(method: str, index: str, number: int) -> str:
    return f"{method}.{index}.json" if number == 1 else f"{method}.{index}.page{number}.json"


def _check_near(session: dt.date, trade_date: dt.date, download: Download) -> None:
    """Raise WrongDate unless `session` is a weekday near the session asked for, or near the day of the call.

    The first holds in a replay of old files, the second in a backfill. A closed weekday passes too: the calendar may be
    wrong.
    """
    called = download.fetched_at.astimezone(sessions.SAO_PAULO).date()
    if session.weekday() < calendar.SATURDAY and any(_are_near(session, day) for day in (trade_date, called)):
        return
    raise WrongDate(
        source=download.url,
        expected=f"the portfolio of a weekday within {_NEAR_SESSIONS} sessions of {trade_date}, the session asked for, "
        f"or of {called}, the day of the call",
        found=f"that of {session:%A} {session}",
        hint="Look at the answer: B3 serves the portfolio of the day or of the next session. Run the task again later.",
    )


def _are_near(one: dt.date, other: dt.date) -> bool:
    """Return whether two days are at most _NEAR_SESSIONS apart."""
    first, last = sorted((one, other))
    if last - first > _NEAR_DAYS:
        return False
    return len(sessions.sessions(first + dt.timedelta(days=1), last)) <= _NEAR_SESSIONS
