"""`make images` with a `docker` that notes what it is asked for, and answers as a registry does."""

import json
import os
import re
from pathlib import Path

import pytest

from infra.checkout import ROOT
from infra.deploy import images

REPOSITORY = "123456789012.dkr.ecr.us-east-1.amazonaws.com/b3-lake"
DOCKER = """#!/bin/sh
echo "$@" >> {folder}/asked
case "$1 $2" in
  "buildx inspect") test -e {folder}/builder ;;
  "buildx create") touch {folder}/builder ;;
  "buildx build") test ! -e {folder}/refuses && echo "$@" >> {folder}/pushed ;;
  "buildx imagetools") grep --quiet -e "$4 " {folder}/pushed 2>/dev/null && cat {folder}/found ;;
esac
"""
IN_ORDER = {"image": {"config": {"User": "airflow"}}, "sbom": {"SPDX": {"spdxVersion": "SPDX-2.3"}}}


@pytest.fixture
def docker(tmp_path, monkeypatch):
    """The folder of a `docker` that finds every image in order."""
    command = tmp_path / "docker"
    command.write_text(DOCKER.format(folder=tmp_path))
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (tmp_path / "found").write_text(json.dumps(IN_ORDER))
    return tmp_path


def asked(docker: Path) -> list[str]:
    """What `docker` was asked for, a line each."""
    return (docker / "asked").read_text().splitlines()


def test_each_image_is_built_with_an_sbom_and_pushed_and_looked_at(docker, capfd):
    assert images.main(["--repository", REPOSITORY, "--tag", "1"]) == 0

    builds = [line for line in asked(docker) if line.startswith("buildx build")]
    assert [re.search(r"--tag (\S+)", line)[1] for line in builds] == [
        f"{REPOSITORY}:{name}-1" for name in ("airflow", "lake", "aws")
    ]
    for line in builds:
        assert {"--sbom=true", "--provenance=mode=max", "--push"} <= set(line.split())
        assert "--builder b3-lake --platform linux/amd64" in line
    looks = [line.split()[3] for line in asked(docker) if line.startswith("buildx imagetools inspect")]
    # Before and after.
    assert looks[::2] == looks[1::2] == [f"{REPOSITORY}:{name}-1" for name in ("airflow", "lake", "aws")]


def test_what_is_there_and_in_order_is_pushed_no_second_time(docker, capsys):
    for _ in range(2):
        assert images.main(["--repository", REPOSITORY, "--tag", "1"]) == 0

    assert len([line for line in asked(docker) if line.startswith("buildx build")]) == 3
    assert f"{REPOSITORY}:lake-1 is there" in capsys.readouterr().out


def test_a_builder_that_keeps_attestations_is_made_once(docker):
    for _ in range(2):
        images.main(["--repository", REPOSITORY, "--tag", "1"])

    made = [line for line in asked(docker) if line.startswith("buildx create")]
    assert made == ["buildx create --name b3-lake --driver docker-container"]


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({**IN_ORDER, "image": {"config": {"User": "root:0"}}}, "airflow-1 to run as a user, found root"),
        ({**IN_ORDER, "image": {"config": {}}}, "airflow-1 to run as a user, found none, which is root"),
        ({**IN_ORDER, "image": {"config": {"User": "0"}}}, "airflow-1 to run as a user, found 0"),
        ({**IN_ORDER, "sbom": None}, "expected an SBOM with"),
    ],
)
def test_an_image_for_root_or_without_an_sbom_fails(docker, capsys, found, said):
    (docker / "found").write_text(json.dumps(found))

    assert images.main(["--repository", REPOSITORY, "--tag", "1"]) == 1
    assert said in capsys.readouterr().err


def test_a_registry_that_refuses_points_to_the_login(docker, capsys):
    (docker / "refuses").touch()

    assert images.main(["--repository", REPOSITORY, "--tag", "1"]) == 1
    assert "A registry wants a login first: docs/compose.md#images" in capsys.readouterr().err


@pytest.mark.parametrize("repository", ["", "b3-lake", "--help/x", "a b/c", "registry/name; touch ran"])
def test_a_repository_without_a_registry_is_refused(docker, capsys, repository):
    assert images.main([f"--repository={repository}", "--tag", "1"]) == 2
    assert "expected a repository with its registry" in capsys.readouterr().err
    assert not (docker / "asked").exists()


def test_tags_name_the_commit_of_a_clean_checkout(docker, tmp_path, monkeypatch, capsys):
    (tmp_path / "git").write_text(f'#!/bin/sh\n[ "$1" = status ] && cat {tmp_path}/changes || echo 0123456789ab\n')
    (tmp_path / "git").chmod(0o755)
    (tmp_path / "changes").write_text("")
    assert images.main(["--repository", REPOSITORY]) == 0
    assert f"{REPOSITORY}:lake-0123456789ab" in capsys.readouterr().out

    (tmp_path / "changes").write_text(" M dags/b3_daily.py\n")
    assert images.main(["--repository", REPOSITORY]) == 1
    assert "expected a clean checkout" in capsys.readouterr().err


def test_base_images_and_certificates_are_those_that_compose_takes():
    words = images.build(
        images.IMAGES[0], "r/n:t", {"AIRFLOW_IMAGE": "mirror/airflow@sha256:1", "B3_CA_BUNDLE": "/etc/ca.crt"}
    )

    assert words[words.index("--build-arg") + 1] == "AIRFLOW_IMAGE=mirror/airflow@sha256:1"
    assert words[words.index("--secret") + 1] == "id=ca,src=/etc/ca.crt"
    compose = (ROOT / "docker-compose.yaml").read_text()
    assert all(f"${{{name}:-" in compose for name in images.BASES)


@pytest.mark.parametrize("image", images.IMAGES, ids=lambda image: image.name)
def test_every_dockerfile_ends_as_a_user(image):
    """As far as the file tells; what was pushed is looked at as well."""
    users = re.findall(r"^USER (\S+)$", (ROOT / "docker" / image.file).read_text(), re.MULTILINE)

    assert users[-1] in ("airflow", "lake")


def test_the_stages_are_those_of_the_file():
    stages = re.findall(r"^FROM \S+ AS (\S+)$", (ROOT / "docker" / "airflow.Dockerfile").read_text(), re.MULTILINE)

    assert stages == [image.stage for image in images.IMAGES if image.file == "airflow.Dockerfile"]


def test_the_code_is_in_the_context_without_its_link():
    """BuildKit copies the link dags/include as a link, which leads nowhere in the image."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()

    assert lines.index("dags/include") > lines.index("!dags")
    assert {"!dags", "!include", "!plugins", "!local", "!infra", "!docker"} <= set(lines)
    assert (ROOT / "dags" / "include").is_symlink()
