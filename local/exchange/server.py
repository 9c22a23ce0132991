"""Serve an exchange over HTTP, on B3's paths."""

from __future__ import annotations

import datetime as dt
import io
import re
import shutil
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from email.utils import format_datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Protocol
from urllib.parse import unquote, urlsplit

from local.exchange.answers import Answer, not_found

_CONNECTIONS = 32
_IDLE_SECONDS = 20
_COMPANIES = "/listedCompaniesProxy/CompanyCall/"
_HOLIDAYS = (
    "/pt_br/solucoes/plataformas/puma-trading-system/para-participantes-e-traders/calendario-de-negociacao/feriados/"
)


class Candles(Protocol):
    """Who answers for the providers of Bitcoin's candles."""

    def klines(self, query: str) -> Answer:
        """Return Binance's candles of Bitcoin."""
        ...

    def product_candles(self, product: str, query: str) -> Answer:
        """Return Coinbase's candles of Bitcoin."""
        ...


class Exchange(Candles, Protocol):
    """An exchange that answers for B3, and for the providers of candles. Every response has its `headers`."""

    headers: ClassVar[Mapping[str, str]]

    def historical_quotes(self, file_name: str) -> Answer:
        """Return the answer for a COTAHIST file."""
        ...

    def index_call(self, method: str, parameters: str) -> Answer:
        """Return the answer of the index service; `parameters` are encoded as in the path."""
        ...

    def sector_classification(self, parameters: str) -> Answer:
        """Return the workbook of the sectors of the listed companies."""
        ...

    def trading_holidays(self) -> Answer:
        """Return the page of trading holidays."""
        ...

    def close(self) -> None:
        """Release the resources of the exchange."""
        ...


Route = tuple[re.Pattern[str], Callable[..., Answer]]


def routes(exchange: Exchange) -> list[Route]:
    """Return the paths, each with the method that answers it. A pattern's groups are the arguments.

    B3's paths have no query; those of candles end with one.
    """
    return [
        *candle_routes(exchange),
        (re.compile(r"/InstDados/SerHist/([^/]+)"), exchange.historical_quotes),
        (re.compile(r"/indexProxy/indexCall/([^/]+)/(.+)"), exchange.index_call),
        (re.compile(_COMPANIES + r"GetDownloadIndustryClassification/(.+)"), exchange.sector_classification),
        (re.compile(_HOLIDAYS), exchange.trading_holidays),
    ]


def candle_routes(candles: Candles) -> list[Route]:
    """Return the paths of the providers of candles, as `routes`."""
    return [
        (re.compile(r"/api/v3/klines\?(.*)"), candles.klines),
        (re.compile(r"/products/([^/]+)/candles\?(.*)"), candles.product_candles),
    ]


class ExchangeHTTPServer(ThreadingHTTPServer):
    """Serve an exchange, by default on 127.0.0.1, with a limited number of connections at a time."""

    daemon_threads = True
    # Idle connections must not delay the end of the server.
    block_on_close = False
    request_queue_size = 128

    def __init__(self, exchange: Exchange, *, host: str = "127.0.0.1", port: int = 0, verbose: bool = False) -> None:
        self.routes = routes(exchange)
        self.headers = exchange.headers
        self.verbose = verbose
        self._free = threading.BoundedSemaphore(_CONNECTIONS)
        self._stopping = False
        super().__init__((host, port), _Handler)

    @property
    def endpoint(self) -> str:
        """URL of the server, without a slash at the end."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def answer(self, path: str, query: str = "") -> Answer:
        """Return the answer to a GET of `path`."""
        for pattern, handle in self.routes:
            match = pattern.fullmatch(path)
            if match is None and query:
                match = pattern.fullmatch(f"{path}?{query}")
            if match:
                return handle(*match.groups())
        return not_found()

    def shutdown(self) -> None:
        """Stop accepting connections."""
        self._stopping = True
        super().shutdown()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Hand the connection to a thread, once fewer than the limit are open."""
        while not self._free.acquire(timeout=0.2):
            if self._stopping:
                self.shutdown_request(request)
                return
        super().process_request(request, client_address)

    def process_request_thread(self, request: socket.socket | tuple[bytes, socket.socket], client_address: Any) -> None:
        """Serve one connection to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report an error, unless the client only closed the connection."""
        if not isinstance(sys.exception(), (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: ExchangeHTTPServer
    protocol_version = "HTTP/1.1"
    server_version = "Exchange"
    sys_version = ""
    timeout = _IDLE_SECONDS

    def do_GET(self) -> None:
        """Answer with headers and body."""
        self._send(with_body=True)

    def do_HEAD(self) -> None:
        """Answer with the headers of the GET."""
        self._send(with_body=False)

    def _send(self, *, with_body: bool) -> None:
        asked = urlsplit(self.path)
        answer = self.server.answer(unquote(asked.path), asked.query)
        with io.BytesIO(answer.body) if isinstance(answer.body, bytes) else answer.body as body:
            length = body.seek(0, io.SEEK_END)
            body.seek(0)
            unchanged = bool(answer.etag) and self.headers.get("If-None-Match") == answer.etag
            self.send_response(HTTPStatus.NOT_MODIFIED if unchanged else answer.status)
            if not unchanged:
                self.send_header("Content-Type", answer.content_type)
                self.send_header("Content-Length", str(length))
            if answer.etag:
                self.send_header("ETag", answer.etag)
            if answer.last_modified:
                self.send_header("Last-Modified", _http_date(answer.last_modified))
            if answer.retry_after is not None:
                self.send_header("Retry-After", str(answer.retry_after))
            self.end_headers()
            if with_body and not unchanged:
                shutil.copyfileobj(body, self.wfile)

    def end_headers(self) -> None:
        """Add the headers of every response, also of HTTP errors, and end the headers."""
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Log to stderr, if asked to."""
        if self.server.verbose:
            super().log_message(format, *args)


def _http_date(moment: dt.datetime) -> str:
    return format_datetime(moment, usegmt=True)
