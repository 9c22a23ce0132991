"""A collector of OpenLineage's events on 127.0.0.1, for as long as a test needs it."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


class Collector:
    """Takes events, and tells what the tasks of a run read and wrote.

    Attributes:
        url: where it listens.
        events: what came, in order.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.events: list[dict[str, Any]] = []

    @contextmanager
    def told(self) -> Iterator[None]:
        """Let runs report to this collector."""
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("OPENLINEAGE_URL", self.url)
            yield

    def end_of(self, job: str) -> dict[str, Any]:
        """Return the last event of a task's end."""
        ends = [each for each in self.events if each["job"]["name"] == job and each["eventType"] == "COMPLETE"]
        assert ends, f"expected the end of {job}, found {sorted({each['job']['name'] for each in self.events})}"
        return ends[-1]

    def flow(self, job: str) -> tuple[list[str], list[str]]:
        """Return the data sets that a task read and wrote."""
        end = self.end_of(job)
        return _names(end["inputs"]), _names(end["outputs"])


def _names(data_sets: list[dict[str, Any]]) -> list[str]:
    return sorted(f"{each['namespace']}/{each['name']}" for each in data_sets)


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            collector.events.append(json.loads(body))
            self.send_response(201)
            self.end_headers()

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector = Collector(f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield collector
        finally:
            server.shutdown()
