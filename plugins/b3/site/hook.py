"""The Airflow hook to B3's public files, over an HTTP connection."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

import tenacity

from b3.errors import NotPublished, SourceError, TooSlow, TransientError
from b3.site import bounds, faults, redirects
from b3.site.addresses import (
    ANNUAL_QUOTES,
    HOLIDAYS_PATH,
    LISTED_HOST,
    QUOTES_HOST,
    QUOTES_PATH,
    SITE_HOST,
    index_path,
    sector_workbook_path,
)
from b3.site.session import Session
from b3.site.urls import origin, split_credentials

if TYPE_CHECKING:
    import requests

    class BaseHook:
        """The part of Airflow's BaseHook that this module uses, for mypy."""

        @classmethod
        def get_connection(cls, conn_id: str) -> Any:
            """Return the connection of that id."""
else:
    try:
        from airflow.sdk import BaseHook
    except ImportError:
        try:
            from airflow.hooks.base import BaseHook  # Airflow 3.0
        except ImportError:
            BaseHook = object  # without Airflow the caller passes the connection

log = logging.getLogger(__name__)

USER_AGENT = "Mozilla/5.0 (compatible; b3-data-lake)"
_CHUNK = 1 << 17


@dataclass(frozen=True)
class Download:
    """One answer of B3, without its body."""

    url: str
    sha256: str
    size: int
    fetched_at: dt.datetime
    source: str


@dataclass(frozen=True)
class Wanted:
    """A kind of file that a server has.

    Attributes:
        name: name of the kind in messages.
        empty: hint for an answer of zero bytes.
        missing: hint for a 404.
        limit: the most bytes of such a file.
        server: who answers, in hints.
        refusals: hints for statuses by which the server refuses this client on purpose.
    """

    name: str
    empty: str
    missing: str
    limit: int
    server: str = "B3"
    refusals: Mapping[int, str] = field(default_factory=dict)


def _quotes(file_name: str) -> Wanted:
    """Return what is wanted of a COTAHIST file. A year has 90 MB, a month 10 MB, a session 1 MB."""
    return Wanted(
        "a ZIP file",
        empty="B3 answers so on days without a session and before publication: of a session's file from 19:54 to "
        "22:11, of the month's and the year's up to 22:44, São Paulo.",
        missing="No session on that day, not published yet, or no longer served as a daily file.",
        limit=1 << 30 if file_name.startswith(ANNUAL_QUOTES) else 128 << 20,
    )


# An index of 100 rows takes 15 KB, the workbook of all companies 50 KB.
_INDEX = Wanted(
    "a page of JSON",
    empty="B3 answers so for an index it does not know: see the index's code.",
    missing="B3 has no such address: see whether it moved its index pages.",
    limit=4 << 20,
)
_WORKBOOK = Wanted(
    "an xlsx workbook",
    empty="Run the task again later.",
    missing="B3 has no such address: see whether it moved its sector classification.",
    limit=16 << 20,
)
_HOLIDAYS = Wanted(
    "a web page",
    empty="Run the task again later.",
    missing="B3 has no such address: see whether it moved its page of trading holidays.",
    limit=16 << 20,
)


class B3Hook(BaseHook):
    """Download B3's files over one HTTP session, with timeouts and a limited number of retries.

    The Airflow connection is of type http. Its host (with scheme) replaces B3's three hosts: of the quotes, of the
    listed companies and indexes, and of the web site. Its extra takes

    - `listed_host`, `site_host`: replace one of the latter two hosts alone (with scheme).
    - `source`: label of the data in the lake, default "b3".
    - `ca_bundle`: path of a PEM file, for hosts that send an incomplete chain. Verification is never off.
    - `timeout`: seconds to connect, and between two bytes, default 30.
    - `total_timeout`: seconds that one answer may take in all, default 900.
    - `attempts`: tries of a request, default 5.
    - `user_agent`: the header of this name.

    User and password in a host are sent to that host, and cut from every URL that is kept or said. ~/.netrc is not
    read. Redirects are followed between these three hosts only.

    Without such a connection, or without Airflow, B3's public hosts and these defaults are used.
    """

    default_conn_name = "b3_default"
    conn_type = "http"
    # Of the quotes, of the listed companies, of the web site.
    default_hosts: tuple[str, str, str] = (QUOTES_HOST, LISTED_HOST, SITE_HOST)
    default_source = "b3"

    def __init__(self, conn_id: str = default_conn_name, *, connection: Any = None) -> None:
        super().__init__()
        self.conn_id = conn_id
        self._connection = connection
        self._session: Session | None = None

    def get_conn(self) -> Session:
        """Return the HTTP session, made at its first use."""
        if self._session is None:
            self._configure(self._connection or self._find_connection())
        assert self._session is not None
        return self._session

    def _find_connection(self) -> Any:
        if not hasattr(self, "get_connection"):
            return None
        try:
            return self.get_connection(self.conn_id)
        except Exception as error:
            if type(error).__name__ != "AirflowNotFoundException":
                raise
            log.info("no connection %s: using %s", self.conn_id, self.default_hosts[0])
            return None

    def _configure(self, connection: Any) -> None:
        extra = (connection.extra_dejson if connection else None) or {}
        base = _base_url(connection)
        credentials: dict[tuple[str, int | None], tuple[str, str]] = {}

        def host(name: str, default: str) -> str:
            setting = f"{name} of connection {self.conn_id}"
            url, given = split_credentials(str(extra.get(name) or base or default), setting)
            if given:
                credentials[origin(url)] = given
            return url

        self.base_url = host("host", self.default_hosts[0])
        self.listed_url = host("listed_host", self.default_hosts[1])
        self.site_url = host("site_host", self.default_hosts[2])
        self.source = str(extra.get("source", self.default_source))
        self.timeout = float(extra.get("timeout", 30))
        self.total_timeout = float(extra.get("total_timeout", 900))
        self.attempts = int(extra.get("attempts", 5))
        self._session = Session(credentials)
        self._session.headers["User-Agent"] = str(extra.get("user_agent", USER_AGENT))
        self.verify = str(extra["ca_bundle"]) if extra.get("ca_bundle") else True

    def download_quotes(self, file_name: str, sink: IO[bytes]) -> Download:
        """Write a COTAHIST file to `sink`, as B3 sends it.

        Args:
            file_name: B3's file name, as `COTAHIST_D30042020.ZIP`.
            sink: a binary file that can seek and truncate: each try starts it again.

        Raises:
            NotServed: 404: no session, not published yet, or no longer served.
            NotPublished: 200 without a byte: no session, or not published yet.
            NotB3Data: more than 1 GiB of a year, or 128 MiB of another file.
            TransientError: B3 could not be reached or failed, in every try; or TooSlow at once.
            SourceError: any other status or fault. `received` has the bytes that came.
        """
        self.get_conn()
        return self._fetch(f"{self.base_url}{QUOTES_PATH}{file_name}", sink, _quotes(file_name))

    def begin_quotes(self, file_name: str, size: int = 1 << 16) -> tuple[bytes, bool]:
        """Return the first bytes of a COTAHIST file, and whether they are the whole file.

        The rest is not downloaded: a year's file has 90 MB.

        Args:
            file_name: B3's file name, as `COTAHIST_A2026.ZIP`.
            size: the most bytes to return.

        Raises:
            SourceError: or a subclass, as `download_quotes`.
        """
        self.get_conn()
        url = f"{self.base_url}{QUOTES_PATH}{file_name}"
        return self._retrying()(self._begin, url, size, _quotes(file_name))

    def download_index(self, method: str, *, index: str, page: int = 1) -> tuple[bytes, Download]:
        """Return one page of an index's portfolio, as B3 sends it: JSON in pt-br; portfolio_day has sectors.

        Args:
            method: B3's name of the endpoint, one of the values of `b3.site.addresses.INDEX_METHODS`.
            index: B3's code of the index, as `IBOV`.
            page: the page's number, from 1 to `b3.indexes.pages.page_count` of the first page.

        Raises:
            ValueError: B3 has no such method.
            NotPublished: 200 without a byte, or 404.
            NotB3Data: more than 4 MiB.
            TransientError: B3 could not be reached or failed, in every try; or TooSlow at once.
            SourceError: any other status or fault. `received` has the bytes that came.
        """
        path = index_path(method, index=index, page=page)
        self.get_conn()
        return self.fetch_whole(self.listed_url + path, _INDEX)

    def download_sector_workbook(self) -> tuple[bytes, Download]:
        """Return the sector classification of every company, as B3 sends it: an xlsx workbook in Portuguese.

        Raises:
            NotB3Data: more than 16 MiB; others as `download_index`.
        """
        self.get_conn()
        return self.fetch_whole(self.listed_url + sector_workbook_path(), _WORKBOOK)

    def download_holidays(self) -> tuple[bytes, Download]:
        """Return the page on which B3 announces the days without trading: HTML in Portuguese.

        Raises:
            NotB3Data: more than 16 MiB; others as `download_index`.
        """
        self.get_conn()
        return self.fetch_whole(self.site_url + HOLIDAYS_PATH, _HOLIDAYS)

    def fetch_whole(self, url: str, wanted: Wanted) -> tuple[bytes, Download]:
        """Return the answer to `url`, as `download_index` does."""
        sink = io.BytesIO()
        download = self._fetch(url, sink, wanted)
        return sink.getvalue(), download

    def _fetch(self, url: str, sink: IO[bytes], wanted: Wanted) -> Download:
        return self._retrying()(self._download, url, sink, wanted)

    def _retrying(self) -> tenacity.Retrying:
        return tenacity.Retrying(
            retry=tenacity.retry_if_exception(self.helps_to_retry),
            stop=tenacity.stop_after_attempt(self.attempts),
            wait=_wait,
            before_sleep=_log_retry,
            reraise=True,
        )

    @contextmanager
    def _answer(self, url: str, wanted: Wanted) -> Iterator[requests.Response]:
        """Ask for `url`, and give the answer of status 200 to the `with` block."""
        session = self.get_conn()
        hosts = (self.base_url, self.listed_url, self.site_url)
        # `verify` is given per request: REQUESTS_CA_BUNDLE would override `verify` of the session.
        with (
            session.watch.limit(self.total_timeout),
            redirects.get(session, url, hosts, timeout=self.timeout, verify=self.verify) as answer,
        ):
            faults.check_status(answer, url, wanted.missing, server=wanted.server, refusals=wanted.refusals)
            yield answer

    def _chunks(self, answer: requests.Response, url: str, size: int) -> Iterator[bytes]:
        """Yield the body. Faults of the `for` loop's block are not B3's, and pass unchanged."""
        watch = self.get_conn().watch
        # iter_content undoes a Content-Encoding, which is not part of B3's file.
        chunks = answer.iter_content(size)
        while True:
            with faults.told(url, watch):
                chunk = next(chunks, None)
            # A body without a length ends like a connection that the watch ended.
            if watch.expired:
                raise faults.too_slow(url)
            if chunk is None:
                return
            yield chunk

    def helps_to_retry(self, error: BaseException) -> bool:
        """Return whether the same request may succeed a little later. A longer Retry-After than LONGEST_WAIT is cut."""
        return isinstance(error, TransientError) and not isinstance(error, TooSlow)

    def _begin(self, url: str, size: int, wanted: Wanted) -> tuple[bytes, bool]:
        beginning = b""
        with self._answer(url, wanted) as answer:
            for chunk in self._chunks(answer, url, size):
                beginning += chunk
                if len(beginning) > size:
                    return beginning[:size], False
        _check_not_empty(url, len(beginning), wanted)
        return beginning, True

    def _download(self, url: str, sink: IO[bytes], wanted: Wanted) -> Download:
        sink.seek(0)
        sink.truncate()
        digest, size = hashlib.sha256(), 0
        try:
            with self._answer(url, wanted) as answer:
                bounds.check_announced(answer, url, wanted.name, wanted.limit)
                for chunk in self._chunks(answer, url, _CHUNK):
                    sink.write(chunk)
                    digest.update(chunk)
                    size += len(chunk)
                    bounds.check_size(size, url, wanted.name, wanted.limit)
                bounds.check_length(answer, url, size)
        except SourceError as error:
            if size and not isinstance(error, TransientError):
                error.received = self._received(url, sink)
            raise
        _check_not_empty(url, size, wanted)
        sink.seek(0)
        return Download(url, digest.hexdigest(), size, dt.datetime.now(dt.UTC), self.source)

    def _received(self, url: str, sink: IO[bytes]) -> tuple[bytes, Download]:
        """Return what came of a refused answer, as far as it is kept, and its origin."""
        sink.seek(0)
        body = sink.read(bounds.MOST_KEPT)
        return body, Download(url, hashlib.sha256(body).hexdigest(), len(body), dt.datetime.now(dt.UTC), self.source)


def _base_url(connection: Any) -> str | None:
    host = (connection.host or "").rstrip("/") if connection else ""
    if not host:
        return None
    if "://" not in host:
        host = f"{connection.schema or 'https'}://{host}"
    return f"{host}:{connection.port}" if connection.port else host


def _check_not_empty(url: str, size: int, wanted: Wanted) -> None:
    if not size:
        raise NotPublished(source=url, expected=wanted.name, found="status 200 and not one byte", hint=wanted.empty)


_BACKOFF = tenacity.wait_exponential_jitter(initial=1, max=60)
LONGEST_WAIT = 300.0


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, TransientError) else None
    return _BACKOFF(state) if asked is None else min(asked, LONGEST_WAIT)


def _log_retry(state: tenacity.RetryCallState) -> None:
    assert state.outcome and state.next_action
    log.warning(
        "try %d failed, next in %.0f s: %s", state.attempt_number, state.next_action.sleep, state.outcome.exception()
    )
