"""Where the checkout is, and the files in it that are named in several places. Standard library only."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def template(name: str, root: Path = ROOT) -> Path:
    """Return the path of a CloudFormation template: lake, mwaa, github, code, arrivals or stream."""
    return root / "infra" / ("deploy/code.yaml" if name == "code" else f"{name}.yaml")


def refine_script(root: Path = ROOT) -> Path:
    """Return the path of the Glue script."""
    return root / "include" / "glue" / "refine_job.py"


def sql(root: Path = ROOT) -> Path:
    """Return the folder of the SQL files."""
    return root / "include" / "sql"
