"""A gate before the local S3: it lets requests through, and holds those that a test names until the test says so.

What a run does between two requests cannot be timed from outside; what it asks of S3 can.
"""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

Matches = Callable[[str, str], bool]


class Hold:
    """Requests that are held: `arrived` is set once there is one, `release` lets them all through."""

    def __init__(self, matches: Matches) -> None:
        self.matches = matches
        self.arrived = threading.Event()
        self._let_through = threading.Event()

    def pause(self) -> None:
        """Wait, in the thread of a request, for `release`."""
        self.arrived.set()
        self._let_through.wait()

    def release(self) -> None:
        """Let the held requests through, and those to come."""
        self._let_through.set()


class Gate:
    """An HTTP server before the one at `upstream`; `requests` counts what came, by method."""

    def __init__(self, upstream: str) -> None:
        self._upstream = urlsplit(upstream).netloc
        self._holds: list[Hold] = []
        self._closing = threading.Event()
        self._forgotten: list[Hold] = []
        self.requests: Counter[str] = Counter()
        gate = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                gate._pass_on(self)

            do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer  # noqa: N815 - the names that it calls

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def serving(self) -> Iterator[Gate]:
        """The gate, open."""
        thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._closing.set()
            for hold in (*self._holds, *self._forgotten):
                hold.release()
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def hold(self, matches: Matches) -> Hold:
        """Hold requests from now on for which `matches(method, path)` is true."""
        self._holds.append(Hold(matches))
        return self._holds[-1]

    def forget(self, hold: Hold) -> None:
        """Hold no further requests; what is held stays so until the gate closes."""
        self._holds.remove(hold)
        self._forgotten.append(hold)

    def _pass_on(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        self.requests[request.command] += 1
        for hold in tuple(self._holds):
            if hold.matches(request.command, request.path):
                hold.pause()
        if self._closing.is_set():
            return
        upstream = http.client.HTTPConnection(self._upstream)
        try:
            upstream.putrequest(request.command, request.path, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers.items():
                if name.lower() not in ("connection", "expect"):
                    upstream.putheader(name, value)
            upstream.endheaders(body)
            answer = upstream.getresponse()
            content = answer.read()
        finally:
            upstream.close()
        request.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                request.send_header(name, value)
        length = answer.getheader("Content-Length") if request.command == "HEAD" else str(len(content))
        if length is not None:
            request.send_header("Content-Length", length)
        request.end_headers()
        request.wfile.write(content)
