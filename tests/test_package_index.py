"""Packages come from the index that the system is set to: nothing in the repository names another."""

import re
import subprocess

import pytest

from tests.places import ROOT

# In parts, because this file is looked at too.
REGISTRIES = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"), ("pythonhosted", "org"), ("anaconda", "org"), ("npmjs", "org"), ("npmjs", "com"),
        ("yarnpkg", "com"), ("maven", "org"), ("maven", "apache", "org"), ("crates", "io"), ("rubygems", "org"),
        ("proxy", "golang", "org"), ("deb", "debian", "org"), ("snapshot", "debian", "org"),
        ("archive", "ubuntu", "com"), ("hub", "docker", "com"), ("index", "docker", "io"),
        ("registry-1", "docker", "io"), ("quay", "io"), ("ghcr", "io"), ("gcr", "io"), ("public", "ecr", "aws"),
    )
]  # fmt: skip
HOST = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, REGISTRIES))})\b")
CHOOSES = re.compile(r"--(extra-)?index-url|--default-index|--index\b|--find-links|--registry|index-url\s*=")


def tracked() -> dict[str, str]:
    """The text of every file of the repository, by path."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = [ROOT / name for name in listed.split("\0") if name]
    return {
        str(file.relative_to(ROOT)): file.read_text(encoding="utf-8", errors="replace")
        for file in files
        if file.is_file()
    }


@pytest.fixture(scope="module")
def texts():
    return tracked()


def test_no_file_names_the_host_of_a_registry(texts):
    assert len(texts) > 200
    assert {path: found[0] for path, text in texts.items() if (found := HOST.search(text))} == {}


@pytest.mark.parametrize("address", ["https://pypi{}org/simple/", "https://files.pythonhosted{}org/a", "quay{}io/name"])
def test_such_a_host_is_found(address):
    """Else the test above would pass over anything."""
    assert HOST.search(address.format("."))


def test_no_list_of_packages_and_no_build_chooses_an_index(texts):
    lists = {
        path: text for path, text in texts.items() if re.search(r"(\.in|\.txt|\.toml|\.cfg|Dockerfile|Makefile)$", path)
    }

    assert "constraints.txt" in lists and "docker/aws.Dockerfile" in lists
    assert {path: found[0] for path, text in lists.items() if (found := CHOOSES.search(text))} == {}
