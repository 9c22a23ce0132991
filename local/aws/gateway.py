"""The one endpoint: sends each request to our own services or on to the emulator."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from local.aws import calls, exchanges
from local.aws.context import Caller, caller_from
from local.aws.errors import AwsError
from local.aws.ministack.emulator import Emulator, Receive, Scope, Send

# The emulator would answer these with success and do nothing.
PRETENDED = frozenset(
    f"AWSGlue.{call}"
    for call in (
        "StartTrigger", "StartWorkflowRun", "ResumeWorkflowRun", "StartCrawlerSchedule", "StartBlueprintRun",
        "StartDataQualityRulesetEvaluationRun", "RunStatement", "StartSession", "ResetJobBookmark",
        "BatchGetCrawlers", "ListCrawls",
    )
)  # fmt: skip
Handler = Callable[[Caller, dict[str, Any]], dict[str, Any]]
log = logging.getLogger("local.aws.gateway")


class Gateway:
    """An ASGI application. `handlers` answer the X-Amz-Targets they name; the emulator answers the rest.

    With a `recorder`, every request is noted there; with `exchanged`, requests and answers are.
    """

    def __init__(
        self,
        emulator: Emulator,
        handlers: Mapping[str, Handler],
        recorder: calls.Recorder | None = None,
        exchanged: exchanges.Recorder | None = None,
    ) -> None:
        self._emulator = emulator
        self._recorder = recorder
        self._exchanged = exchanged
        self._handlers = {**{target: _refuse(target) for target in PRETENDED}, **handlers}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif self._exchanged and scope["type"] == "http":
            await self._exchanged.watch(self._serve, scope, receive, send)
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope.get("headers") or [])
        target = headers.get(b"x-amz-target", b"").decode("latin-1")
        handler = self._handlers.get(target)
        if scope["type"] != "http" or handler is None:
            await self._pass_on(scope, receive, send)
            return
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body.extend(message.get("body", b""))
            if not message.get("more_body"):
                break
        status, answer = await self._answer(target, handler, headers, bytes(body))
        if self._recorder:
            self._recorder.request(scope, bytes(body), status, answer)
        payload = json.dumps(answer).encode()
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [
                    (b"content-type", b"application/x-amz-json-1.1"),
                    (b"content-length", str(len(payload)).encode()),
                    (b"x-amzn-requestid", str(uuid.uuid4()).encode()),
                ],
            }
        )
        await send({"type": "http.response.body", "body": payload})

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        recorder = self._recorder
        if recorder is None or scope["type"] != "http":
            await self._emulator.app(scope, receive, send)
            return
        body = bytearray()
        status = 500
        wanted = calls.wants_body(scope)

        async def tapped() -> MutableMapping[str, Any]:
            message = await receive()
            if wanted:
                body.extend(message.get("body", b""))
            return message

        async def watched(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        await self._emulator.app(scope, tapped, watched)
        recorder.request(scope, bytes(body), status)

    async def _answer(
        self, target: str, handler: Handler, headers: dict[bytes, bytes], body: bytes
    ) -> tuple[int, dict[str, Any]]:
        try:
            data = json.loads(body or b"{}")
            if not isinstance(data, dict):
                raise ValueError("not an object")
        except ValueError:
            return 400, {"__type": "SerializationException", "message": "the request's body is no JSON object"}
        caller = caller_from(headers.get(b"authorization", b"").decode("latin-1"))
        try:
            return 200, await asyncio.to_thread(handler, caller, data)
        except AwsError as error:
            return error.status, {"__type": error.code, "message": error.message, "Message": error.message}
        except Exception as error:
            log.exception("%s failed", target)
            return 500, {"__type": "InternalServiceException", "message": f"{type(error).__name__}: {error}"}


def _refuse(target: str) -> Handler:
    def refuse(caller: Caller, data: dict[str, Any]) -> dict[str, Any]:
        raise AwsError("InvalidInputException", f"the local AWS server does not do {target.partition('.')[2]}")

    return refuse


async def _lifespan(receive: Receive, send: Send) -> None:
    # The server starts and stops the emulator itself, around the listening socket.
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await send({"type": "lifespan.shutdown.complete"})
            return
