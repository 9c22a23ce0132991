"""docs/runbook.md names tasks, fields, tables and commands that are there."""

import re

import boto3
import pytest

from b3.airflow import task_docs, trigger_form
from infra.checkout import sql
from tests.infra.templates import LAKE, load
from tests.makefile import TARGETS
from tests.places import ROOT

TEXT = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
CODE = set(re.findall(r"`([^`\n]+)`", TEXT))
TASKS = (
    set(task_docs.NOTES)
    | {f"validate.{path.stem}" for path in (sql() / "validate").glob("*/*.sql")}
    | {f"views.{path.stem}" for path in (sql() / "views").glob("*.sql")}
)
GROUPS = {"validate", *(f"{task.partition('.')[0]}.*" for task in TASKS if "." in task)}
FIELDS = {*trigger_form.daily(), *trigger_form.history(), *trigger_form.verify(), *trigger_form.minutes()}
TABLES = {
    resource["Properties"]["TableInput"]["Name"]
    for resource in load(LAKE)["Resources"].values()
    if resource["Type"] == "AWS::Glue::Table"
}
# The rule of a finding, a column, a value of `source`, an XCom.
OTHERS = {"correction", "trade_date", "landing", "answers"}


def test_every_word_in_code_is_a_task_a_dag_a_field_or_a_table():
    words = {word for word in CODE if re.fullmatch(r"[a-z][a-z0-9_]*(\.[a-z_*]+)?", word)}
    known = TASKS | GROUPS | {path.stem for path in (ROOT / "dags").glob("b*.py")} | FIELDS | TABLES | OTHERS

    assert {"scrape", "refine", "b3_verify", "accept_loss", "findings"} <= words
    assert words - known == set()


def test_every_task_that_can_fail_is_somewhere():
    named = {word for word in CODE if word in TASKS} | {
        task for task in TASKS for word in CODE if word in GROUPS and task.startswith(word.rstrip(".*"))
    }
    verified = {"examine": "b3_doctor", "compare": "b3_verify", "session_is_there": "b3_morning"}

    assert [task for task in sorted(TASKS - named) if verified.get(task) not in CODE] == []


def test_every_error_in_italics_is_one_of_ours_or_of_glue():
    named = set(re.findall(r"\*([A-Z]\w+)\*", TEXT))
    of_aws = {"TIMEOUT", "ERROR", "AccessDenied"}
    ours = {
        name
        for folder in ("plugins/b3", "include/glue/refine")
        for path in (ROOT / folder).rglob("*.py")
        for name in re.findall(r"^class (\w+)\(", path.read_text(), re.MULTILINE)
    }

    assert {"DeadlineOver", "Flood"} <= named
    assert named - of_aws - ours == set()


def test_every_make_variable_is_one_that_its_command_takes():
    makefile = (ROOT / "Makefile").read_text()
    for command in re.findall(r"make ([a-z]+(?: [A-Z]+=\S*)*)", TEXT):
        target, *variables = command.split()
        assert target in TARGETS
        recipe = re.search(rf"^{target}:.*\n((?:[\t ].*\n)+)", makefile, re.MULTILINE)[1]
        for variable in variables:
            assert f"GIVEN_{variable.partition('=')[0]}" in recipe, command


@pytest.mark.parametrize(("service", "operation"), sorted(set(re.findall(r"aws (\w+) ([a-z-]+)", TEXT))))
def test_every_command_of_aws_is_there(service, operation):
    client = boto3.client(service.removesuffix("api"), region_name="us-east-1")

    assert callable(getattr(client, operation.replace("-", "_")))


def test_each_symptom_has_its_section():
    headings = re.findall(r"^## (.+)$", TEXT, re.MULTILINE)
    listed = re.findall(r"^\|[^\n]*\| \[([^\]]+)\]\(#", TEXT, re.MULTILINE)

    assert sorted(listed) == sorted(headings)
