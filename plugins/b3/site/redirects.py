"""Follow redirects within the hosts of the connection, and never from https to http."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from b3.errors import SourceError
from b3.site.faults import told
from b3.site.urls import origin, without_secrets

if TYPE_CHECKING:
    import requests

    from b3.site.session import Session

MOST_REDIRECTS = 10
_HTTPS_PORT = 443
_MOVED = "Open the address in a browser. If B3 moved it, correct b3.site.addresses, or the hosts of the connection."


def get(session: Session, url: str, hosts: Collection[str], **request: Any) -> requests.Response:
    """Return the answer to `url`, whose body is not read yet, after the redirects that are allowed.

    Args:
        session: the HTTP session.
        url: the address.
        hosts: URLs of the hosts that a redirect may name.
        request: further arguments of `requests.Session.get`.

    Raises:
        SourceError: or a subclass: a redirect is not allowed, there are too many, or the request fails.
    """
    at = url
    for _ in range(MOST_REDIRECTS + 1):
        with told(url, session.watch):
            answer = session.get(at, stream=True, **request)
        with told(url, session.watch):
            location = session.location(answer)
        if not location:
            return answer
        # Not read to its end: the body of a redirect has no use.
        answer.close()
        at = _allowed(at, location, hosts, url, answer.status_code)
    raise SourceError(
        source=url,
        expected=f"an answer after at most {MOST_REDIRECTS} redirects",
        found=f"one more, to {without_secrets(at)}",
        hint=_MOVED,
    )


def _allowed(at: str, location: str, hosts: Collection[str], url: str, status: int) -> str:
    """Return the absolute target of a redirect from `at`; raise SourceError if it is not allowed."""
    try:
        target = urljoin(at, location)
        allowed = _is_within(target, hosts) and _is_as_safe(at, target)
    except ValueError:
        target, allowed = location, False
    if allowed:
        return target
    raise SourceError(
        source=url,
        expected=f"an answer, or a redirect within {', '.join(sorted({urlsplit(host).netloc for host in hosts}))}"
        f"{', over https' if urlsplit(at).scheme == 'https' else ''}",
        found=f"status {status}, a redirect to {without_secrets(target)}",
        hint=_MOVED,
    )


def _is_within(target: str, hosts: Collection[str]) -> bool:
    origins = {origin(host) for host in hosts}
    name, port = origin(target)
    # A host may send its clients from http to its https.
    return (name, port) in origins or (port == _HTTPS_PORT and name in {known for known, _ in origins})


def _is_as_safe(at: str, target: str) -> bool:
    schemes = ("https",) if urlsplit(at).scheme == "https" else ("http", "https")
    return urlsplit(target).scheme in schemes
