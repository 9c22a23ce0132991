"""The hooks that run on a commit are the linters that `make lint` runs, from the same environment."""

import re

import pytest
import yaml

from tests.makefile import TARGETS, recipe
from tests.places import ROOT

CONFIGURED = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
HOOKS = [hook for repository in CONFIGURED["repos"] for hook in repository["hooks"]]
LINTERS = [command.removeprefix("@") for command in recipe("lint")[1:]]
each_hook = pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook["id"])


def test_no_hook_brings_a_version_of_its_own():
    assert [repository["repo"] for repository in CONFIGURED["repos"]] == ["local"]
    assert [hook["language"] for hook in HOOKS] == ["system"] * len(HOOKS)
    assert [hook["id"] for hook in HOOKS if "additional_dependencies" in hook] == []


@each_hook
def test_a_hook_is_a_command_of_make(hook):
    target = re.fullmatch(r"make ([a-z-]+)", hook["entry"])

    assert target[1] in TARGETS if target else any(f"{linter} ".startswith(f"{hook['entry']} ") for linter in LINTERS)


def test_every_linter_of_the_environment_is_a_hook():
    """Checkov has an environment of its own and takes its time: `make lint` alone runs it."""
    entries = {hook["entry"] for hook in HOOKS}
    of_the_environment = [linter for linter in LINTERS if linter.startswith(".venv/bin/")]

    assert len(of_the_environment) >= 4
    assert [linter for linter in of_the_environment if not any(linter.startswith(entry) for entry in entries)] == []


@each_hook
def test_a_hook_has_files_to_run_on(hook):
    files = [
        path.relative_to(ROOT).as_posix() for folder in ("infra", "plugins") for path in (ROOT / folder).rglob("*")
    ]

    assert hook.get("types") == ["python"] or any(re.search(hook["files"], file) for file in files)
