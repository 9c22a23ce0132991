"""URLs without their secrets: credentials and queries are cut before a URL is kept or said."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit, urlunsplit

from b3.errors import SourceError

_DEFAULT_PORTS = {"http": 80, "https": 443}
# Both stop at quotes and angle brackets, which messages put around a URL.
_CREDENTIALS = re.compile(r"(?<=//)[^\s'\"<>]*@")
_QUERY = re.compile(r"(?<=\S)[?#][^\s'\"<>]+")


def without_secrets(text: str) -> str:
    """Return a URL, or a text with URLs, without credentials, queries and fragments."""
    return _QUERY.sub("?…", _CREDENTIALS.sub("", text))


def split_credentials(url: str, setting: str) -> tuple[str, tuple[str, str] | None]:
    """Return a URL without its secrets, and its user and password if it has them.

    Args:
        url: a URL with scheme and host.
        setting: name of the setting that has the URL, for messages: the URL may hold a password.

    Raises:
        SourceError: the URL has no host, or a port that is no number.
    """
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        named = False
    if not named:
        # Not the cause: its text quotes what may be a part of a password.
        raise SourceError(
            source=setting,
            expected="a URL as https://host:port, or https://user:password@host:port with %-escapes",
            found="a text that is no such URL",
            hint=f"Correct {setting}; write / ? # @ and : of a password as %2F %3F %23 %40 %3A.",
        ) from None
    user_info, _, host = parts.netloc.rpartition("@")
    user, _, password = user_info.partition(":")
    bare = urlunsplit((parts.scheme, host, parts.path, "", "")).rstrip("/")
    return bare, (unquote(user), unquote(password)) if user_info else None


def origin(url: str) -> tuple[str, int | None]:
    """Return the host and port of a URL, in lower case and with the scheme's default port.

    Raises:
        ValueError: the URL can't be split, or its port is no number.
    """
    parts = urlsplit(url)
    return (parts.hostname or "").lower(), parts.port or _DEFAULT_PORTS.get(parts.scheme)
