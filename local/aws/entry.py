"""The door before the gateway: who may ask the local AWS at all.

Glue runs what CreateJob says, so whoever is let in runs code as the user. A web page and another user of the machine
reach the port too. Only requests to this server's own names, from no web page, signed with the lake's key, go on.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from local.aws import signatures
from local.aws.errors import AwsError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
# A body has to be read before its request is trusted where no header names its digest; uploads to S3 have one.
LONGEST_UNNAMED_BODY = 64 << 20


class Entry:
    """An ASGI application that hands on to `app` what the lake's own clients send, and refuses the rest."""

    def __init__(self, app: App, secret: str, key_file: Path, hosts: Iterable[str] = ()) -> None:
        self._app = app
        self._secret = secret
        self._advice = f"; the key is in {key_file}, which AWS_SHARED_CREDENTIALS_FILE may name"
        self._hosts = LOOPBACK | {host.lower() for host in hosts}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = [(bytes(name).lower(), bytes(value)) for name, value in scope["headers"]]
        request = signatures.Request(str(scope["method"]), scope["raw_path"], scope.get("query_string", b""), headers)
        try:
            self._check_origin(request)
            claim, trusted = await self._check_signature(request, receive)
        except AwsError as error:
            await _refuse(request, error, send)
            return
        if claim.expires is not None:
            # The emulator would check it against a secret of its own.
            request = signatures.in_the_header(request, claim)
            scope = {**scope, "query_string": request.query, "headers": request.headers}
        await self._app(scope, trusted, _without_cors(send))

    def _check_origin(self, request: signatures.Request) -> None:
        hosts = [value.decode("latin-1").lower() for name, value in request.headers if name == b"host"]
        if len(hosts) != 1 or re.sub(r":\d+$", "", hosts[0]) not in self._hosts:
            known = ", ".join(sorted(self._hosts))
            raise AwsError("AccessDenied", f"expected a Host of {known}; found {', '.join(hosts) or 'none'}", 403)
        origin, site = request.header("origin"), request.header("sec-fetch-site")
        sent = {name for name, _ in request.headers}
        if request.method == "OPTIONS" or b"origin" in sent or site not in ("", "none", "same-origin"):
            raise AwsError(
                "AccessForbidden", f"expected no request of a web page, found one of {origin or site!r}", 403
            )

    async def _check_signature(
        self, request: signatures.Request, receive: Receive
    ) -> tuple[signatures.Signed, Receive]:
        """Return what the request says of its signature, and a `receive` for its body.

        Raises:
            AwsError: the request is not signed with the lake's key, or its body is not the signed one.
        """
        now = dt.datetime.now(dt.UTC)
        try:
            claim = signatures.signed(request)
            digest = signatures.payload_digest(request, claim)
            if digest is not None:
                signatures.check(request, claim, digest, self._secret, now)
                if not signatures.names_body(digest):
                    return claim, receive
            messages, found = await _read(receive, None if digest else LONGEST_UNNAMED_BODY)
            if digest is None:
                signatures.check(request, claim, found, self._secret, now)
            elif found != digest:
                raise AwsError("XAmzContentSHA256Mismatch", f"expected a body of SHA-256 {digest}, found {found}", 400)
        except AwsError as error:
            raise AwsError(error.code, error.message + self._advice, error.status) from None
        left = iter(messages)

        async def again() -> Message:
            message = next(left, None)
            return message if message is not None else await receive()

        return claim, again


async def _read(receive: Receive, limit: int | None) -> tuple[list[Message], str]:
    messages: list[Message] = []
    digest, size = hashlib.sha256(), 0
    while True:
        message = await receive()
        messages.append(message)
        body = message.get("body", b"")
        digest.update(body)
        size += len(body)
        if limit is not None and size > limit:
            raise AwsError("RequestEntityTooLarge", f"expected at most {limit} bytes without x-amz-content-sha256", 413)
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return messages, digest.hexdigest()


def _without_cors(send: Send) -> Send:
    async def strip(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [
                (name, value)
                for name, value in message.get("headers", [])
                if not bytes(name).lower().startswith(b"access-control-")
            ]
            message = {**message, "headers": kept}
        await send(message)

    return strip


async def _refuse(request: signatures.Request, error: AwsError, send: Send) -> None:
    kind, body = _error_body(request, error)
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else body})


def _error_body(request: signatures.Request, error: AwsError) -> tuple[bytes, bytes]:
    """Return content type and body, in the form that the clients of the service read."""
    inner = f"<Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>"
    if request.header("content-type").startswith("application/x-www-form-urlencoded"):
        return b"text/xml", f"<ErrorResponse><Error>{inner}</Error></ErrorResponse>".encode()
    if request.header("x-amz-target"):
        text = json.dumps({"__type": error.code, "message": error.message, "Message": error.message})
        return b"application/x-amz-json-1.1", text.encode()
    return b"application/xml", f"<Error>{inner}</Error>".encode()
