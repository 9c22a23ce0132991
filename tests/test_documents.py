"""The documents name what is there: files, commands, headings, columns."""

import itertools
import re
from pathlib import Path

import pytest

from local.commands import columns
from tests.faults import document as faults
from tests.infra.templates import LAKE, load
from tests.makefile import TARGETS
from tests.places import ROOT

DOCUMENTS = [
    *(
        ROOT / name
        for name in ("README.md", "README.pt-BR.md", "CONTRIBUTING.md", "CHANGELOG.md", "local/exchange/README.md")
    ),
    *sorted((ROOT / "docs").glob("*.md")),
]
FOLDERS = ("bench", "dags", "docker", "docs", "include", "infra", "local", "notebooks", "plugins", "tests", ".github")
# A path from the top of the checkout; what follows a placeholder as <name> is not looked at.
PATH = re.compile(rf"(?<![\w/.-])(?:{'|'.join(map(re.escape, FOLDERS))})/[\w./*-]*")
each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())


def links(document: Path) -> list[tuple[str, str]]:
    """The links of a document to files, each as the file and the heading, which may be empty."""
    targets = re.findall(r"\]\(([^)\s]+)\)", document.read_text())
    return [(file, anchor) for file, _, anchor in (target.partition("#") for target in targets if ":" not in target)]


def anchors(document: Path) -> set[str]:
    """The headings of a document, as GitHub makes anchors of them."""
    outside_code = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", outside_code, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_document
def test_every_path_is_there(document):
    named = {path.rstrip(".") for path in PATH.findall(document.read_text())}

    assert [path for path in sorted(named) if not list(ROOT.glob(path.rstrip("/")))] == []


def test_paths_are_found_in_the_documents():
    """Else the test above would pass over anything."""
    named = set(itertools.chain.from_iterable(PATH.findall(document.read_text()) for document in DOCUMENTS))

    assert {"infra/lake.yaml", "plugins/b3/sectors/", "include/sql/analysis/top_stocks.sql"} <= named


@each_document
def test_every_file_of_the_top_folder_is_there(document):
    named = re.findall(r"`([\w.-]+\.(?:md|toml|yaml|yml))`", document.read_text())

    assert [name for name in named if not [*ROOT.glob(name), *ROOT.glob(f"infra/**/{name}")]] == []


@each_document
def test_every_link_leads_to_a_file_and_a_heading(document):
    for file, anchor in links(document):
        target = (document.parent / file).resolve() if file else document
        assert target.exists(), file
        assert not anchor or anchor in anchors(target), f"{file}#{anchor}"


@each_document
def test_every_make_target_is_in_the_makefile(document):
    named = set(re.findall(r"(?:`|^ {4}|\$ )make ([a-z-]+)", document.read_text(), re.MULTILINE))

    assert named <= TARGETS


def test_the_documents_of_docs_are_linked_from_the_readme_or_from_each_other():
    linked = {(document.parent / file).resolve() for document in DOCUMENTS for file, _ in links(document) if file}

    assert [path.name for path in DOCUMENTS if path not in linked and path.name != "README.md"] == []


@pytest.mark.parametrize("readme", ["README.md", "README.pt-BR.md"])
def test_the_tree_of_the_readme_has_every_folder_of_the_package(readme):
    tree = re.search(r"^    plugins/b3/ .*\n((?: {6}.*\n)+)", (ROOT / readme).read_text(), re.MULTILINE)
    assert tree
    named = {name for line in tree[1].splitlines() for name in re.findall(r"\w+(?=/)", line[6:24])}

    assert named == {path.parent.name for path in (ROOT / "plugins" / "b3").glob("*/*.py")}


class TestTheTables:
    TEXT = (ROOT / "docs" / "tables.md").read_text()

    @pytest.mark.parametrize(
        "table",
        [
            resource["Properties"]["TableInput"]
            for resource in load(LAKE)["Resources"].values()
            if resource["Type"] == "AWS::Glue::Table"
        ],
        ids=lambda table: table["Name"],
    )
    def test_are_described_with_every_column(self, table):
        name = table["Name"]
        section = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", self.TEXT, re.MULTILINE | re.DOTALL)
        assert section, name
        columns = [column["Name"] for column in table["StorageDescriptor"]["Columns"]]
        cells = " ".join(re.findall(r"^\| ([^|]+) \|", self.inherited(section[1]), re.MULTILINE))
        described = set(re.findall(r"\w+", cells))
        for first, last in re.findall(r"(\w+) … (\w+)", cells):
            described |= set(columns[columns.index(first) : columns.index(last) + 1])

        assert [column for column in columns if column not in described] == []

    def test_that_begin_with_the_columns_of_another_have_them_all(self):
        columns = {
            table["Name"]: {column["Name"] for column in table["StorageDescriptor"]["Columns"]}
            for resource in load(LAKE)["Resources"].values()
            if resource["Type"] == "AWS::Glue::Table"
            for table in [resource["Properties"]["TableInput"]]
        }
        inherited = re.findall(r"^## (\w+)\n\s*The columns of (\w+)(?: but `(\w+)`)?, and:", self.TEXT, re.MULTILINE)

        assert ("quotes", "raw_quotes", "unreadable") in inherited
        for name, former, without in inherited:
            assert columns[former] - columns[name] == {without} - {""}

    def inherited(self, section: str) -> str:
        """A section, after the one of the table whose columns it begins with."""
        former = re.match(r"\s*The columns of (\w+)(?: but `\w+`)?, and:", section)
        before = re.search(rf"^## {former[1]}\n(.*?)(?=^## )", self.TEXT, re.MULTILINE | re.DOTALL) if former else None
        return f"{before[1] if before else ''}\n{section}"


TEMPLATES = {path.name: load(path) for path in sorted((ROOT / "infra").glob("*.yaml"))}


class TestTheTemplates:
    """docs/ has what whoever runs the lake looks up."""

    def test_have_no_parameter_that_is_not_described(self):
        described = (ROOT / "docs" / "aws.md").read_text() + (ROOT / "docs" / "stream.md").read_text()
        parameters = {name for template in TEMPLATES.values() for name in template.get("Parameters", {})}

        assert {name for name in parameters if f"`{name}`" not in described} == set()

    def test_have_no_alarm_that_is_not_described(self):
        described = (ROOT / "docs" / "alerts.md").read_text()
        alarms = {
            name
            for template in TEMPLATES.values()
            for name, resource in template["Resources"].items()
            if resource["Type"] == "AWS::CloudWatch::Alarm"
        }

        assert len(alarms) > 5
        assert {name for name in alarms if f"`{name}`" not in described} == set()

    def test_have_no_prefix_of_the_bucket_whose_time_is_not_described(self):
        described = (ROOT / "docs" / "aws.md").read_text()
        bucket = TEMPLATES["lake.yaml"]["Resources"]["Bucket"]["Properties"]
        rules = bucket["LifecycleConfiguration"]["Rules"]

        assert {rule["Prefix"] for rule in rules if f"`{rule.get('Prefix', 'inbox/')}`" not in described} == set()


def test_the_columns_in_both_languages_are_those_of_the_template():
    text = (ROOT / columns.DOCUMENT).read_text()

    assert columns.with_columns(text, load(LAKE)) == text, "run `make columns`"


def test_the_table_of_faults_is_that_of_the_tests():
    assert faults.DOCUMENT.read_text() == faults.text(), "run `make faults`"


def test_the_changelog_has_a_section_for_what_is_not_released():
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert headings[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}", heading) for heading in headings[1:])
