"""Which operation an exchange is, and what its request and its answer say, as the operation's model names it."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

from botocore.loaders import create_loader
from botocore.model import OperationModel, ServiceModel, Shape
from botocore.parsers import RpcV2CBORParser

from local.aws.exchanges import CBOR, Exchange

# The services whose name in a signature is not botocore's.
_NAMES = {"monitoring": "cloudwatch", "servicequotas": "service-quotas", "airflow": "mwaa"}
_RPC_PATH = re.compile(r"/service/\w+/operation/(\w+)")
_S3_RESULT = re.compile(r"\{[^}]*\}")


@dataclass(frozen=True)
class Call:
    """An exchange by its model: `unknown` are members that the model of the answer does not have."""

    service: str
    operation: OperationModel
    request: dict[str, Any]
    status: int
    answer: dict[str, Any] | None
    error: str | None
    unknown: tuple[str, ...] = ()


@cache
def model(service: str) -> ServiceModel:
    """Return the model of a service, by the name that requests are signed for."""
    name = _NAMES.get(service, service)
    # Read anew: a client of S3 takes the bucket out of the paths of the model that it was given.
    return ServiceModel(create_loader().load_service_model(name, "service-2"), name)


def call_of(exchange: Exchange) -> Call:
    """Return what an exchange is.

    Raises:
        ValueError: the service's model has no such operation.
    """
    service = model(exchange.service)
    if "x-amz-target" in exchange.headers:
        operation = _operation(service, exchange.headers["x-amz-target"].rpartition(".")[2])
        request = _fields(json.loads(exchange.body or "{}"), operation.input_shape)
    elif exchange.headers.get("content-type") == CBOR and (named := _RPC_PATH.fullmatch(exchange.path)):
        operation = _operation(service, named[1])
        request = _from_cbor(exchange.body)
    elif form := dict(parse_qsl(exchange.body, keep_blank_values=True)) if _is_form(service) else {}:
        operation = _operation(service, form["Action"])
        request = _from_form(form, operation.input_shape, ec2=service.metadata["protocol"] == "ec2")
    else:
        operation = _by_address(service, exchange)
        request = _from_rest(exchange, operation)
    unknown: list[str] = []
    if exchange.status >= 300:
        return Call(exchange.service, operation, request, exchange.status, None, _error(exchange))
    answer = _answer(exchange, operation, unknown)
    return Call(exchange.service, operation, request, exchange.status, answer, None, tuple(unknown))


def _is_form(service: ServiceModel) -> bool:
    return service.metadata["protocol"] in ("query", "ec2") or service.resolved_protocol == "query"


def _operation(service: ServiceModel, name: str) -> OperationModel:
    if name not in service.operation_names:
        raise ValueError(f"expected an operation of {service.service_name}, found {name!r}")
    return service.operation_model(name)


def _by_address(service: ServiceModel, exchange: Exchange) -> OperationModel:
    """Return the operation that says most of what the request has in its address and its headers."""
    query = dict(parse_qsl(exchange.query, keep_blank_values=True))
    fitting = [
        (score, operation.name)
        for operation in map(service.operation_model, service.operation_names)
        if (score := _fit(operation, exchange, query)) is not None
    ]
    if not fitting:
        raise ValueError(f"expected an operation of {service.service_name}, found {exchange.method} {exchange.path}")
    return service.operation_model(max(fitting)[1])


def _fit(operation: OperationModel, exchange: Exchange, query: Mapping[str, str]) -> tuple[int, int] | None:
    path, _, fixed = str(operation.http["requestUri"]).partition("?")
    if operation.http["method"] != exchange.method or not _path_pattern(path).fullmatch(exchange.path):
        return None
    given = dict(parse_qsl(fixed, keep_blank_values=True))
    if any(name not in query or (value and query[name] != value) for name, value in given.items()):
        return None
    members, required = _members(operation.input_shape), _required(operation.input_shape)
    places = {name: _place(member, name) for name, member in members.items()}
    for name in required:
        kind, key = places[name]
        if (kind == "querystring" and key not in query) or (kind == "header" and key.lower() not in exchange.headers):
            return None
    known = {key for kind, key in places.values() if kind == "querystring"} | set(given)
    return 2 * len(given) + len([name for name in required if places[name][0] in ("querystring", "header")]), -len(
        set(query) - known
    )


@cache
def _path_pattern(path: str) -> re.Pattern[str]:
    parts = [
        "(.+)" if piece.endswith("+}") else "([^/]+)" if piece.startswith("{") else re.escape(piece)
        for piece in re.split(r"(\{[^}]+\})", path)
    ]
    return re.compile("".join(parts) + "/?")


def _place(member: Shape, name: str) -> tuple[str | None, str]:
    return member.serialization.get("location"), str(member.serialization.get("name", name))


def _members(shape: Shape | None) -> Mapping[str, Shape]:
    return shape.members if shape is not None else {}


def _required(shape: Shape | None) -> list[str]:
    return list(shape.required_members) if shape is not None else []


def _from_rest(exchange: Exchange, operation: OperationModel) -> dict[str, Any]:
    query = dict(parse_qsl(exchange.query, keep_blank_values=True))
    path = str(operation.http["requestUri"]).partition("?")[0]
    labels = [label.strip("{+}") for label in _S3_RESULT.findall(path)]
    matched = _path_pattern(path).fullmatch(exchange.path)
    in_path = dict(zip(labels, matched.groups(), strict=True)) if matched else {}
    found: dict[str, Any] = {}
    for name, member in _members(operation.input_shape).items():
        kind, key = _place(member, name)
        where = {"uri": in_path, "querystring": query, "header": exchange.headers}.get(kind or "", {})
        key = key.lower() if kind == "header" else key
        if key in where:
            found[name] = where[key]
        elif kind == "headers":
            found[name] = {
                header: value for header, value in exchange.headers.items() if header.startswith(key.lower())
            }
    return found | _from_body(exchange.body, operation.input_shape, [])


def _from_cbor(body: str) -> dict[str, Any]:
    if not body:
        return {}
    parser = RpcV2CBORParser()
    value: dict[str, Any] = parser.parse_data_item(parser.get_peekable_stream_from_bytes(body.encode("latin-1")))
    return value


def _from_body(body: str, shape: Shape | None, unknown: list[str]) -> dict[str, Any]:
    if shape is None or not body.strip():
        return {}
    payload = shape.serialization.get("payload")
    inner = shape.members[payload] if payload else shape
    if inner.type_name != "structure":
        return {str(payload): body}
    if body.lstrip().startswith("<"):
        value = _from_xml(ElementTree.fromstring(body), inner, unknown, inner.name)
    else:
        value = _fields(json.loads(body), inner)
    return {str(payload): value} if payload else dict(value)


def _answer(exchange: Exchange, operation: OperationModel, unknown: list[str]) -> dict[str, Any]:
    shape = operation.output_shape
    if shape is None:
        return {}
    found = {}
    for name, member in shape.members.items():
        kind, key = _place(member, name)
        if kind == "header" and key.lower() in exchange.answer_headers:
            found[name] = exchange.answer_headers[key.lower()]
        elif kind == "statusCode":
            found[name] = exchange.status
    body = exchange.answer
    if not body.strip():
        return found
    if exchange.answer_headers.get("content-type") == CBOR:
        value = _from_cbor(body)
        unknown += _unknown(value, shape, operation.name)
        return found | value
    if _is_form(operation.service_model) and body.lstrip().startswith("<"):
        node = ElementTree.fromstring(body)
        wrapper = shape.serialization.get("resultWrapper")
        inner = next((child for child in node if _tag(child) == wrapper), None) if wrapper else node
        answer = {} if inner is None else _from_xml(inner, shape, unknown, operation.name)
        unknown[:] = [name for name in unknown if not name.endswith((".requestId", ".ResponseMetadata"))]
        return found | answer
    if "json" in exchange.answer_headers.get("content-type", "") and not shape.serialization.get("payload"):
        value = json.loads(body)
        unknown += _unknown(value, shape, operation.name)
        return found | _fields(value, shape)
    if operation.name == "GetBucketLocation":
        return {"LocationConstraint": ElementTree.fromstring(body).text or ""}
    return found | _from_body(body, shape, unknown)


def _error(exchange: Exchange) -> str:
    body = exchange.answer.strip()
    if body.startswith("<"):
        codes = [node.text or "" for node in ElementTree.fromstring(body).iter() if _tag(node) == "Code"]
        return codes[0] if codes else ""
    if body.startswith("{"):
        said = json.loads(body)
        return str(said.get("__type") or said.get("code") or "").rpartition("#")[2]
    return exchange.answer_headers.get("x-amzn-errortype", str(exchange.status))


def _fields(value: Any, shape: Shape | None) -> dict[str, Any]:
    """Return a JSON object by the names of its shape's members."""
    names = {member.serialization.get("name", name): name for name, member in _members(shape).items()}
    return {names.get(name, name): each for name, each in value.items()}


def _unknown(value: Any, shape: Shape, place: str) -> Iterator[str]:
    """Give the members of a JSON value that its shape does not have."""
    if value is None:
        return
    if shape.type_name == "structure" and isinstance(value, Mapping):
        members = {member.serialization.get("name", name): member for name, member in shape.members.items()}
        for name, each in value.items():
            if name in members:
                yield from _unknown(each, members[name], f"{place}.{name}")
            else:
                yield f"{place}.{name}"
    elif shape.type_name == "list" and isinstance(value, list):
        for each in value:
            yield from _unknown(each, shape.member, place)
    elif shape.type_name == "map" and isinstance(value, Mapping):
        for each in value.values():
            yield from _unknown(each, shape.value, place)


def _tag(node: ElementTree.Element) -> str:
    return node.tag.rpartition("}")[2]


def _from_xml(node: ElementTree.Element, shape: Shape, unknown: list[str], place: str) -> Any:
    if shape.type_name == "structure":
        return _structure(node, shape, unknown, place)
    if shape.type_name == "list":
        return [_from_xml(child, shape.member, unknown, place) for child in node]
    if shape.type_name == "map":
        pairs = [{_tag(child): child for child in entry} for entry in node]
        return {pair["key"].text or "": _from_xml(pair["value"], shape.value, unknown, place) for pair in pairs}
    return node.text or ""


def _structure(node: ElementTree.Element, shape: Shape, unknown: list[str], place: str) -> dict[str, Any]:
    by_tag: dict[str, tuple[str, Shape]] = {}
    for name, member in shape.members.items():
        if member.serialization.get("location"):
            continue
        tag = member.serialization.get("name", name)
        if member.type_name == "list" and member.serialization.get("flattened"):
            tag = member.member.serialization.get("name", tag)
        by_tag[tag] = name, member
    found: dict[str, Any] = {}
    for child in node:
        if _tag(child) not in by_tag:
            unknown.append(f"{place}.{_tag(child)}")
            continue
        name, member = by_tag[_tag(child)]
        inside = f"{place}.{name}"
        if member.type_name == "list" and member.serialization.get("flattened"):
            found.setdefault(name, []).append(_from_xml(child, member.member, unknown, inside))
        else:
            found[name] = _from_xml(child, member, unknown, inside)
    return found


def _from_form(form: Mapping[str, str], shape: Shape | None, prefix: str = "", *, ec2: bool = False) -> dict[str, Any]:
    found = {}
    for name, member in _members(shape).items():
        key = str(member.serialization.get("name", name))
        key = str(member.serialization.get("queryName", key[:1].upper() + key[1:])) if ec2 else key
        value = _form_value(form, member, f"{prefix}{key}", ec2=ec2)
        if value not in (None, [], {}):
            found[name] = value
    return found


def _form_value(form: Mapping[str, str], shape: Shape, key: str, *, ec2: bool) -> Any:
    if shape.type_name == "structure":
        return _from_form(form, shape, f"{key}.", ec2=ec2)
    if shape.type_name not in ("list", "map"):
        return form.get(key)
    flat = ec2 or shape.serialization.get("flattened")
    middle = "" if flat else "entry." if shape.type_name == "map" else f"{_member_name(shape)}."
    numbers = sorted({int(one[1]) for name in form if (one := re.match(re.escape(f"{key}.{middle}") + r"(\d+)", name))})
    items = [f"{key}.{middle}{number}" for number in numbers]
    if shape.type_name == "list":
        return [_form_value(form, shape.member, item, ec2=ec2) for item in items]
    key, value = shape.key.serialization.get("name", "key"), shape.value.serialization.get("name", "value")
    return {form[f"{item}.{key}"]: _form_value(form, shape.value, f"{item}.{value}", ec2=ec2) for item in items}


def _member_name(shape: Shape) -> str:
    return str(shape.member.serialization.get("name", "member"))
