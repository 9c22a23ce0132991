import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.makefile import TARGETS, recipe
from tests.places import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
each_workflow = pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)


def workflow(file: Path) -> dict[str, Any]:
    # YAML 1.1 takes a bare `on` for true.
    content = yaml.safe_load(file.read_text())
    return {"on" if key is True else key: value for key, value in content.items()}


def steps(file: Path) -> list[dict[str, Any]]:
    return [step for job in workflow(file)["jobs"].values() for step in job["steps"]]


def test_there_are_those_that_audit_that_check_and_that_deploy():
    assert [file.name for file in WORKFLOWS] == ["audit.yml", "ci.yml", "deploy.yml"]


@each_workflow
def test_every_action_is_pinned_by_commit_and_says_its_version(file):
    used = re.findall(r"uses:\s*(.*)", file.read_text())

    assert len(used) == sum("uses" in step for step in steps(file)) > 0
    for action in used:
        assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


def test_an_action_is_the_same_commit_everywhere():
    pins = {tuple(pin.split("@")) for file in WORKFLOWS for pin in re.findall(r"uses:\s*(\S+@\S+)", file.read_text())}

    assert len(pins) == len({action for action, _ in pins})


@each_workflow
def test_no_secret_and_no_long_lived_key_is_used(file):
    text = file.read_text()

    assert "secrets." not in text
    assert not re.search(r"aws[-_](access[-_]key[-_]id|secret[-_]access[-_]key|session[-_]token)", text, re.IGNORECASE)
    assert not re.search(r"\bAKIA[0-9A-Z]{16}\b", text)


@each_workflow
def test_nothing_may_write_to_the_repository(file):
    content = workflow(file)
    granted = [content["permissions"], *(job.get("permissions", {}) for job in content["jobs"].values())]

    assert content["permissions"] == {"contents": "read"}
    assert {name for rights in granted for name, right in rights.items() if right == "write"} <= {"id-token"}
    for step in steps(file):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@each_workflow
def test_every_make_target_is_in_the_makefile(file):
    used = {target for step in steps(file) for target in re.findall(r"\bmake ([a-z-]+)", step.get("run", ""))}

    assert used
    assert used <= TARGETS


@each_workflow
def test_no_expression_is_pasted_into_a_shell(file):
    """A variable's text would be run as a command; matrix values are our own."""
    for step in steps(file):
        assert [name for name in re.findall(r"\$\{\{\s*([\w.]+)", step.get("run", "")) if "matrix." not in name] == []


@each_workflow
def test_every_job_ends_by_itself(file):
    assert all(job["timeout-minutes"] <= 90 for job in workflow(file)["jobs"].values())


def test_checks_run_on_every_push_the_dags_first_and_only_the_newest():
    ci = workflow(ROOT / ".github" / "workflows" / "ci.yml")

    assert ci["on"]["push"] == {"branches": ["**"]}
    assert ci["concurrency"]["cancel-in-progress"] is True
    assert {name for name, job in ci["jobs"].items() if job.get("needs") == "dags"} == {"test", "faults", "mwaa"}
    assert ci["jobs"]["dags"]["steps"][-1]["run"] == "make test-dags"
    assert recipe("test-dags") == ["setup", "@$(PYTHON) -m pytest tests/dags"], "nothing comes before the DAGs"


def test_templates_are_linted_as_make_lint_does_by_the_versions_that_are_locked():
    ci = workflow(ROOT / ".github" / "workflows" / "ci.yml")
    linted = [step["run"] for step in ci["jobs"]["templates"]["steps"] if "run" in step]
    locally = [line.removeprefix("@") for line in recipe("lint") if "cfn-lint" in line or "checkov " in line]

    assert len(locally) == 2
    for command in locally:
        assert command.removeprefix(".venv/bin/") in linted
    assert not [command for command in linted if "==" in command]


def test_checks_run_on_the_versions_of_mwaa_that_are_supported():
    from local.mwaa.versions import VERSIONS

    ci = workflow(ROOT / ".github" / "workflows" / "ci.yml")

    assert ci["jobs"]["mwaa"]["strategy"]["matrix"]["airflow"] == [version.airflow for version in VERSIONS]


def test_a_deploy_is_of_a_tag_through_oidc_after_the_dags_were_checked():
    deploy = workflow(ROOT / ".github" / "workflows" / "deploy.yml")
    job = deploy["jobs"]["deploy"]
    (login,) = [step["with"] for step in job["steps"] if "configure-aws-credentials" in step.get("uses", "")]

    assert deploy["on"] == {"push": {"tags": ["v*"]}}
    assert deploy["concurrency"]["cancel-in-progress"] is False, "a deploy cut off half-way leaves stacks half updated"
    assert job["environment"] == "production"
    assert job["permissions"]["id-token"] == "write"
    assert job["needs"] == "check"
    assert login["role-to-assume"] == "${{ vars.AWS_ROLE_ARN }}"
    assert job["steps"][-1]["run"].startswith('make deploy STACK="$LAKE_STACK" BUCKET="$LAKE_BUCKET"')
