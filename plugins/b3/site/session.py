"""The HTTP session to B3: credentials by host, never from ~/.netrc, and connections that a clock can end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth

from b3.site.bounds import Watch
from b3.site.urls import origin

Origin = tuple[str, int | None]


class Session(requests.Session):
    """A requests session. Proxies and the CA bundle come from the environment, as requests reads them.

    It does not follow redirects: `b3.site.redirects` does.

    Args:
        credentials: user and password, by the host and port that they are sent to.

    Attributes:
        watch: ends the session's connections when an answer takes too long.
    """

    def __init__(self, credentials: Mapping[Origin, tuple[str, str]]) -> None:
        super().__init__()
        self.watch = Watch()
        # With `auth` of its own, a session does not look into ~/.netrc.
        self.auth = _Credentials(credentials)
        for scheme in ("http://", "https://"):
            self.mount(scheme, _WatchedAdapter(self.watch))

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None. requests would read the whole body of a redirect, and go to any host."""

    def location(self, answer: requests.Response) -> str | None:
        """Return the Location of a redirect as sent, None if the answer is no redirect."""
        return super().get_redirect_target(answer)


class _Credentials(AuthBase):
    """Send user and password to the host and port that they belong to, and to no other."""

    def __init__(self, by_origin: Mapping[Origin, tuple[str, str]]) -> None:
        self._by_origin = by_origin

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        given = self._by_origin.get(origin(request.url or ""))
        return HTTPBasicAuth(*given)(request) if given else request


class _WatchedAdapter(HTTPAdapter):
    """Show each new connection to the watch."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        super().__init__()

    def get_connection_with_tls_context(self, *arguments: Any, **named: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*arguments, **named)
        kind = pool.ConnectionCls
        if not hasattr(kind, "watch"):
            # urllib3 makes connections of the pool's class; their sockets can be had in no other documented way.
            pool.ConnectionCls = type("WatchedConnection", (_Watched, kind), {"watch": self._watch})
        return pool


class _Watched:
    """A part of a connection's class: it shows the socket to `watch`, an attribute of the class."""

    watch: Watch
    sock: Any

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        self.watch.add(self.sock)
