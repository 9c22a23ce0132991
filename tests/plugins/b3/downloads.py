"""Downloads from B3 that a test did not have to ask for."""

import datetime as dt
import hashlib
import io

from b3.site.hook import Download

URL = "https://b3.example/"


def downloaded(sent: bytes, at: dt.datetime | None = None) -> tuple[io.BytesIO, Download]:
    """A download of these bytes at an instant, by default now."""
    at = at or dt.datetime.now(dt.UTC)
    return io.BytesIO(sent), Download(URL, hashlib.sha256(sent).hexdigest(), len(sent), at, "b3")
