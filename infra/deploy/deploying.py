"""The order of a deploy.

The bucket for code comes first, as a template that is too large for a request goes through it. The Glue script is
there before the job names it, and what MWAA installs before MWAA is told: its constraints, its requirements,
plugins.zip. The DAGs come after the plugins that they import. The visual job comes after the DAGs, as no other DAG
needs it: if Glue refuses it, the rest is deployed. It comes before its script, see `infra.deploy.visual_job`. The
optional stacks of functions come after all that they start, and after their code. What is gone goes last. Each stage is
planned from what is there at that moment, so a deploy that was cut off is mended by the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from infra.deploy import (
    buckets,
    bundle,
    crawl_events,
    functions,
    objects,
    queries,
    stacks,
    templates,
    visual_job,
    zones,
)
from infra.deploy.account import Account
from infra.deploy.arguments import Options
from infra.deploy.errors import DeployError
from infra.deploy.objects import ObjectChange
from infra.deploy.stacks import StackChange
from infra.deploy.visual_job import JobChange, VisualJob

Change = ObjectChange | StackChange | JobChange
Say = Callable[[str], None]
# Parameters of the templates that a deploy gives itself.
OWN = {
    "LakeBucket", "RefineScriptKey", "RefinePackageKey", "LakeStack", "CodeBucket", "RequirementsVersion",
    "PluginsVersion", "AirflowVersion", "CodeKey",
}  # fmt: skip
TO_COME = "<new version>"


@dataclass(frozen=True)
class Stage:
    """A step of a deploy: `plan` reads what is there, and gives what has to change."""

    name: str
    plan: Callable[[], Sequence[Change]]


class Deployment:
    """One deploy of a checkout to an account."""

    def __init__(self, account: Account, options: Options, say: Say) -> None:
        self._account = account
        self._options = options
        self._say = say
        self._s3, self._cloudformation = account.s3, account.cloudformation
        optional = [name for name in functions.NAMES if self._present(options.functions_stack(name))]
        self._functions = functions.wanted(options.functions, optional)
        self._refused = functions.refused(options.functions, optional)
        names = ["lake", "code", *(["mwaa"] if options.mwaa else []), *self._functions]
        self._templates = {name: self._template(name) for name in names}
        self._check_parameters()
        self._check_environment()
        lake, code = self._present(options.stack), self._present(options.code_stack)
        self._lake_is_there = self._owned(options.bucket, options.stack, lake, "LakeBucket")
        self._owned(options.code, options.code_stack, code, "CodeBucket")
        self._bundle = bundle.make(options.root, self._airflow())
        self._function_code = functions.objects(functions.package(options.root)) if self._functions else {}

    def stages(self) -> list[Stage]:
        """The steps, in order."""
        script, lake = Stage("Glue script", self._script), Stage("lake", self._lake)
        return [
            Stage("code bucket", self._code),
            # The first deploy makes the bucket; any other has the script in it before the job names it.
            *([script, lake] if self._lake_is_there else [lake, script]),
            Stage("saved queries", self._queries),
            Stage("packages", self._packages),
            *([Stage("MWAA", self._mwaa)] if self._options.mwaa else []),
            Stage("DAG folder", self._dags),
            Stage("visual job", self._visual),
            Stage("functions' code", lambda: self._missing(self._function_code)),
            *(Stage(name, partial(self._optional, name)) for name in self._functions),
            *(Stage(name, partial(self._removal, name)) for name in self._refused),
            Stage("former scripts", self._former_scripts),
        ]

    def plan(self) -> list[tuple[Stage, Sequence[Change]]]:
        """Every change as far as it can be told now, by stage."""
        return [(stage, stage.plan()) for stage in self.stages()]

    def apply(self, planned: Sequence[tuple[Stage, Sequence[Change]]]) -> None:
        """Go through the stages, each planned anew from what those before it made."""
        for stage, _ in planned:
            changes = stage.plan()
            if changes:
                self._say(f"{stage.name}:")
            for change in changes:
                if isinstance(change, ObjectChange):
                    objects.apply(self._s3, [change], self._say)
                elif isinstance(change, JobChange):
                    visual_job.apply(self._account.glue, self._visual_job, self._refine_name)
                    self._say(f"  {change}")
                else:
                    self._apply_stack(change)
        if self._options.mwaa and (there := self._present(self._options.mwaa_stack)):
            self._say(f"Airflow's UI: {there.outputs['WebserverUrl']}")

    def _apply_stack(self, change: StackChange) -> None:
        if change.name == self._options.stack:
            crawl_events.apply(change, self._apply_lake, self._lake_crawling_by, self._say)
        else:
            stacks.apply(self._cloudformation, change, self._say, argument=self._argument)

    def _apply_lake(self, change: StackChange) -> None:
        clear = partial(buckets.remove, self._s3, self._options.bucket)
        stacks.apply(self._cloudformation, change, self._say, argument=self._argument, clear=clear)

    def _argument(self, stack: str, template: str) -> Mapping[str, str]:
        return templates.argument(self._s3, self._options.code, stack, template)

    def _lake(self) -> Sequence[StackChange]:
        return self._stack("lake", self._options.stack, self._lake_parameters)

    def _lake_crawling_by(self, crawl_by: str) -> Sequence[StackChange]:
        return self._stack("lake", self._options.stack, self._lake_parameters, CrawlBy=crawl_by)

    @property
    def _lake_parameters(self) -> dict[str, str]:
        return {"LakeBucket": self._options.bucket, **self._bundle.glue.parameters}

    def _script(self) -> Sequence[Change]:
        return self._missing(self._bundle.glue.objects)

    def _missing(self, wanted: Mapping[str, bytes]) -> Sequence[ObjectChange]:
        """Objects of the lake's bucket that are not there yet, or have other content."""
        return objects.plan(
            self._options.bucket, wanted, objects.present(self._s3, self._options.bucket, wanted, wanted)
        )

    def _optional(self, name: str) -> Sequence[StackChange]:
        stack, there = self._options.functions_stack(name), self._present(self._options.mwaa_stack)
        (key,) = self._function_code
        given = {
            "LakeStack": self._options.stack,
            "LakeBucket": self._options.bucket,
            "Database": self._database(),
            "CodeKey": key,
        }
        if there and "EnvironmentName" in there.parameters:
            given["EnvironmentName"] = there.parameters["EnvironmentName"]
        former = self._present(stack)
        if former is None or not former.whole:
            # Without an environment of MWAA, only the job can be started. Later deploys keep what was chosen.
            given["Starts"] = "dag" if self._options.mwaa else "job"
        return self._stack(name, stack, given)

    def _removal(self, name: str) -> Sequence[StackChange]:
        return [StackChange("-", self._options.functions_stack(name), None, ())]

    def _visual(self) -> Sequence[Change]:
        job = self._visual_job
        change = visual_job.plan(self._account.glue, job, self._refine_name)
        there = objects.present(self._s3, self._options.bucket, job.objects, job.objects)
        if change is None:
            return objects.plan(self._options.bucket, job.objects, there)
        # Glue writes a script of its own there when it is told the nodes, whatever lies there now.
        sign = "~" if there else "+"
        return [change, *(ObjectChange(sign, self._options.bucket, key, body) for key, body in job.objects.items())]

    @property
    def _visual_job(self) -> VisualJob:
        glue = self._bundle.glue
        return VisualJob(self._options.bucket, self._database(), glue.package_key, self._options.root)

    @property
    def _refine_name(self) -> str:
        return self._output("GlueJob")

    def _database(self) -> str:
        """The lake's database: as this deploy is told, else as the stack has it, else the template's default."""
        name, lake = "Database", self._present(self._options.stack)
        if name in self._options.parameters:
            return self._options.parameters[name]
        if lake and lake.whole:
            return lake.parameters[name]
        return str(self._templates["lake"][0]["Parameters"][name]["Default"])

    def _former_scripts(self) -> Sequence[Change]:
        wanted = self._bundle.glue.objects | self._visual_job.objects | self._function_code
        there = objects.present(self._s3, self._options.bucket, [bundle.GLUE_CODE, functions.CODE], wanted)
        return [change for change in objects.plan(self._options.bucket, wanted, there) if change.sign == "-"]

    def _queries(self) -> Sequence[Change]:
        options = self._options
        template = queries.template(options.sql) if options.queries else None
        there = self._present(options.queries_stack)
        if template is None:
            return [StackChange("-", options.queries_stack, None, ())] if there and options.queries else []
        given = {"Database": self._output("GlueDatabase"), "Workgroup": self._output("AthenaWorkgroup")}
        wanted = stacks.Wanted(options.queries_stack, template, given, templates.small(template))
        return _one(stacks.plan(wanted, there))

    def _code(self) -> Sequence[Change]:
        return self._stack("code", self._options.code_stack, {"CodeBucket": self._options.code})

    def _packages(self) -> Sequence[ObjectChange]:
        wanted = self._bundle.packages
        return objects.plan(
            self._options.code, wanted, objects.present(self._s3, self._options.code, list(wanted), wanted)
        )

    def _mwaa(self) -> Sequence[Change]:
        given = {
            "LakeStack": self._options.stack,
            "CodeBucket": self._options.code,
            "RequirementsVersion": self._version(bundle.REQUIREMENTS),
            "PluginsVersion": self._version(bundle.PLUGINS),
        }
        if self._options.airflow:
            given["AirflowVersion"] = self._options.airflow
        there = self._present(self._options.mwaa_stack)
        if there is None or not there.whole:
            # An environment keeps its zones: they are chosen once.
            given |= zones.choose(self._account.ec2, self._options.parameters)
        return self._stack("mwaa", self._options.mwaa_stack, given)

    def _dags(self) -> Sequence[Change]:
        # A DAG finds the files that it reads: include/ first.
        ordered = sorted(self._bundle.dags.items(), key=lambda item: (not item[0].startswith("include/"), item[0]))
        wanted = {bundle.DAGS + path: body for path, body in ordered}
        there = objects.present(self._s3, self._options.code, [bundle.DAGS], wanted)
        # The constraints are a package's: they have been there since before MWAA was told. Former ones go now.
        return [change for change in objects.plan(self._options.code, wanted, there) if change.key != self._constraints]

    @property
    def _constraints(self) -> str:
        return bundle.DAGS + self._bundle.constraints

    def _stack(self, template: str, name: str, given: dict[str, str], **for_now: str) -> Sequence[StackChange]:
        content, text = self._templates[template]
        declared = content.get("Parameters", {})
        chosen = {key: value for key, value in (self._options.parameters | for_now).items() if key in declared}
        given = {key: value for key, value in given.items() if key in declared}
        return _one(stacks.plan(stacks.Wanted(name, content, given | chosen, text), self._present(name)))

    def _template(self, name: str) -> tuple[dict[str, Any], str]:
        return templates.read(self._options.template(name))

    def _present(self, name: str) -> stacks.Present | None:
        return stacks.present(self._cloudformation, name, self._say)

    def _output(self, name: str) -> str:
        """An output of the lake's stack; before it is made, what stands for it in a plan."""
        lake = self._present(self._options.stack)
        return lake.outputs.get(name, "") if lake and lake.whole else f"<output {name} of {self._options.stack}>"

    def _version(self, key: str) -> str:
        """The version of a package that is there; if it is about to change, what stands for the one to come."""
        if not buckets.exists(self._s3, self._options.code) or any(item.key == key for item in self._packages()):
            return TO_COME
        return str(self._s3.head_object(Bucket=self._options.code, Key=key)["VersionId"])

    def _airflow(self) -> str | None:
        """The version of Airflow that the environment has, or will have; None if there is none to be."""
        if self._options.airflow or not self._options.mwaa:
            return self._options.airflow
        there = self._present(self._options.mwaa_stack)
        if there and there.whole and "AirflowVersion" in there.parameters:
            return there.parameters["AirflowVersion"]
        default = self._templates["mwaa"][0].get("Parameters", {}).get("AirflowVersion", {}).get("Default")
        return None if default is None else str(default)

    def _check_parameters(self) -> None:
        declared = {key for content, _ in self._templates.values() for key in content.get("Parameters", {})}
        for key in self._options.parameters:
            if key in OWN:
                other = ": name the version as AIRFLOW=…" if key == "AirflowVersion" else ""
                raise DeployError(f"expected no value for parameter {key}, which a deploy sets itself{other}")
            if key not in declared:
                raise DeployError(
                    f"expected a parameter of the templates, found {key}: they have {', '.join(sorted(declared - OWN))}"
                )

    def _check_environment(self) -> None:
        name = self._options.mwaa_stack
        if not self._options.mwaa and self._present(name):
            raise DeployError(
                f"expected no environment, as none is to be deployed, found stack {name}: it would get DAGs without "
                "their plugins. Deploy it too, or delete that stack first"
            )

    def _owned(self, bucket: str, stack: str, there: stacks.Present | None, parameter: str) -> bool:
        """Whether the bucket is there as the stack's.

        Raises:
            DeployError: it is there and not the stack's, or the stack's is another one.
        """
        if there and there.whole:
            owned = there.parameters.get(parameter)
            if owned != bucket:
                raise DeployError(
                    f"expected stack {stack} to be that of bucket {bucket}, found that of {owned}: a lake does not "
                    "move; name its bucket, or deploy another stack"
                )
            return buckets.exists(self._s3, bucket)
        if there is None and buckets.exists(self._s3, bucket):
            raise DeployError(
                f"expected no bucket {bucket} yet, as there is no stack {stack}, found one: choose another name, or "
                "delete it if nothing in it is needed"
            )
        return False


def _one(change: StackChange | None) -> Sequence[StackChange]:
    return [] if change is None else [change]
