"""Tell the faults of a request to B3, and of its status, as a SourceError."""

from __future__ import annotations

import datetime as dt
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import requests
import urllib3

from b3.errors import NotServed, Refused, SourceError, TooSlow, TransientError
from b3.site.urls import without_secrets

if TYPE_CHECKING:
    from b3.site.bounds import Watch

# B3 is behind a content delivery network, which answers 520 to 527 if B3's server fails, and 529 if it is overloaded.
TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504, *range(520, 528), 529})
_MAY_PASS = (
    requests.exceptions.ConnectionError,
    requests.exceptions.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)
# Whatever else a request raises. requests does not wrap all errors of urllib3 and of the standard library.
_ANY = (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError)
# Parts of the text of requests and OpenSSL about a CA bundle that is missing, or has no certificate.
_BAD_BUNDLE = ("CA certificate bundle", "NO_CERTIFICATE_OR_CRL_FOUND", "no certificate or crl found")

_FIREWALL = (
    "B3's firewall, or one on the way, may cut the connection: run the task again later. If it stays so, see extra "
    "`user_agent` of the connection."
)


@contextmanager
def told(url: str, watch: Watch) -> Iterator[None]:
    """Raise a SourceError in place of any fault of the request in the `with` block.

    Args:
        url: the address asked for.
        watch: the clock of the answer.

    Raises:
        TooSlow: the answer's time is over.
        TransientError: the fault may pass.
        SourceError: the fault will not pass.
    """
    try:
        yield
    except _ANY as error:
        # Log tools print the cause too: a cause with a secret in its text is left out.
        secret = any(without_secrets(str(cause)) != str(cause) for cause in _causes(error))
        raise (too_slow(url) if watch.expired else _fault(url, error)) from (None if secret else error)


def too_slow(url: str) -> TooSlow:
    """Return the error about an answer whose time is over."""
    return TooSlow(
        source=url,
        expected="an answer within the time of one answer",
        found="that it was not over yet",
        hint="B3 is slow: run the task again later. Extra `total_timeout` of the connection gives more seconds.",
    )


def check_status(
    answer: requests.Response, url: str, missing: str, *, server: str = "B3", refusals: Mapping[int, str] | None = None
) -> None:
    """Raise a SourceError unless an answer has status 200.

    Args:
        answer: the answer.
        url: the address asked for.
        missing: hint for a 404.
        server: who answers, in hints.
        refusals: hints for statuses by which the server refuses this client on purpose.

    Raises:
        NotServed: 404.
        Refused: a status of `refusals`.
        TransientError: a status of failing servers.
        SourceError: any other status.
    """
    if answer.status_code == 200:
        return
    fields = {
        "source": url,
        "expected": "status 200",
        "found": f"status {answer.status_code} {answer.reason or ''}".rstrip(),
    }
    if answer.status_code == 404:
        raise NotServed(**fields, hint=missing)
    if refusals and answer.status_code in refusals:
        raise Refused(**fields, hint=refusals[answer.status_code])
    if answer.status_code in TRANSIENT_STATUS:
        raise TransientError(
            **fields, hint=f"{server} is failing: run the task again later.", retry_after=_retry_after(answer)
        )
    if answer.status_code == 403:
        hint = "B3's firewall refuses some clients with 403: see extra `user_agent` of the connection."
    else:
        hint = "Open the address in a browser, and look at the answer."
    raise SourceError(**fields, hint=hint)


def _fault(url: str, error: Exception) -> SourceError:
    text = without_secrets(str(error))
    found = f"{type(error).__name__}: {text}".removesuffix(": ")
    if any(part in text for part in _BAD_BUNDLE):
        return SourceError(
            source=url,
            expected="a CA bundle: a PEM file of certificates",
            found=text,
            hint="See extra `ca_bundle` of the connection, and REQUESTS_CA_BUNDLE in the environment.",
        )
    # Any other TLS error means that the connection broke during the handshake or a record.
    if isinstance(error, requests.exceptions.SSLError) and "CERTIFICATE_VERIFY_FAILED" in text:
        return SourceError(
            source=url,
            expected="a certificate chain that verifies",
            found=text,
            hint="Give the missing intermediate certificate with extra `ca_bundle` of the connection.",
        )
    if isinstance(error, _MAY_PASS):
        return TransientError(source=url, expected="a whole answer", found=found, hint=_advice(error))
    return SourceError(
        source=url,
        expected="an answer in HTTP",
        found=found,
        hint="See the host and the extra of the connection, and the proxy in the environment (HTTPS_PROXY).",
    )


def _advice(error: Exception) -> str:
    causes = list(_causes(error))
    if any(isinstance(cause, socket.gaierror | urllib3.exceptions.NameResolutionError) for cause in causes):
        return "See whether this machine resolves the host's name, and run the task again."
    if any(isinstance(cause, requests.exceptions.SSLError | ConnectionResetError) for cause in causes):
        return _FIREWALL
    return "Run the task again."


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all errors that it names: requests and urllib3 put them into `args` and `reason`."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        cause = waiting.pop()
        if isinstance(cause, BaseException) and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            waiting += [*cause.args, getattr(cause, "reason", None), cause.__cause__, cause.__context__]


def _retry_after(answer: requests.Response) -> float | None:
    value = answer.headers.get("Retry-After", "")
    if value.isdecimal():
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    # parsedate_to_datetime returns no zone for "-0000". HTTP dates are in UTC.
    return max(0.0, (at.replace(tzinfo=at.tzinfo or dt.UTC) - dt.datetime.now(dt.UTC)).total_seconds())
