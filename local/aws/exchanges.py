"""A recording of what was asked and answered, to compare with the models of AWS's API: one line for each kind.

Exchanges of one kind have the same caller, operation, status, and names of what is given. Objects' bytes are left out.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping, MutableMapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from local.aws.ministack.emulator import Receive, Scope, Send

CBOR = "application/cbor"
_SIGNED = re.compile(r"Credential=([^,/\s]+)/\d+/[^/]+/([^/]+)/aws4_request")
# Of S3's own, what is asked of a bucket or an object that is not its content.
_CONTENT = {"versionId", "partNumber", "uploadId", "x-id", "response-content-type"}
_LONGEST_BODY = 1 << 20
_NAME = re.compile(r'<([A-Za-z]\w*)|"(\w+)"\s*:|(?:^|&)([\w.]+)=')


@dataclass(frozen=True)
class Exchange:
    """A request and its answer.

    `caller` is the access key id that the request was signed with. Names of headers are in lower case. A body is empty
    here that is an object, no text or very long. One of CBOR has a character for each byte.
    """

    caller: str
    service: str
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: str
    status: int
    answer_headers: Mapping[str, str]
    answer: str


def beside(calls: Path) -> Path:
    """Return the file of the exchanges that were recorded together with calls."""
    return calls.with_name(f"{calls.name}.exchanges")


def read(file: Path) -> list[Exchange]:
    """Return the exchanges of a recording."""
    return [Exchange(**json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]


class Recorder:
    """Appends exchanges to a file, one of each kind."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen: set[str] = set()
        self._lock = threading.Lock()

    def note(self, exchange: Exchange) -> None:
        """Write an exchange, unless one of its kind is there."""
        kind = _kind(exchange)
        with self._lock:
            if kind in self._seen:
                return
            self._seen.add(kind)
            with self._file.open("a", encoding="utf-8") as out:
                out.write(json.dumps(asdict(exchange), sort_keys=True) + "\n")

    async def watch(self, app: Any, scope: Scope, receive: Receive, send: Send) -> None:
        """Have `app` answer a request, and note both; one that is not signed is left out."""
        headers = _text(scope.get("headers") or [])
        signed = _SIGNED.search(headers.get("authorization", ""))
        if signed is None:
            await app(scope, receive, send)
            return
        asked, answered = bytearray(), bytearray()
        status, answer_headers = 500, dict[str, str]()
        content = signed[2] == "s3" and _is_content(str(scope["path"]), scope.get("query_string", b""))

        async def tapped_receive() -> MutableMapping[str, Any]:
            message = await receive()
            _take(asked, message, wanted=not (content and scope["method"] in ("PUT", "POST")))
            return message

        async def tapped_send(message: MutableMapping[str, Any]) -> None:
            nonlocal status, answer_headers
            if message["type"] == "http.response.start":
                status, answer_headers = int(message["status"]), _text(message.get("headers", []))
            _take(answered, message, wanted=not (content and status < 300 and scope["method"] == "GET"))
            await send(message)

        await app(scope, tapped_receive, tapped_send)
        self.note(
            Exchange(
                signed[1], signed[2], str(scope["method"]), str(scope["path"]),
                scope.get("query_string", b"").decode("latin-1"), _without_secrets(headers),
                _readable(asked, headers), status, answer_headers, _readable(answered, answer_headers),
            )
        )  # fmt: skip


def _take(body: bytearray, message: Mapping[str, Any], *, wanted: bool) -> None:
    if wanted and len(body) <= _LONGEST_BODY:
        body.extend(message.get("body", b""))


def _readable(body: bytearray, headers: Mapping[str, str]) -> str:
    if len(body) > _LONGEST_BODY:
        return ""
    if headers.get("content-type") == CBOR:
        return body.decode("latin-1")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return ""


def _is_content(path: str, query: bytes) -> bool:
    """Whether an object itself is sent or fetched."""
    _, _, key = path.lstrip("/").partition("/")
    return bool(key) and set(parse_qs(query.decode("latin-1"), keep_blank_values=True)) <= _CONTENT


def _text(headers: Any) -> dict[str, str]:
    return {bytes(name).lower().decode("latin-1"): bytes(value).decode("latin-1") for name, value in headers}


def _without_secrets(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in ("authorization", "x-amz-security-token")}


def _kind(exchange: Exchange) -> str:
    form = parse_qs(exchange.query, keep_blank_values=True)
    asked_for = [name for name in exchange.headers if name.startswith(("x-amz-", "if-", "range"))]
    level = min(len(exchange.path.strip("/").split("/")), 2) if exchange.path.strip("/") else 0
    parts = (
        exchange.caller, exchange.service, exchange.method, level, exchange.headers.get("x-amz-target"),
        exchange.path if exchange.headers.get("content-type") == CBOR else "",
        "".join(re.findall(r"(?:^|&)Action=(\w+)", exchange.body)), sorted(form), sorted(asked_for), exchange.status,
        *(_names(body) for body in (exchange.body, exchange.answer) if exchange.headers.get("content-type") != CBOR),
    )  # fmt: skip
    return repr(parts)


def _names(body: str) -> list[str]:
    """Return the names of members in a body of XML, JSON or a form; those of a list's items are one."""
    found = {next(filter(None, match)) for match in _NAME.findall(body)}
    return sorted({re.sub(r"\.\d+", ".N", name) for name in found})
