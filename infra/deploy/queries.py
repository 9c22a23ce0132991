"""The template of Athena's saved queries: one of each SQL file of include/sql/analysis and include/sql/views."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from infra.deploy.errors import DeployError

FOLDERS = ("analysis", "views")


def template(sql: Path) -> dict[str, Any] | None:
    """The template for a folder include/sql, with parameters Database and Workgroup; None if there is no query.

    Raises:
        DeployError: a file asks to be rendered, which Athena's console does not do.
    """
    resources = {}
    for folder in FOLDERS:
        for path in sorted((sql / folder).glob("*.sql")):
            text = path.read_text(encoding="utf-8").strip() + "\n"
            if "{{" in text or "{%" in text:
                raise DeployError(
                    f"expected {path} to run as it is, found a placeholder: Athena's saved queries render none"
                )
            resources[logical_id(folder, path.stem)] = {
                "Type": "AWS::Athena::NamedQuery",
                "Properties": {
                    "Name": path.stem,
                    "Description": description(text),
                    "Database": {"Ref": "Database"},
                    "WorkGroup": {"Ref": "Workgroup"},
                    "QueryString": text,
                },
            }
    if not resources:
        return None
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Saved queries of the B3 data lake, one of each file of include/sql/analysis and views",
        "Parameters": {
            "Database": {"Type": "String", "Description": "Glue database"},
            "Workgroup": {"Type": "String", "Description": "Athena workgroup"},
        },
        "Resources": resources,
    }


def logical_id(folder: str, stem: str) -> str:
    """`analysis`, `top_stocks` → `AnalysisTopStocks`."""
    return "".join(word.capitalize() for word in [folder, *stem.replace("-", "_").split("_")])


def description(sql: str) -> str:
    """The comment that a query begins with, in one line, as far as Athena keeps it."""
    words: list[str] = []
    for line in sql.splitlines():
        if not line.startswith("--"):
            break
        words += line.lstrip("- ").split()
    return " ".join(words)[:1024] or "A query of the B3 data lake"


def text(template: dict[str, Any]) -> str:
    """The template as text that a linter's line numbers mean something in."""
    return json.dumps(template, indent=1, ensure_ascii=False)
