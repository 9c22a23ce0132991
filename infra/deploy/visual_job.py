"""The visual Glue job, made through Glue's API: CloudFormation's AWS::Glue::Job takes no nodes.

The stack of infra/lake.yaml owns what the job uses: its role, its table, and the job `refine`, whose worker type,
timeout and log groups it shares. This module alone makes and changes the job; `make destroy` deletes it.

Glue writes a script of its own to the job's ScriptLocation when it is told nodes. So the script that infra/visual
writes goes there after each such call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.checkout import ROOT
from infra.deploy import bundle
from infra.visual import nodes, script

# What the job takes over from the job `refine`.
_SHARED = (
    "Role", "GlueVersion", "ExecutionClass", "WorkerType", "NumberOfWorkers", "Timeout", "MaxRetries",
    "ExecutionProperty",
)  # fmt: skip
_NODES = "CodeGenConfigurationNodes"
# The log group, and the region that Spark asks.
_SHARED_ARGUMENTS = ("--custom-logGroup-prefix", "--conf")


def name_of(database: str) -> str:
    """Return the job's name in a lake."""
    return f"{database}-visual"


@dataclass(frozen=True)
class VisualJob:
    """The job as a checkout has it.

    Attributes:
        bucket: the lake's bucket.
        database: the lake's database.
        package_key: key of the ZIP of the jobs' packages.
        root: the checkout.
    """

    bucket: str
    database: str
    package_key: str
    root: Path = ROOT

    @property
    def name(self) -> str:
        """The job's name."""
        return name_of(self.database)

    @property
    def nodes(self) -> dict[str, dict[str, Any]]:
        """The nodes, for this lake."""
        return nodes.read(nodes.path_of(root=self.root), LakeBucket=self.bucket, Database=self.database)

    @property
    def script(self) -> bytes:
        """The script of the nodes."""
        return script.write(self.nodes)

    @property
    def objects(self) -> dict[str, bytes]:
        """The objects of the lake's bucket by key: the script."""
        body = self.script
        return {f"{bundle.GLUE_CODE}visual-{bundle.digest(body)}.py": body}

    def definition(self, refine: Mapping[str, Any]) -> dict[str, Any]:
        """Return the job as Glue's API takes it, without its name.

        Args:
            refine: the job `refine` as Glue has it.
        """
        (script_key,) = self.objects
        return {
            **{name: refine[name] for name in _SHARED if name in refine},
            "JobMode": "VISUAL",
            "Description": "Sums of the indexes' constituents, as visual nodes; made by make deploy",
            "Command": {
                "Name": "glueetl",
                "PythonVersion": "3",
                "ScriptLocation": f"s3://{self.bucket}/{script_key}",
            },
            "DefaultArguments": {
                "--job-language": "python",
                "--extra-py-files": f"s3://{self.bucket}/{self.package_key}",
                **{name: refine["DefaultArguments"][name] for name in _SHARED_ARGUMENTS},
            },
            _NODES: self.nodes,
        }


@dataclass(frozen=True)
class JobChange:
    """`+` a job, or `~` its definition."""

    sign: str
    name: str

    def __str__(self) -> str:
        return f"{self.sign} Glue job {self.name}"


def find(glue: Any, name: str) -> dict[str, Any] | None:
    """Return a job as Glue has it, None where there is none."""
    try:
        job: dict[str, Any] = glue.get_job(JobName=name)["Job"]
    except glue.exceptions.EntityNotFoundException:
        return None
    return job


def plan(glue: Any, wanted: VisualJob, refine_name: str) -> JobChange | None:
    """Return what makes the job as it is wanted, None if it is."""
    found = find(glue, wanted.name)
    if found is None:
        return JobChange("+", wanted.name)
    refine = find(glue, refine_name)
    if refine and is_as_wanted(found, wanted.definition(refine)):
        return None
    return JobChange("~", wanted.name)


def apply(glue: Any, wanted: VisualJob, refine_name: str) -> None:
    """Create the job, or replace its definition; its script is to be put after this."""
    definition = wanted.definition(glue.get_job(JobName=refine_name)["Job"])
    if find(glue, wanted.name) is None:
        glue.create_job(Name=wanted.name, **definition)
    else:
        glue.update_job(JobName=wanted.name, JobUpdate=definition)


def is_as_wanted(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Return whether a job has this definition: its nodes and no others, and what else is wanted."""
    rest = {name: value for name, value in wanted.items() if name != _NODES}
    return _holds(found, rest) and are_same_nodes(found.get(_NODES) or {}, wanted[_NODES])


def are_same_nodes(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Return whether nodes are the same: ids, types and fields. Glue may add fields to a node, if they are empty."""
    return _types(found) == _types(wanted) and _holds(found, wanted, only_empty_more=True)


def _types(of: Mapping[str, Any]) -> dict[str, set[str]]:
    return {identity: set(node) for identity, node in of.items()}


def _holds(found: Any, wanted: Any, *, only_empty_more: bool = False) -> bool:
    """Return whether all that is wanted is found; Glue adds defaults of its own.

    Args:
        only_empty_more: whether what Glue adds must be empty.
    """
    if isinstance(wanted, Mapping):
        return (
            isinstance(found, Mapping)
            and not (only_empty_more and any(found[name] for name in found.keys() - wanted.keys()))
            and all(
                name in found and _holds(found[name], value, only_empty_more=only_empty_more)
                for name, value in wanted.items()
            )
        )
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(found) == len(wanted)
            and all(
                _holds(one, other, only_empty_more=only_empty_more) for one, other in zip(found, wanted, strict=True)
            )
        )
    return bool(found == wanted)
