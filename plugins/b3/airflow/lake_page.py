"""The page B3 in Airflow's UI: a FastAPI application that the API server mounts, and the link to it in the navigation.

Airflow serves the applications of plugins without asking for a login, so this one asks by itself, as the UI does.
Nothing is kept on disk, and S3 is asked with the connection that the tasks use.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Callable
from functools import cached_property
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
from airflow.api_fastapi.core_api.security import requires_access_view
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from fastapi import Depends, FastAPI, Request
from fastapi.responses import HTMLResponse

from b3 import settings
from b3.airflow import aws
from b3.calendar import publication
from b3.calendar.sessions import FIRST_YEAR, LAST_YEAR
from b3.lake import layout
from b3.lake.layout import Lake
from b3.page import overview, page
from b3.page.listing import Sessions, list_sessions
from b3.page.overview import Overview
from b3.page.recent import Busy, Recent
from b3.page.wording import chosen
from b3.report.wording import Language

log = logging.getLogger(__name__)

NAME = "B3"
PREFIX = "/b3"
_KEPT_SECONDS = 60
_FAILURE_KEPT_SECONDS = 10
# A thread of the API server waits for S3: better a sentence on the page than a server without threads.
_S3 = Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 2})
_HEADERS = {
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; "
    "frame-ancestors 'self'; base-uri 'none'; form-action 'none'",
}
# A report is an object of the bucket: whoever can write it must not reach the UI's origin.
_REPORT_HEADERS = {
    **_HEADERS,
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'self'; "
    "base-uri 'none'; form-action 'none'",
}
# A sheet of a calendar with bars on it, in a colour that is seen on light and dark, and where the link is chosen.
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="#3aa76d" stroke-width="2">'
    '<rect x="3" y="4" width="18" height="17" rx="2"/><path d="M8 2v4M16 2v4M3 10h18M8 18v-3M12 18v-5M16 18v-4"/></svg>'
)


def fastapi_apps() -> list[dict[str, Any]]:
    """Return the application for the attribute of that name of an Airflow plugin."""
    return [{"name": NAME, "url_prefix": PREFIX, "app": make_app()}]


def external_views() -> list[dict[str, Any]]:
    """Return the link in the navigation for the attribute of that name of an Airflow plugin."""
    return [
        {
            "name": NAME,
            # Without a slash before it, so that it also works below a base URL.
            "href": f"{PREFIX.removeprefix('/')}/",
            "url_route": PREFIX.removeprefix("/"),
            "destination": "nav",
            "nav_top_level": True,
            "icon": f"data:image/svg+xml,{quote(_ICON)}",
        }
    ]


def _language(request: Request, language: str | None = None) -> Language:
    return chosen(language, request.headers.get("accept-language", ""))


_Language = Annotated[Language, Depends(_language)]
_Found = TypeVar("_Found")


class _Unset(Exception):
    """The settings do not name a lake."""


class _LakeReader:
    """The lake of the settings, with one S3 client, made at its first use. Threads share it."""

    def __init__(self) -> None:
        # Apart, so that a look at another year lists that year alone.
        self._sessions: Recent[Sessions] = Recent(_KEPT_SECONDS, _FAILURE_KEPT_SECONDS)
        self._overviews: Recent[Overview] = Recent(_KEPT_SECONDS, _FAILURE_KEPT_SECONDS)
        self._making = threading.Lock()

    @property
    def lake(self) -> Lake:
        """The lake of the settings."""
        try:
            return settings.read().lake
        except (settings.MissingSetting, ValueError) as error:
            raise _Unset(str(error)) from error

    @property
    def s3(self) -> Any:
        """The client."""
        with self._making:
            return self._client

    @cached_property
    def _client(self) -> Any:
        return aws.s3_client(_S3)

    def overview(self, year: int | None = None) -> Overview:
        """Return an overview whose listings are a few minutes old at most; see `Recent`."""
        lake = self.lake
        # Each year is kept, so there must not be any number of them.
        year = min(max(year, FIRST_YEAR), LAST_YEAR) if year else None

        def take() -> Overview:
            found = self._sessions.get(lake, lambda: list_sessions(self.s3, lake, publication.now()))
            return overview.take(self.s3, lake, found, year, publication.now())

        return self._overviews.get((lake, year), take)

    def report(self, trade_date: dt.date) -> bytes | None:
        """Return the bytes of a session's report, None if there is none."""
        try:
            answer = self.s3.get_object(Bucket=self.lake.bucket, Key=layout.report_key(trade_date))
        except self.s3.exceptions.NoSuchKey:
            return None
        body: bytes = answer["Body"].read()
        return body


def make_app() -> FastAPI:
    """Return the application; each of its addresses asks for the login of the UI."""
    app = FastAPI(
        title=NAME,
        # Its documentation would be served to everybody.
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[Depends(requires_access_view(AccessView.WEBSITE))],
    )
    reader = _LakeReader()

    # Functions without `async` run in a thread, so a slow S3 does not hold up the server.
    @app.get("/")
    def show_lake(language: _Language, year: int | None = None) -> HTMLResponse:
        return _answer(
            language,
            lambda: reader.overview(year),
            lambda found: HTMLResponse(page.lake_page(found, language), headers=_HEADERS),
        )

    @app.get("/reports/{trade_date}")
    def show_report(language: _Language, trade_date: dt.date) -> HTMLResponse:
        return _answer(
            language,
            reader.overview,
            lambda found: HTMLResponse(page.report_page(trade_date, found.reports, language), headers=_HEADERS),
        )

    @app.get("/reports/{trade_date}/index.html")
    def send_report(language: _Language, trade_date: dt.date) -> HTMLResponse:
        return _answer(
            language,
            lambda: reader.report(trade_date),
            lambda found: HTMLResponse(found or "", 404 if found is None else 200, _REPORT_HEADERS),
        )

    return app


def _answer(language: Language, ask: Callable[[], _Found], show: Callable[[_Found], HTMLResponse]) -> HTMLResponse:
    """Return the page of what `ask` returns; a page with a sentence if the settings or S3 fail."""
    try:
        found = ask()
    except Exception as error:
        name = "unset" if isinstance(error, _Unset) else "unreachable"
        log.warning(
            "the page %s: %s", NAME, error, exc_info=not isinstance(error, _Unset | Busy | BotoCoreError | ClientError)
        )
        return HTMLResponse(page.problem_page(name, error, language), 503, _HEADERS)
    return show(found)
