"""CloudFormation templates as data."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from infra.deploy.errors import DeployError

# CloudFormation's quotas: in a request, and in an object of S3 that a request names.
INLINE_LIMIT = 51_200
OBJECT_LIMIT = 1_000_000
FOLDER = "templates/"


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads CloudFormation's short forms as their long ones, and dates as text."""


def _intrinsic(loader: _Loader, name: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    return {name if name in ("Ref", "Condition") else f"Fn::{name}": value}


_Loader.add_multi_constructor("!", _intrinsic)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _Loader.construct_yaml_str)


def read(path: Path) -> tuple[dict[str, Any], str]:
    """Return a template's content, and its text as CloudFormation takes it in a request.

    GetTemplate gives a question mark for every character that is not ASCII, and each deploy would find a change. So a
    template that says such characters, other than in comments, is sent as JSON, which escapes them. So is one that is
    too large for a request as it stands.

    Raises:
        DeployError: the file is not there, or too large.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DeployError(f"expected a template {path}, found nothing: take a whole checkout") from None
    content = parse(text)
    escapes = not json.dumps(content, ensure_ascii=False).isascii()
    return content, small(content) if escapes or len(text.encode()) > INLINE_LIMIT else text


def parse(text: str) -> dict[str, Any]:
    """A template's content; JSON is YAML."""
    content = yaml.load(text, _Loader)
    if not isinstance(content, dict):
        raise DeployError(f"expected a CloudFormation template, found {type(content).__name__}")
    return content


def small(template: dict[str, Any]) -> str:
    """A template as JSON of the fewest bytes, all of them ASCII.

    Raises:
        DeployError: CloudFormation would not take it from S3 either.
    """
    body = json.dumps(template, separators=(",", ":"))
    if len(body) > OBJECT_LIMIT:
        raise DeployError(
            f"expected a template of at most {OBJECT_LIMIT:,} bytes, which CloudFormation takes from S3, found "
            f"{len(body):,}: split it"
        )
    return body


def argument(s3: Any, bucket: str, stack: str, text: str) -> dict[str, str]:
    """Return how a request names a template: its text, or the address of an object that it is put into.

    Args:
        s3: client of the account.
        bucket: where a template goes that is too large for a request; it is there by then.
        stack: name of the template's stack.
        text: the template, as `read` or `small` gives it.
    """
    if len(text.encode()) <= INLINE_LIMIT:
        return {"TemplateBody": text}
    # Of its content, so that a deploy at the same time sends no other one's.
    key = f"{FOLDER}{stack}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"
    s3.put_object(Bucket=bucket, Key=key, Body=text.encode(), ContentType="application/json")
    return {"TemplateURL": f"{s3.meta.endpoint_url}/{bucket}/{key}"}
