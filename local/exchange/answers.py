"""The answers of the exchange, and the error pages of a web server."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from http import HTTPStatus
from typing import BinaryIO

HTML = "text/html; charset=iso-8859-1"
UTF8_HTML = "text/html; charset=utf-8"
JSON = "application/json; charset=utf-8"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ZIP = "application/x-zip-compressed"


@dataclass(frozen=True)
class Answer:
    """An HTTP response. A body on disk is an open file, so that it is sent without loading it into memory."""

    status: HTTPStatus
    content_type: str
    body: bytes | BinaryIO
    etag: str = ""
    last_modified: dt.datetime | None = None
    retry_after: int | None = None


def page(status: HTTPStatus, title: str, text: str) -> Answer:
    """Return a small HTML page, as web servers send in place of a missing file."""
    body = f"<html><head><title>{title}</title></head>\n<body><h1>{title}</h1><p>{text}</p></body></html>\n"
    return Answer(status, HTML, body.encode("latin-1"))


def not_found() -> Answer:
    """Return a 404 with its page."""
    return page(HTTPStatus.NOT_FOUND, "404 - Not Found", "The resource you are looking for does not exist.")
