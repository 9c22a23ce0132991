"""What GitHub reads beside the workflows: Dependabot's settings, the forms for issues, the text of a pull request."""

import re

import pytest
import yaml

from tests.makefile import TARGETS
from tests.places import ROOT

GITHUB = ROOT / ".github"
FORMS = sorted(path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")
TEXTS = [*FORMS, GITHUB / "pull_request_template.md"]
each_form = pytest.mark.parametrize("form", FORMS, ids=lambda path: path.stem)


class TestDependabot:
    UPDATES = yaml.safe_load((GITHUB / "dependabot.yml").read_text())["updates"]

    def test_knows_every_folder_with_locked_packages(self):
        (packages,) = [update for update in self.UPDATES if update["package-ecosystem"] == "pip"]
        locked = [path for depth in ("", "*/", "*/*/") for path in ROOT.glob(f"{depth}*requirements.txt")]
        # Environments, and what `make package` made.
        made = re.compile(r"\.venv|dist/")
        folders = {path.relative_to(ROOT).parent for path in locked if not made.match(str(path.relative_to(ROOT)))}

        assert {f"/{folder.as_posix()}".replace("/.", "/") for folder in folders} == set(packages["directories"])

    def test_leaves_versions_to_make_constraints(self):
        limits = {update["package-ecosystem"]: update.get("open-pull-requests-limit") for update in self.UPDATES}

        assert limits == {"github-actions": None, "pip": 0}


@each_form
def test_a_form_has_what_github_asks_of_it(form):
    content = yaml.safe_load(form.read_text())
    fields = [field for field in content["body"] if field["type"] != "markdown"]

    assert content["name"] and content["description"]
    assert len({field["id"] for field in fields}) == len(fields) > 0
    assert all(field["attributes"]["label"] for field in fields)
    assert any(field.get("validations", {}).get("required") for field in fields)


def test_forms_differ_by_name():
    assert len({yaml.safe_load(form.read_text())["name"] for form in FORMS}) == len(FORMS) > 1


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_every_make_target_is_in_the_makefile(path):
    named = set(re.findall(r"\bmake ([a-z-]+)", path.read_text()))

    assert named <= TARGETS


@pytest.mark.parametrize("path", [GITHUB / "ISSUE_TEMPLATE" / "bug.yml", GITHUB / "pull_request_template.md"])
def test_nobody_is_led_to_publish_what_b3_forbids(path):
    assert re.search(r"row or price of B3's", path.read_text())
