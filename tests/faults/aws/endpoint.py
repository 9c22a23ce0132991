"""A stand-in for AWS that answers as a test says, over HTTP: Glue, Athena and SNS."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

from airflow.sdk.exceptions import TaskDeferred

CODE = "__type"


class Endpoint:
    """An HTTP server whose answers are prepared by operation. An answer with `__type` is an error."""

    def __init__(self) -> None:
        self.answers: dict[str, dict[str, Any]] = defaultdict(dict)
        self.calls: list[str] = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                operation = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
                endpoint.calls.append(operation)
                answer = endpoint.answers[operation]
                body = json.dumps(answer).encode()
                self.send_response(400 if CODE in answer else 200)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()


def error(code: str, message: str) -> dict[str, str]:
    """Return AWS's answer that refuses a request."""
    return {CODE: code, "message": message, "Message": message}


def run(operator: Any) -> Any:
    """Run an operator to its end, its trigger included, and return its result."""
    ti = SimpleNamespace(xcom_push=lambda *_, **__: None, xcom_pull=lambda *_, **__: None, task_id=operator.task_id)
    context = {"ti": ti, "task_instance": ti}
    try:
        return operator.execute(context)
    except TaskDeferred as deferred:
        event = asyncio.run(_first_event(deferred.trigger))
        return getattr(operator, deferred.method_name)(context, event.payload)


async def _first_event(trigger: Any) -> Any:
    async for event in trigger.run():
        return event
    raise AssertionError("the trigger ended without an event")
