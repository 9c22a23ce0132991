"""AWS's Signature Version 4, on the side that checks it. Standard library only."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote_to_bytes

from local.aws.errors import AwsError

SKEW = dt.timedelta(minutes=15)
LONGEST_PRESIGNED = dt.timedelta(days=7)
_ALGORITHM = "AWS4-HMAC-SHA256"
_HEADER = re.compile(rf"{_ALGORITHM}\s+Credential=([^,\s]+),\s*SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]{{64}})")
_PRESIGNED = frozenset(
    f"X-Amz-{name}" for name in ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature")
)
_DIGEST = re.compile(r"[0-9a-f]{64}")
# What stands for the digest of a body that is not signed as a whole.
_UNSIGNED = re.compile(r"UNSIGNED-PAYLOAD|STREAMING-[A-Z0-9-]+")


@dataclass(frozen=True)
class Request:
    """A request as it came: the path and the query as sent, header names in lower case."""

    method: str
    raw_path: bytes
    query: bytes
    headers: Sequence[tuple[bytes, bytes]]

    def header(self, name: str) -> str:
        """Return the first value of a header, empty without one."""
        return next((value.decode("latin-1") for key, value in self.headers if key == name.encode()), "")


@dataclass(frozen=True)
class Signed:
    """What a request says of its signature. `expires` is None where the signature is in the header."""

    access_key: str
    date: str
    scope: str
    headers: tuple[str, ...]
    signature: str
    expires: str | None

    @property
    def service(self) -> str:
        """The service that the request was signed for."""
        return self.scope.split("/")[2]


def signed(request: Request) -> Signed:
    """Return what the Authorization header or the presigned query says.

    Raises:
        AwsError: MissingAuthenticationToken if neither is there, IncompleteSignature if it cannot be read.
    """
    authorization = request.header("authorization")
    query = {name: value for name, value in _query(request.query) if name.startswith("X-Amz-")}
    if authorization:
        found = _HEADER.fullmatch(authorization.strip())
        if not found:
            raise AwsError("IncompleteSignature", f"expected an Authorization header of {_ALGORITHM}", 403)
        credential, names, signature = found[1], found[2], found[3]
        date, expires = request.header("x-amz-date"), None
    elif "X-Amz-Signature" in query:
        if query.get("X-Amz-Algorithm") != _ALGORITHM:
            raise AwsError("IncompleteSignature", f"expected a query signed by {_ALGORITHM}", 403)
        credential, names = query.get("X-Amz-Credential", ""), query.get("X-Amz-SignedHeaders", "")
        signature = query["X-Amz-Signature"]
        date, expires = query.get("X-Amz-Date", ""), query.get("X-Amz-Expires", "")
    else:
        raise AwsError("MissingAuthenticationToken", "expected a signed request, found no signature", 403)
    access_key, _, scope = credential.partition("/")
    if not re.fullmatch(r"\d{8}/[\w-]+/[\w-]+/aws4_request", scope) or not date.startswith(scope[:8]):
        raise AwsError("IncompleteSignature", "expected a credential of date, region and service, and X-Amz-Date", 403)
    return Signed(access_key, date, scope, tuple(names.split(";")), signature, expires)


def in_the_header(request: Request, claim: Signed) -> Request:
    """Return a presigned request as one whose signature is in the header. It no longer proves anything."""
    parts = request.query.split(b"&")
    query = b"&".join(part for part in parts if _text(part.partition(b"=")[0]) not in _PRESIGNED)
    credential = f"Credential={claim.access_key}/{claim.scope}"
    header = f"{_ALGORITHM} {credential}, SignedHeaders={';'.join(claim.headers)}, Signature={claim.signature}"
    return replace(request, query=query, headers=[*request.headers, (b"authorization", header.encode("latin-1"))])


def payload_digest(request: Request, claim: Signed) -> str | None:
    """Return the body's digest that the request names, or None: then the body itself has to be read for it."""
    named = request.header("x-amz-content-sha256") or ("UNSIGNED-PAYLOAD" if claim.expires is not None else "")
    if named and not _DIGEST.fullmatch(named) and not _UNSIGNED.fullmatch(named):
        raise AwsError("InvalidRequest", f"expected a SHA-256 in x-amz-content-sha256, found {named!r}", 400)
    return named or None


def names_body(digest: str) -> bool:
    """Return whether `digest` is that of a body, so that the body can be held against it."""
    return bool(_DIGEST.fullmatch(digest))


def check(request: Request, claim: Signed, digest: str, secret: str, now: dt.datetime) -> None:
    """Raise AwsError unless `claim` is this request's signature by `secret`, and in time.

    Args:
        request: the request.
        claim: what the request says of its signature.
        digest: the body's SHA-256 in hex, or what stands for it.
        secret: the secret access key.
        now: the time of the check, with its zone.
    """
    _check_date(claim, now)
    sent = {name.decode("latin-1") for name, _ in request.headers}
    unsigned = {name for name in sent if name == "host" or name.startswith("x-amz-")} - set(claim.headers)
    if unsigned or "host" not in claim.headers:
        raise AwsError("SignatureDoesNotMatch", f"expected these headers to be signed: {sorted(unsigned)}", 403)
    canonical = hashlib.sha256(_canonical(request, claim, digest)).hexdigest()
    text = "\n".join((_ALGORITHM, claim.date, claim.scope, canonical))
    expected = hmac.new(_key(secret, claim.scope), text.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), claim.signature.encode()):
        raise AwsError("SignatureDoesNotMatch", "expected a request signed with this lake's key, found another", 403)


def _check_date(claim: Signed, now: dt.datetime) -> None:
    try:
        made = dt.datetime.strptime(claim.date, "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC)
        valid = SKEW if claim.expires is None else dt.timedelta(seconds=int(claim.expires))
    except (ValueError, OverflowError):
        found = f"{claim.date!r}, {claim.expires!r}"
        raise AwsError("IncompleteSignature", f"expected a date, found {found}", 403) from None
    if made - now > SKEW or now - made > min(valid, LONGEST_PRESIGNED):
        expected = now.strftime("%Y%m%dT%H%M%SZ")
        raise AwsError("RequestTimeTooSkewed", f"expected a request signed at {expected}, found {claim.date}", 403)


def _canonical(request: Request, claim: Signed, digest: str) -> bytes:
    values: Mapping[str, list[bytes]] = {name: [] for name in claim.headers}
    for name, value in request.headers:
        values.get(name.decode("latin-1"), []).append(b" ".join(value.split()))
    # Only S3 takes the path as it is; for the other services it is encoded once more.
    path = quote(unquote_to_bytes(request.raw_path), safe="/-_.~") or "/"
    pairs = sorted(
        (quote(name, safe="-_.~"), quote(value, safe="-_.~"))
        for name, value in _query(request.query)
        if name != "X-Amz-Signature"
    )
    lines = [
        request.method.encode(),
        (path if claim.service == "s3" else quote(path, safe="/-_.~")).encode(),
        "&".join(f"{name}={value}" for name, value in pairs).encode(),
        *(name.encode() + b":" + b",".join(values[name]) for name in claim.headers),
        b"",
        ";".join(claim.headers).encode(),
        digest.encode(),
    ]
    return b"\n".join(lines)


def _query(query: bytes) -> list[tuple[str, str]]:
    pairs = [part.partition(b"=") for part in query.split(b"&") if part]
    return [(_text(name), _text(value)) for name, _, value in pairs]


def _text(encoded: bytes) -> str:
    return unquote_to_bytes(encoded).decode("utf-8", "surrogateescape")


@functools.lru_cache(maxsize=64)
def _key(secret: str, scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
