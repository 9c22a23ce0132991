"""What a value has that its shape in AWS's API does not allow: members, types, enums, patterns and lengths."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from botocore.model import Shape

# The characters beyond U+FFFF, as a pattern of AWS names them and as one of Python does.
ASTRAL = (r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF")
_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "structure": (Mapping,), "map": (Mapping,), "list": (list,), "string": (str,), "boolean": (bool,),
    "integer": (int,), "long": (int,), "float": (int, float), "double": (int, float),
    "timestamp": (int, float, datetime), "blob": (str, bytes),
}  # fmt: skip
_TEXTS = {
    "boolean": re.compile("true|false"), "integer": re.compile(r"-?\d+"), "long": re.compile(r"-?\d+"),
    "float": re.compile(r"-?\d+(\.\d+)?([eE][-+]?\d+)?"), "double": re.compile(r"-?\d+(\.\d+)?([eE][-+]?\d+)?"),
    "timestamp": re.compile(
        r"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:?\d\d)|\w{3}, \d\d \w{3} \d{4} [\d:]+ GMT|\d+(\.\d+)?"
    ),
}  # fmt: skip


def misfits(value: Any, shape: Shape | None, place: str = "", *, texts: bool = False) -> Iterator[str]:
    """Give a sentence for each thing that does not fit.

    Args:
        value: what was sent or answered, by the names of the shape's members.
        shape: the shape of it; None allows nothing.
        place: the member that `value` is.
        texts: numbers, booleans and instants may be text, as they are in XML, forms and headers.
    """
    if shape is None:
        if value:
            yield f"{place}: expected nothing, found {sorted(value)}"
        return
    kind = shape.type_name
    if texts and isinstance(value, str) and kind in _TEXTS:
        if not _TEXTS[kind].fullmatch(value):
            yield f"{place}: expected {kind}, found {value!r}"
        return
    if not isinstance(value, _PYTHON_TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
        yield f"{place}: expected {kind}, found {value!r}"
    elif kind == "structure":
        yield from _members(value, shape, place, texts=texts)
    elif kind == "map":
        for key, each in value.items():
            yield from misfits(key, shape.key, f"{place} key", texts=texts)
            yield from misfits(each, shape.value, f"{place}.{key}", texts=texts)
    elif kind == "list":
        for each in value:
            yield from misfits(each, shape.member, f"{place}[]", texts=texts)
    elif kind == "string":
        yield from _text(value, shape, place)
    if kind in ("string", "list", "integer", "long") and not isinstance(value, bool):
        yield from _size(value, shape, place)


def _members(value: Mapping[str, Any], shape: Shape, place: str, *, texts: bool) -> Iterator[str]:
    for name in shape.required_members:
        if value.get(name) is None:
            yield f"{place}.{name}: expected it, as the model requires it, found nothing"
    for name, each in value.items():
        if name not in shape.members:
            yield f"{place}.{name}: expected a member of the model, found another"
        elif each is not None:
            yield from misfits(each, shape.members[name], f"{place}.{name}", texts=texts)


def _text(value: str, shape: Shape, place: str) -> Iterator[str]:
    pattern = shape.metadata.get("pattern")
    if shape.enum and value not in shape.enum:
        yield f"{place}: expected one of {shape.enum}, found {value!r}"
    if pattern and not re.fullmatch(_python_pattern(pattern), value):
        yield f"{place}: expected {pattern}, found {value!r}"


def _python_pattern(pattern: str) -> str:
    return re.sub(r"\\p\{L\}", "A-Za-zÀ-ɏ", pattern.replace(*ASTRAL)).replace(r"\p{IsLetter}", "A-Za-zÀ-ɏ")


def _size(value: Any, shape: Shape, place: str) -> Iterator[str]:
    size = value if isinstance(value, int) else len(value)
    low, high = (shape.metadata.get(name) for name in ("min", "max"))
    if (low is not None and size < low) or (high is not None and size > high):
        yield f"{place}: expected a size from {low} to {high}, found {size}"
