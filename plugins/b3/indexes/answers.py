"""From B3: the portfolios of its indexes, each page kept as it came, all pages of one checked whole."""

from __future__ import annotations

import calendar
import datetime as dt
import hashlib
import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from b3.calendar import sessions
from b3.errors import SourceError, WrongDate, reading
from b3.indexes import portfolio
from b3.lake.landed import LandedFile, receive, rejecting
from b3.lake.layout import Lake
from b3.site.addresses import INDEX_METHODS

if TYPE_CHECKING:
    from b3.site.hook import B3Hook, Download

# B3 serves the portfolio of the day or of the next session. More than one, because the calendar may be wrong.
_NEAR_SESSIONS = 5
# Longer than any _NEAR_SESSIONS take, holidays and weekends included.
_NEAR_DAYS = dt.timedelta(days=21)


class Unserved(Exception):
    """B3 failed to answer, as `error` says; what it does answer fails with a SourceError."""

    def __init__(self, error: SourceError) -> None:
        super().__init__(error)
        self.error = error


@dataclass(frozen=True)
class Answer:
    """A portfolio of B3's, all its pages in one object, known to be whole.

    Attributes:
        body: the object.
        download: its origin, that of the first page.
        received: lake the pages lie as they came.
        session: the one that it names, None for an endpoint that names none.
    """

    body: bytes
    download: Download
    received: list[str]
    session: dt.date | None


def ask(hook: B3Hook, s3: Any, lake: Lake, trade_date: dt.date, index: str, endpoint: str) -> Answer:
    """Fetch all pages of a portfolio, and check them."""
    method = INDEX_METHODS[endpoint]
    first, download, received = _page(hook, s3, lake, method, index, 1)
    with rejecting(s3, lake, _page_name(method, index, 1), io.BytesIO(first), download):
        count = portfolio.page_count(first, source=download.url)
    pages, places = [first], [received.uri]
    for number in range(2, count + 1):
        page, of_page, received = _page(hook, s3, lake, method, index, number)
        with rejecting(s3, lake, _page_name(method, index, number), io.BytesIO(page), of_page):
            portfolio.page_count(page, source=of_page.url)
        pages.append(page)
        places.append(received.uri)
    body = portfolio.join_pages(pages)
    download = replace(download, sha256=hashlib.sha256(body).hexdigest(), size=len(body))
    with rejecting(s3, lake, _page_name(method, index, 1), io.BytesIO(body), download):
        table = portfolio.read_table(body, endpoint=endpoint, index=index, source=download.url)
        session = table["trade_date"][0].as_py()
        if session is not None:
            _check_near(session, trade_date, download)
    return Answer(body, download, places, session)


def current_session(hook: B3Hook, s3: Any, lake: Lake, trade_date: dt.date, index: str) -> dt.date:
    """Return the session that B3 is at, as the portfolio of an index names it."""
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
    """Fetch a page, and keep it in landing/received/ before anybody reads it."""
    try:
        with reading(f"{method} of {index}"):
            body, download = hook.download_index(method, index=index, page=number)
    except SourceError as error:
        error.add_note(f"asked for: {method} of {index}, page {number}")
        raise Unserved(error) from error
    return body, download, receive(s3, lake, _page_name(method, index, number), io.BytesIO(body), download)


def _page_name(method: str, index: str, number: int) -> str:
    return f"{method}.{index}.json" if number == 1 else f"{method}.{index}.page{number}.json"


def _check_near(session: dt.date, trade_date: dt.date, download: Download) -> None:
    """Raise WrongDate if B3 can't have served the portfolio of `session` when it was asked.

    It is taken on a weekday near the session asked for, as in a replay of old files, or near the day of the call, as
    in a backfill. A weekday that the calendar has closed is taken too: the calendar may be wrong.
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
