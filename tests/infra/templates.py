"""Reads the templates of infra/."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.places import ROOT

INFRA = ROOT / "infra"
LAKE, MWAA, GITHUB = INFRA / "lake.yaml", INFRA / "mwaa.yaml", INFRA / "github.yaml"
ARRIVALS, STREAM = INFRA / "arrivals.yaml", INFRA / "stream.yaml"


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms as their long ones."""


def _intrinsic(loader: _Loader, name: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]
    return {name if name in ("Ref", "Condition") else f"Fn::{name}": value}


_Loader.add_multi_constructor("!", _intrinsic)


def load(template: Path) -> dict[str, Any]:
    """A template, its short forms as long ones."""
    return yaml.load(template.read_text(), _Loader)


def strings(node: Any) -> Iterator[str]:
    """Every text in a part of a template."""
    if isinstance(node, dict):
        node = [*node.keys(), *node.values()]
    if isinstance(node, list):
        for item in node:
            yield from strings(item)
    elif isinstance(node, str):
        yield node


def policies(template: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every statement of the roles' policies, with its resource's logical id."""
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        documents = []
        if resource["Type"] == "AWS::IAM::Role":
            documents = [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
        elif resource["Type"] in ("AWS::IAM::RolePolicy", "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
            documents = [properties["PolicyDocument"]]
        for document in documents:
            for statement in document["Statement"]:
                yield name, statement
