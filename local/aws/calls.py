"""A recording of who called what: one JSON line for each different call, to compare with what roles allow.

The caller is the access key id that a request was signed with. Glue's crawlers and job runs call with the rights of
their own role, and so under the keys CRAWLER and JOB; Athena reads and writes with the rights of whoever asks.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs, unquote

from local.aws.context import Caller
from local.aws.ministack.emulator import Emulator, S3Object, Scope, split_uri

if TYPE_CHECKING:
    from local.aws.glue.partitions import Partitions  # needs what only the server's environment has

# Of services that newer SDKs call by Smithy's RPC, such as CloudWatch.
_RPC_PATH = re.compile(r"/service/\w+/operation/(\w+)")
_SCOPE = re.compile(r"Credential=([^,/\s]+)/\d+/[^/]+/([^/]+)/aws4_request")
_DELETED_KEY = re.compile(rb"<Key>(.*?)</Key>", re.DOTALL)
# The parameters that say which resource a call is about.
_NAMES = (
    "Name", "JobName", "DatabaseName", "TableName", "WorkGroup", "QueryExecutionId", "logGroupName", "logStreamName",
    "TopicArn", "TargetArn", "RoleName", "StackName", "QueueName", "QueueUrl",
    "DeliveryStreamName",
)  # fmt: skip
# What services look up of their own (a crawler's definition, a job's, a workgroup's) needs nobody's leave.
_ON_BEHALF = re.compile(
    r"(Create|Update|Delete|Get)(Table|Database)s?|\w*Partitions?|CreateLog\w+|PutLogEvents|GetQueueUrl|(Receive|Delete)Message\w*"
)
_OBJECT_CALLS = {"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject"}
_BUCKET_CALLS = {"HEAD": "HeadBucket", "PUT": "CreateBucket", "DELETE": "DeleteBucket"}
_UPLOAD_CALLS = {
    "PUT": "UploadPart", "POST": "CompleteMultipartUpload", "DELETE": "AbortMultipartUpload", "GET": "ListParts",
}  # fmt: skip
_SUBRESOURCES = {
    "acl": "Acl", "cors": "Cors", "encryption": "Encryption", "lifecycle": "LifecycleConfiguration",
    "location": "Location", "notification": "Notification", "object-lock": "ObjectLockConfiguration",
    "ownershipControls": "OwnershipControls", "policy": "Policy", "publicAccessBlock": "PublicAccessBlock",
    "tagging": "Tagging", "versioning": "Versioning",
}  # fmt: skip
_SERVICES = {"Logs_20140328": "logs", "AmazonSQS": "sqs"}
_LONGEST_BODY = 1 << 20


@dataclass(frozen=True)
class Call:
    """One call: its caller's access key id, `names` of what it is about, and the service that made it for the caller.

    `missing` marks one that was answered with 404.
    """

    caller: str
    service: str
    operation: str
    names: Mapping[str, str] = field(default_factory=dict)
    via: str | None = None
    missing: bool = False


def read(file: Path) -> list[Call]:
    """The calls of a recording."""
    return [Call(**json.loads(line)) for line in file.read_text().splitlines()]


class Recorder:
    """Appends calls to a file, each different one once."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._written: set[str] = set()
        self._lock = threading.Lock()

    def note(self, call: Call) -> None:
        """Write a call, unless it is there."""
        line = json.dumps(asdict(call), sort_keys=True)
        with self._lock:
            if line in self._written:
                return
            self._written.add(line)
            with self._file.open("a") as out:
                out.write(line + "\n")

    def request(self, scope: Scope, body: bytes, status: int, answer: Mapping[str, Any] | None = None) -> None:
        """Note a request that was answered with `status`; unsigned ones name no caller and are left out."""
        for call in calls_of(scope, body, status, answer or {}):
            self.note(call)


def wants_body(scope: Scope) -> bool:
    """Whether a request's body says what it is about: never that of an upload."""
    headers = dict(scope.get("headers") or [])
    found = _SCOPE.search(headers.get(b"authorization", b"").decode("latin-1"))
    if scope["method"] != "POST" or found is None:
        return False
    return found[2] != "s3" or "delete" in _query(scope)


def calls_of(scope: Scope, body: bytes, status: int, answer: Mapping[str, Any]) -> list[Call]:
    """The calls that a request is: several for one that deletes several objects."""
    headers = {name.lower(): value.decode("latin-1") for name, value in scope.get("headers") or []}
    found = _SCOPE.search(headers.get(b"authorization", ""))
    if found is None:
        return []
    caller, service = found[1], found[2]
    if service == "s3":
        return _s3_calls(caller, scope, headers, body, missing=status == 404)
    target = headers.get(b"x-amz-target", "")
    if target:
        try:
            data = json.loads(body[:_LONGEST_BODY] or b"{}")
        except ValueError:
            data = {}
        return [Call(caller, service, target.rpartition(".")[2], names({**data, **_identity(answer)}))]
    form = {name: values[0] for name, values in parse_qs(body[:_LONGEST_BODY].decode("utf-8", "replace")).items()}
    if "Action" in form:
        return [Call(caller, service, form["Action"], names(form))]
    by_path = _RPC_PATH.fullmatch(scope["path"])
    return [Call(caller, service, by_path[1] if by_path else f"{scope['method']} {scope['path']}")]


def names(data: Mapping[str, Any]) -> dict[str, str]:
    """The parameters of a call that say which resource it is about."""
    found = {name: str(data[name]) for name in _NAMES if data.get(name)}
    for wrapped, name in (("TableInput", "TableName"), ("DatabaseInput", "DatabaseName")):
        if isinstance(data.get(wrapped), Mapping) and data[wrapped].get("Name"):
            found[name] = str(data[wrapped]["Name"])
    return found


def _identity(answer: Mapping[str, Any]) -> dict[str, Any]:
    return {"QueryExecutionId": answer["QueryExecutionId"]} if "QueryExecutionId" in answer else {}


def _query(scope: Scope) -> dict[str, list[str]]:
    return parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)


def _s3_calls(caller: str, scope: Scope, headers: Mapping[bytes, str], body: bytes, *, missing: bool) -> list[Call]:
    method, query = str(scope["method"]), _query(scope)
    bucket, _, key = str(scope["path"]).lstrip("/").partition("/")
    if not bucket:
        return [Call(caller, "s3", "ListBuckets")]
    if not key:
        operation, prefix = _bucket_operation(method, query)
        if operation == "DeleteObjects":
            keys = [unescape(found.decode()) for found in _DELETED_KEY.findall(body)]
            return [Call(caller, "s3", "DeleteObject", {"Bucket": bucket, "Key": gone}) for gone in keys]
        return [Call(caller, "s3", operation, {"Bucket": bucket, **prefix}, missing=missing)]
    what = {"Bucket": bucket, "Key": key}
    if "uploadId" in query:
        operation = _UPLOAD_CALLS.get(method, method)
    elif "uploads" in query:
        operation = "CreateMultipartUpload"
    else:
        operation = _OBJECT_CALLS.get(method, method)
        changed = next((name for name in query if name in _SUBRESOURCES), None)
        if changed:
            operation += _SUBRESOURCES[changed]
        elif "versionId" in query:
            operation += "Version"
    found = [Call(caller, "s3", operation, what, missing=missing)]
    source = unquote(headers.get(b"x-amz-copy-source", "")).lstrip("/").partition("?")[0].partition("/")
    if source[0]:
        found.append(Call(caller, "s3", "GetObject", {"Bucket": source[0], "Key": source[2]}))
    return found


def _bucket_operation(method: str, query: Mapping[str, list[str]]) -> tuple[str, dict[str, str]]:
    prefix = {"Prefix": query["prefix"][0]} if query.get("prefix", [""])[0] else {}
    changed = next((name for name in query if name in _SUBRESOURCES), None)
    if changed:
        return f"{method.capitalize()}Bucket{_SUBRESOURCES[changed]}", {}
    if "delete" in query:
        return "DeleteObjects", {}
    if method == "GET":
        special = next((name for name in ("versions", "uploads") if name in query), None)
        listing = {"versions": "ListObjectVersions", "uploads": "ListMultipartUploads", None: "ListObjectsV2"}
        return listing[special], prefix
    return _BUCKET_CALLS.get(method, method), {}


def watched_emulator(emulator: Emulator, recorder: Recorder, via: str) -> Emulator:
    """`emulator` for a service that calls with the rights of others, whose calls are recorded."""
    return cast(Emulator, _WatchedEmulator(emulator, recorder, via))


def watched_partitions(partitions: Partitions, recorder: Recorder, via: str) -> Partitions:
    """`partitions` for a service that calls with the rights of others, whose calls are recorded."""
    return cast("Partitions", _WatchedPartitions(partitions, recorder, via))


class _Watched:
    def __init__(self, inner: Any, recorder: Recorder, via: str) -> None:
        self._inner = inner
        self._recorder = recorder
        self._via = via

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def _note(
        self, caller: Caller, service: str, operation: str, what: Mapping[str, str], missing: bool = False
    ) -> None:
        self._recorder.note(Call(caller.access_key, service, operation, what, self._via, missing))


class _WatchedEmulator(_Watched):
    def call(self, caller: Caller, target: str, data: dict[str, Any]) -> dict[str, Any]:
        service, _, operation = target.partition(".")
        if _ON_BEHALF.fullmatch(operation):
            self._note(caller, _SERVICES.get(service, "glue"), operation, names(data))
        answer: dict[str, Any] = self._inner.call(caller, target, data)
        return answer

    def put_object(self, caller: Caller, uri: str, body: bytes, content_type: str) -> None:
        self._note(caller, "s3", "PutObject", _object(uri))
        self._inner.put_object(caller, uri, body, content_type)

    def list_objects(self, caller: Caller, uri: str) -> list[S3Object]:
        bucket, prefix = split_uri(uri)
        self._note(caller, "s3", "ListObjectsV2", {"Bucket": bucket, "Prefix": prefix})
        found: list[S3Object] = self._inner.list_objects(caller, uri)
        return found

    def head(self, caller: Caller, uri: str) -> S3Object | None:
        found: S3Object | None = self._inner.head(caller, uri)
        self._note(caller, "s3", "HeadObject", _object(uri), missing=found is None)
        return found

    def open(self, caller: Caller, item: S3Object) -> AbstractContextManager[Any]:
        self._note(caller, "s3", "GetObject", _object(item.uri))
        opened: AbstractContextManager[Any] = self._inner.open(caller, item)
        return opened

    def link_many(self, caller: Caller, pairs: list[tuple[S3Object, Path]]) -> None:
        for item, _ in pairs:
            self._note(caller, "s3", "GetObject", _object(item.uri))
        self._inner.link_many(caller, pairs)


class _WatchedPartitions(_Watched):
    def table(self, caller: Caller, database: str, name: str) -> dict[str, Any]:
        self._note(caller, "glue", "GetTable", {"DatabaseName": database, "Name": name})
        found: dict[str, Any] = self._inner.table(caller, database, name)
        return found

    def all(self, caller: Caller, database: str, name: str) -> list[Any]:
        self._note(caller, "glue", "GetPartitions", {"DatabaseName": database, "TableName": name})
        found: list[Any] = self._inner.all(caller, database, name)
        return found

    def between(self, caller: Caller, database: str, name: str, first: str, last: str) -> list[Any]:
        self._note(caller, "glue", "GetPartitions", {"DatabaseName": database, "TableName": name})
        found: list[Any] = self._inner.between(caller, database, name, first, last)
        return found

    def some(self, caller: Caller, database: str, name: str, wanted: Iterable[tuple[str, ...]]) -> list[Any]:
        self._note(caller, "glue", "BatchGetPartition", {"DatabaseName": database, "TableName": name})
        found: list[Any] = self._inner.some(caller, database, name, wanted)
        return found

    def add(self, caller: Caller, table: dict[str, Any], inputs: Iterable[dict[str, Any]]) -> list[tuple[str, ...]]:
        added = list(inputs)
        if added:
            self._change(caller, "BatchCreatePartition", table)
        present: list[tuple[str, ...]] = self._inner.add(caller, table, added)
        return present

    def replace(self, caller: Caller, table: dict[str, Any], values: tuple[str, ...], item: dict[str, Any]) -> None:
        self._change(caller, "UpdatePartition", table)
        self._inner.replace(caller, table, values, item)

    def remove(self, caller: Caller, table: dict[str, Any], values: tuple[str, ...]) -> bool:
        self._change(caller, "DeletePartition", table)
        gone: bool = self._inner.remove(caller, table, values)
        return gone

    def _change(self, caller: Caller, operation: str, table: Mapping[str, Any]) -> None:
        self._note(caller, "glue", operation, {"DatabaseName": table["DatabaseName"], "TableName": table["Name"]})


def _object(uri: str) -> dict[str, str]:
    bucket, key = split_uri(uri)
    return {"Bucket": bucket, "Key": key}
