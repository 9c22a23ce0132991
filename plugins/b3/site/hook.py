"""The Airflow hook to B3's public files, over an HTTP connection."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import IO, TYPE_CHECKING, Any

import requests
import tenacity

from b3.errors import NotB3Data, NotPublished, NotServed, SourceError, TransientError
from b3.site.addresses import (
    HOLIDAYS_PATH,
    LISTED_HOST,
    QUOTES_HOST,
    QUOTES_PATH,
    SITE_HOST,
    index_path,
    sector_workbook_path,
)

if TYPE_CHECKING:

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
# B3 is behind a content delivery network, which answers 520 to 527 if B3's server fails.
TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504, *range(520, 528)})
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
class _Wanted:
    """A kind of file that B3 serves.

    Attributes:
        name: name of the kind in messages.
        empty: hint for an answer of zero bytes.
        missing: hint for a 404.
        limit: the most bytes that such a file has, None for no limit.
    """

    name: str
    empty: str
    missing: str
    limit: int | None = None


_QUOTES = _Wanted(
    "a ZIP file",
    empty="B3 answers so on days without a session and before publication: of a session's file from 19:54 to 22:11, "
    "of the month's and the year's up to 22:44, São Paulo.",
    missing="No session on that day, not published yet, or no longer served as a daily file.",
)
# An index of 100 rows takes 15 KB, the workbook of all companies 50 KB.
_INDEX = _Wanted(
    "a page of JSON",
    empty="B3 answers so for an index it does not know: see the index's code.",
    missing="B3 has no such address: see whether it moved its index pages.",
    limit=4 << 20,
)
_WORKBOOK = _Wanted(
    "an xlsx workbook",
    empty="Run the task again later.",
    missing="B3 has no such address: see whether it moved its sector classification.",
    limit=16 << 20,
)
_HOLIDAYS = _Wanted(
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
    - `attempts`: tries of a request, default 5.
    - `user_agent`: the header of this name.

    Without such a connection, or without Airflow, B3's public hosts and these defaults are used.
    """

    default_conn_name = "b3_default"
    conn_type = "http"

    def __init__(self, conn_id: str = default_conn_name, *, connection: Any = None) -> None:
        super().__init__()
        self.conn_id = conn_id
        self._connection = connection
        self._session: requests.Session | None = None

    def get_conn(self) -> requests.Session:
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
            log.info("no connection %s: using %s", self.conn_id, QUOTES_HOST)
            return None

    def _configure(self, connection: Any) -> None:
        extra = (connection.extra_dejson if connection else None) or {}
        self.base_url = _base_url(connection) or QUOTES_HOST
        self.listed_url = str(extra.get("listed_host") or _base_url(connection) or LISTED_HOST).rstrip("/")
        self.site_url = str(extra.get("site_host") or _base_url(connection) or SITE_HOST).rstrip("/")
        self.source = str(extra.get("source", "b3"))
        self.timeout = float(extra.get("timeout", 30))
        self.attempts = int(extra.get("attempts", 5))
        self._session = requests.Session()
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
            TransientError: B3 could not be reached or failed, in every try.
            SourceError: any other status.
        """
        session = self.get_conn()
        return self._fetch(session, f"{self.base_url}{QUOTES_PATH}{file_name}", sink, _QUOTES)

    def begin_quotes(self, file_name: str, size: int = 1 << 16) -> tuple[bytes, bool]:
        """Return the first bytes of a COTAHIST file, and whether they are the whole file.

        The rest is not downloaded: a year's file has 90 MB.

        Args:
            file_name: B3's file name, as `COTAHIST_A2026.ZIP`.
            size: the most bytes to return.

        Raises:
            SourceError: or a subclass, as `download_quotes`.
        """
        session = self.get_conn()
        return self._retrying()(self._begin, session, f"{self.base_url}{QUOTES_PATH}{file_name}", size)

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
            TransientError: B3 could not be reached or failed, in every try.
            SourceError: any other status.
        """
        path = index_path(method, index=index, page=page)
        session = self.get_conn()
        return self._fetch_whole(session, self.listed_url + path, _INDEX)

    def download_sector_workbook(self) -> tuple[bytes, Download]:
        """Return the sector classification of every company, as B3 sends it: an xlsx workbook in Portuguese.

        Raises:
            NotB3Data: more than 16 MiB; others as `download_index`.
        """
        session = self.get_conn()
        return self._fetch_whole(session, self.listed_url + sector_workbook_path(), _WORKBOOK)

    def download_holidays(self) -> tuple[bytes, Download]:
        """Return the page on which B3 announces the days without trading: HTML in Portuguese.

        Raises:
            NotB3Data: more than 16 MiB; others as `download_index`.
        """
        session = self.get_conn()
        return self._fetch_whole(session, self.site_url + HOLIDAYS_PATH, _HOLIDAYS)

    def _fetch_whole(self, session: requests.Session, url: str, wanted: _Wanted) -> tuple[bytes, Download]:
        sink = io.BytesIO()
        download = self._fetch(session, url, sink, wanted)
        return sink.getvalue(), download

    def _fetch(self, session: requests.Session, url: str, sink: IO[bytes], wanted: _Wanted) -> Download:
        return self._retrying()(self._download, session, url, sink, wanted)

    def _retrying(self) -> tenacity.Retrying:
        return tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(TransientError),
            stop=tenacity.stop_after_attempt(self.attempts),
            wait=_wait,
            before_sleep=_log_retry,
            reraise=True,
        )

    def _begin(self, session: requests.Session, url: str, size: int) -> tuple[bytes, bool]:
        beginning = b""
        with (
            _transient_faults(url),
            session.get(url, stream=True, timeout=self.timeout, verify=self.verify) as answer,
        ):
            _check_status(answer, _QUOTES)
            for chunk in answer.iter_content(size):
                beginning += chunk
                if len(beginning) > size:
                    return beginning[:size], False
        _check_not_empty(url, len(beginning), _QUOTES)
        return beginning, True

    def _download(self, session: requests.Session, url: str, sink: IO[bytes], wanted: _Wanted) -> Download:
        sink.seek(0)
        sink.truncate()
        digest, size = hashlib.sha256(), 0
        # `verify` is given per request: REQUESTS_CA_BUNDLE would override `verify` of the session.
        with (
            _transient_faults(url),
            session.get(url, stream=True, timeout=self.timeout, verify=self.verify) as answer,
        ):
            _check_status(answer, wanted)
            # iter_content undoes a Content-Encoding, which is not part of B3's file.
            for chunk in answer.iter_content(_CHUNK):
                sink.write(chunk)
                digest.update(chunk)
                size += len(chunk)
                _check_limit(url, size, wanted)
            _check_length(answer, size)
        _check_not_empty(url, size, wanted)
        sink.seek(0)
        return Download(url, digest.hexdigest(), size, dt.datetime.now(dt.UTC), self.source)


def _base_url(connection: Any) -> str | None:
    host = (connection.host or "").rstrip("/") if connection else ""
    if not host:
        return None
    if "://" not in host:
        host = f"{connection.schema or 'https'}://{host}"
    return f"{host}:{connection.port}" if connection.port else host


@contextmanager
def _transient_faults(url: str) -> Iterator[None]:
    try:
        yield
    except (
        requests.exceptions.ConnectionError,
        requests.exceptions.Timeout,
        requests.exceptions.ChunkedEncodingError,
        requests.exceptions.ContentDecodingError,
    ) as error:
        # Any other TLS error means that the connection broke during the handshake or a record.
        if isinstance(error, requests.exceptions.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise SourceError(
                source=url,
                expected="a certificate chain that verifies",
                found=str(error),
                hint="Give the missing intermediate certificate with extra `ca_bundle` of the connection.",
            ) from error
        raise TransientError(
            source=url, expected="a whole answer", found=f"{type(error).__name__}: {error}", hint="Run the task again."
        ) from error


def _check_limit(url: str, size: int, wanted: _Wanted) -> None:
    if wanted.limit is not None and size > wanted.limit:
        raise NotB3Data(
            source=url,
            expected=f"{wanted.name} of at most {wanted.limit} bytes",
            found="more",
            hint="Open the address in a browser, and look at the answer.",
        )


def _check_status(answer: requests.Response, wanted: _Wanted) -> None:
    if answer.status_code == 200:
        return
    fields = {
        "source": answer.url,
        "expected": "status 200",
        "found": f"status {answer.status_code} {answer.reason or ''}".rstrip(),
    }
    if answer.status_code == 404:
        raise NotServed(**fields, hint=wanted.missing)
    if answer.status_code in TRANSIENT_STATUS:
        raise TransientError(
            **fields, hint="B3 is failing: run the task again later.", retry_after=_retry_after(answer)
        )
    raise SourceError(
        **fields, hint="B3's firewall refuses some clients with 403: see extra `user_agent` of the connection."
    )


def _check_length(answer: requests.Response, size: int) -> None:
    announced = answer.headers.get("Content-Length")
    if announced and "Content-Encoding" not in answer.headers and int(announced) != size:
        raise TransientError(
            source=answer.url, expected=f"{announced} bytes", found=f"{size} bytes", hint="Run the task again."
        )


def _check_not_empty(url: str, size: int, wanted: _Wanted) -> None:
    if not size:
        raise NotPublished(source=url, expected=wanted.name, found="status 200 and not one byte", hint=wanted.empty)


def _retry_after(answer: requests.Response) -> float | None:
    value = answer.headers.get("Retry-After", "")
    if value.isdecimal():
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    # parsedate_to_datetime returns no zone for "-0000". HTTP dates are in UTC.
    return max(0.0, (at.replace(tzinfo=at.tzinfo or dt.UTC) - dt.datetime.now(dt.UTC)).total_seconds())


_BACKOFF = tenacity.wait_exponential_jitter(initial=1, max=60)
_LONGEST_WAIT = 300.0


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, TransientError) else None
    return _BACKOFF(state) if asked is None else min(asked, _LONGEST_WAIT)


def _log_retry(state: tenacity.RetryCallState) -> None:
    assert state.outcome and state.next_action
    log.warning(
        "try %d failed, next in %.0f s: %s", state.attempt_number, state.next_action.sleep, state.outcome.exception()
    )
