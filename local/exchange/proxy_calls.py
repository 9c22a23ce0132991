"""Read calls of B3's web services: a method, and its parameters as compact JSON in base64 in the path."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from local.exchange.answers import JSON, Answer, page

Parameters = Mapping[str, Any]


class BadCall(ValueError):
    """The service does not take the parameters of the call."""


class Paging(NamedTuple):
    """The page that a call asks for, from 1, and its number of rows."""

    number: int
    size: int


def decode(encoded: str) -> Parameters:
    """Return the parameters of a call.

    Raises:
        BadCall: `encoded` is no JSON object in base64.
    """
    try:
        parameters = json.loads(base64.b64decode(encoded, validate=True))
    except ValueError as error:
        raise BadCall("the parameters are not base64 of JSON") from error
    if not isinstance(parameters, dict):
        raise BadCall("the parameters are not a JSON object")
    return parameters


def paging(parameters: Parameters) -> Paging:
    """Return the page that a call asks for.

    Raises:
        BadCall: the call has no page, or an impossible one.
    """
    asked = parameters.get("pageNumber"), parameters.get("pageSize")
    if not all(type(number) is int and number > 0 for number in asked):
        raise BadCall("pageNumber and pageSize must be positive numbers")
    return Paging(*asked)  # type: ignore[arg-type]


def paged(rows: list[dict[str, Any]], header: Mapping[str, Any], paging: Paging) -> Answer:
    """Return one page of `rows` under a header."""
    start = (paging.number - 1) * paging.size
    body = {
        "page": {
            "pageNumber": paging.number,
            "pageSize": paging.size,
            "totalRecords": len(rows),
            "totalPages": -(-len(rows) // paging.size),
        },
        "header": header,
        "results": rows[start : start + paging.size],
    }
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Answer(HTTPStatus.OK, JSON, text.encode())


def refused(error: BadCall) -> Answer:
    """Return a 400, with a page that has the error's text."""
    return page(HTTPStatus.BAD_REQUEST, "400 - Bad Request", str(error))
