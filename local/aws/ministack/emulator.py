"""ministack inside this process: passed-through requests, in-process calls, and S3 objects read from its own files."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import re
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote

from local.aws.context import Caller
from local.aws.errors import AwsError
from local.aws.ministack.snapshots import LAZY, Snapshots, end_interrupted_stacks

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
log = logging.getLogger("local.aws.ministack.emulator")

READS = (
    "Get", "List", "Describe", "BatchGet", "Filter", "Lookup", "Search", "Head", "Query", "Scan", "Select",
    "Check", "Simulate", "Validate", "Estimate", "Detect", "Test", "Receive",
)  # fmt: skip

# Only of such keys is it certain that the emulator's own rules for file names leave them alone.
ORDINARY_KEY = re.compile(r"(?:[\w=-][\w=.-]*/)*[\w=-][\w=.-]*\.parquet", re.ASCII)


@dataclass(frozen=True)
class S3Object:
    """One current object of a bucket. `size` in bytes, `etag` without quotes."""

    bucket: str
    key: str
    size: int
    etag: str

    @property
    def uri(self) -> str:
        """The object's s3:// address."""
        return f"s3://{self.bucket}/{self.key}"


def split_uri(uri: str) -> tuple[str, str]:
    """Split s3://bucket/key (s3a and s3n too) into bucket and key. Raises ValueError for anything else."""
    for scheme in ("s3://", "s3a://", "s3n://"):
        if uri.startswith(scheme):
            bucket, _, key = uri[len(scheme) :].partition("/")
            if bucket:
                return bucket, key
    raise ValueError(f"expected an address like s3://bucket/key, found {uri!r}")


def configure(home: Path, port: int) -> None:
    """Point ministack at `home` and `port`. It reads its environment on import, so call this before anything else."""
    os.environ.update(
        GATEWAY_PORT=str(port),
        MINISTACK_HOST="127.0.0.1",
        S3_PERSIST="1",
        S3_DATA_DIR=str(home / "s3"),
        PERSIST_STATE="1",
        STATE_DIR=str(home / "state"),
        LOG_LEVEL="WARNING",
        SFTP_ENABLED="0",
        IOT_MTLS_ENABLED="0",
        AUTH="false",
        # No engine is asked for, so that what runs does not depend on whether the machine has one.
        DOCKER_HOST=f"unix://{home}/no-docker.sock",
    )


class Emulator:
    """The wrapped ministack application.

    `app` is an ASGI application that answers a mutating request only once its effect is on disk.
    """

    def __init__(self, home: Path) -> None:
        _repair_torn_objects(home / "s3")
        import ministack.app
        from ministack.core import persistence, router
        from ministack.services import s3

        self.home = home
        self._inner = ministack.app.app
        self._router = router
        self._s3 = s3
        self._loop: asyncio.AbstractEventLoop | None = None
        if str(persistence.STATE_DIR) != str(home / "state"):
            raise RuntimeError(
                f"the emulator must be configured before it is imported: expected its state in {home / 'state'}, "
                f"found {persistence.STATE_DIR}. Call configure() first."
            )
        self.snapshots = Snapshots(home / "state")

    async def startup(self) -> None:
        """Start ministack's background work and load its saved state."""
        self._loop = asyncio.get_running_loop()
        done = asyncio.Event()
        self._lifespan_stop = asyncio.Event()
        started = False

        async def receive() -> MutableMapping[str, Any]:
            nonlocal started
            if not started:
                started = True
                return {"type": "lifespan.startup"}
            await self._lifespan_stop.wait()
            return {"type": "lifespan.shutdown"}

        async def send(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "lifespan.startup.complete":
                done.set()

        self._lifespan = asyncio.create_task(self._inner({"type": "lifespan"}, receive, send))
        waiter = asyncio.create_task(done.wait())
        await asyncio.wait({waiter, self._lifespan}, return_when=asyncio.FIRST_COMPLETED)
        if self._lifespan.done():
            waiter.cancel()
            self._lifespan.result()
        end_interrupted_stacks()

    async def shutdown(self) -> None:
        """Stop ministack cleanly, with its state on disk."""
        self.snapshots.close()
        self._lifespan_stop.set()
        await self._lifespan

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request through, saving what it changed before the reply leaves."""
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        chunks: list[bytes] = []

        async def tapped() -> MutableMapping[str, Any]:
            message = await receive()
            if len(chunks) < 64:
                chunks.append(message.get("body", b"")[:4096])
            return message

        async def saving(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                keys, sweep = self._touched(scope, b"".join(chunks[:1]))
                if keys:
                    await asyncio.to_thread(self.snapshots.save, keys)
                if sweep:
                    self.snapshots.sweep_soon()
            await send(message)

        await self._inner(scope, tapped, saving)

    def _touched(self, scope: Scope, body: bytes) -> tuple[list[str], bool]:
        """Which services a request may have changed, and whether others need a look a little later."""
        method, path = scope["method"], scope["path"]
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        service = str(self._router.detect_service(method, path, headers, query))
        if service == "s3":
            if method in ("GET", "HEAD"):
                return [], False
            bucket_level = "/" not in path.strip("/") and "delete" not in query
            return (["s3"] if bucket_level else []), bool(self._s3._bucket_notifications._data)
        action = headers.get("x-amz-target", "").rpartition(".")[2]
        if not action and method == "POST":
            action = (query.get("Action") or parse_qs(body.decode("latin-1")).get("Action") or [""])[0]
        if action.startswith(READS) and service != "sqs":
            return [], False
        if not action and method in ("GET", "HEAD"):
            return [], False
        key = self.snapshots.key_of(service)
        if key in LAZY:
            return [], True
        if key == "cloudformation":
            return [name for name in self.snapshots.services() if name not in LAZY], True
        return [key], True

    def call(self, caller: Caller, target: str, data: dict[str, Any]) -> dict[str, Any]:
        """Call a JSON service in this process, for example target "AWSGlue.GetTable". Raises the service's AwsError.

        From worker threads only: on the event loop it would wait for itself.
        """
        services = {"AWSGlue": "glue", "AmazonAthena": "athena", "Logs_20140328": "logs", "AmazonSQS": "sqs"}
        service = services.get(target.split(".")[0], "glue")
        status, body = self._request(
            caller, service, "POST", "/", json.dumps(data).encode(),
            {"x-amz-target": target, "content-type": "application/x-amz-json-1.1"},
        )  # fmt: skip
        answer: dict[str, Any] = json.loads(body or b"{}")
        if status >= 300:
            code = str(answer.get("__type", "InternalServiceException")).rpartition("#")[2]
            raise AwsError(code, str(answer.get("message") or answer.get("Message") or ""), status)
        return answer

    def put_object(self, caller: Caller, uri: str, body: bytes, content_type: str) -> None:
        """Write one S3 object. Raises AwsError if its bucket is missing."""
        bucket, key = split_uri(uri)
        status, answer = self._request(
            caller, "s3", "PUT", f"/{bucket}/{quote(key)}", body, {"content-type": content_type}
        )
        if status >= 300:
            raise AwsError("S3Exception", f"cannot write {uri}: HTTP {status} {answer[:300].decode(errors='replace')}")

    def _request(
        self, caller: Caller, service: str, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        if self._loop is None:
            raise RuntimeError("the emulator has not been started")
        credential = f"{caller.access_key}/20260101/{caller.region}/{service}/aws4_request"
        all_headers = {
            "host": "127.0.0.1",
            "authorization": f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=0",
            "content-length": str(len(body)),
            **headers,
        }
        scope: Scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "method": method,
            "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
            "headers": [(k.encode("latin-1"), v.encode("latin-1")) for k, v in all_headers.items()],
            "client": ("127.0.0.1", 0), "server": ("127.0.0.1", 0),
        }  # fmt: skip
        status = 500
        answer = bytearray()

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                answer.extend(message.get("body", b""))

        # A new context: the emulator keeps the request's account and region in context variables.
        asyncio.run_coroutine_threadsafe(self.app(scope, receive, send), self._loop).result()
        return status, bytes(answer)

    def bucket_exists(self, caller: Caller, bucket: str) -> bool:
        """Whether the caller's account has this bucket."""
        return (caller.account, bucket) in self._s3._buckets._data

    def list_objects(self, caller: Caller, uri: str) -> list[S3Object]:
        """The current objects below an s3:// prefix, in key order. Raises AwsError NoSuchBucket."""
        bucket, prefix = split_uri(uri)
        record = self._s3._buckets._data.get((caller.account, bucket))
        if record is None:
            raise AwsError("NoSuchBucket", f"The specified bucket does not exist: {bucket}", 404)
        # list() of a dict's items is one step under the interpreter lock: a consistent picture without copying per key.
        found = [
            S3Object(bucket, key, int(item.get("size", 0)), str(item.get("etag", "")).strip('"'))
            for key, item in list(record["objects"].items())
            if key.startswith(prefix)
        ]
        found.sort(key=lambda item: item.key)
        return found

    def head(self, caller: Caller, uri: str) -> S3Object | None:
        """One object, or None if it is not there."""
        bucket, key = split_uri(uri)
        record = self._s3._buckets._data.get((caller.account, bucket))
        item = record["objects"].get(key) if record else None
        if item is None:
            return None
        return S3Object(bucket, key, int(item.get("size", 0)), str(item.get("etag", "")).strip('"'))

    def link_many(self, caller: Caller, pairs: list[tuple[S3Object, Path]]) -> None:
        """Put each object's bytes at its path as a hard link: no copy, and later writes to the key do not reach it.

        The emulator replaces an object's file and never writes into it, so a link is a snapshot. Raises
        FileNotFoundError if an object changed since it was listed.
        """
        # On the event loop, where the emulator's S3 handlers run, so that record and file are of the same write;
        # a few hundred per turn, so that other requests are not held up.
        for start in range(0, len(pairs), 200):
            batch = pairs[start : start + 200]

            def make(batch: list[tuple[S3Object, Path]] = batch) -> S3Object | None:
                for item, target in batch:
                    current = self.head(caller, item.uri)
                    source = self._path(caller, item)
                    if current is None or source is None or current.etag != item.etag:
                        return item
                    os.link(source, target)
                    if target.stat().st_size != item.size:
                        return item
                return None

            changed = self._on_loop(make)
            if changed is not None:
                raise FileNotFoundError(f"{changed.uri} was replaced or deleted while it was being read")

    @contextmanager
    def open(self, caller: Caller, item: S3Object) -> Iterator[Any]:
        """Open an object's bytes for reading, as they were when it was listed. Raises FileNotFoundError."""

        def make() -> Any:
            current = self.head(caller, item.uri)
            source = self._path(caller, item)
            if current is None or source is None or current.etag != item.etag:
                return None
            return source.open("rb")

        file = self._on_loop(make)
        if file is None:
            raise FileNotFoundError(f"{item.uri} was replaced or deleted while it was being read")
        with file:
            yield file

    def _path(self, caller: Caller, item: S3Object) -> Path | None:
        """Where the emulator keeps an object's bytes; an ordinary key lies there under its own name."""
        if ORDINARY_KEY.fullmatch(item.key):
            plain = self.home / "s3" / caller.account / item.bucket / item.key
            if plain.is_file():
                return plain
        found = self._s3._object_disk_path(item.bucket, item.key, caller.account)
        return Path(found) if found else None

    def _on_loop(self, action: Callable[[], Any]) -> Any:
        if self._loop is None:
            raise RuntimeError("the emulator has not been started")

        async def run() -> Any:
            return action()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result()


def _repair_torn_objects(root: Path) -> None:
    """Undo a PUT that a kill cut between the object's bytes and its metadata file.

    The emulator writes the bytes first. Where they are newer than the metadata and do not match its ETag, the
    metadata describes bytes that are gone: it is dropped, so that the object is what its bytes are.
    """
    if not root.is_dir():
        return
    for sidecar in root.rglob("*.meta.json"):
        data = sidecar.with_name(sidecar.name.removesuffix(".meta.json"))
        try:
            if data.stat().st_mtime_ns <= sidecar.stat().st_mtime_ns:
                continue
            meta = json.loads(sidecar.read_text())
            etag = str(meta.get("etag", "")).strip('"')
            body = data.read_bytes()
        except (OSError, ValueError):
            continue
        digest = hashlib.md5(body, usedforsecurity=False).hexdigest()
        if "-" in etag and meta.get("size") == len(body):
            continue
        if etag != digest:
            log.warning("an interrupted write left %s without its metadata", data)
            meta.update(etag=f'"{digest}"', size=len(body), metadata={}, checksums={})
            sidecar.write_text(json.dumps(meta))
