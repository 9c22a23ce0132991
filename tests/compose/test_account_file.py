"""docker-compose.aws.yaml: Airflow in containers on a lake of an AWS account, and what must hold without an engine."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from infra.checkout import ROOT
from local.aws import launch
from local.lake import provision, stack
from local.lake.account import STAND_IN

BASE, ON_AWS = ROOT / "docker-compose.yaml", ROOT / "docker-compose.aws.yaml"
AIRFLOW = ("api-server", "scheduler", "triggerer", "dag-processor")
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


class Loader(yaml.SafeLoader):
    """Reads Compose's own tags: what is reset is None, what overrides is as it is written."""


Loader.add_constructor("!reset", lambda loader, node: None)
Loader.add_constructor(
    "!override",
    lambda loader, node: (
        loader.construct_sequence(node, deep=True)
        if isinstance(node, yaml.SequenceNode)
        else loader.construct_mapping(node, deep=True)
    ),
)
BEFORE: dict[str, dict[str, Any]] = yaml.safe_load(BASE.read_text())["services"]
CHANGED: dict[str, dict[str, Any]] = yaml.load(ON_AWS.read_text(), Loader)["services"]


def test_the_local_aws_and_the_simulated_exchange_are_left_out():
    assert {name for name, service in CHANGED.items() if service.get("profiles") == ["local"]} == {"aws", "exchange"}
    for name in ("migrate", *AIRFLOW):
        needed = CHANGED[name].get("depends_on") or BEFORE[name]["depends_on"]
        assert not {"aws", "exchange"} & set(needed), name


@pytest.mark.parametrize("name", AIRFLOW)
def test_nothing_names_the_local_aws_any_more(name):
    local = {key: value for key, value in BEFORE[name]["environment"].items() if key.startswith("AWS_")}
    environment = CHANGED[name]["environment"]

    assert local["AWS_ENDPOINT_URL"] == "http://aws:4566"
    assert {key for key in local if environment.get(key, local[key]) == local[key]} == set()
    assert not any("aws-key" in str(volume) for volume in CHANGED[name]["volumes"])


@pytest.mark.parametrize("name", AIRFLOW)
def test_the_callers_profile_is_read_and_no_key_is_in_the_environment(name):
    service = CHANGED[name]

    assert "${AWS_FOLDER:-${HOME}/.aws}:/home/airflow/.aws:ro" in service["volumes"]
    assert service["environment"]["HOME"] == "/home/airflow"
    assert service["user"] == "${B3_UID:-50000}:0"
    assert not any(key in ON_AWS.read_text() for key in KEYS)


@pytest.mark.parametrize("name", AIRFLOW)
def test_the_code_is_where_it_was(name):
    assert set(BEFORE[name]["volumes"]) - set(CHANGED[name]["volumes"]) == {"aws-key:/usr/local/airflow/aws:ro"}


def test_dags_arrive_paused_and_are_b3s_own():
    environment = CHANGED["scheduler"]["environment"]

    assert environment["AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION"] == "True"
    assert environment["AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE"] == "True"
    assert json.loads(environment["AIRFLOW_CONN_B3_DEFAULT"])["extra"] == {"source": "b3"}
    assert environment["B3_TAGS"] == ""


class TestComposeItself:
    """How `docker compose config` merges both files."""

    @pytest.fixture(autouse=True)
    def compose(self):
        if (
            not shutil.which("docker")
            or subprocess.run(["docker", "compose", "version"], capture_output=True).returncode
        ):
            pytest.skip("needs the command `docker compose`, which Debian has from trixie on")

    def config(self, **variables: str) -> subprocess.CompletedProcess[str]:
        command = ["docker", "compose", "--file", str(BASE), "--file", str(ON_AWS), "config", "--format", "json"]
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "B3_"))}
        return subprocess.run(command, env=environ | variables, capture_output=True, text=True, check=False)

    def test_it_is_a_project_of_its_own_without_the_local_lake(self):
        merged = json.loads(self.config(B3_STACK="b3-lake", AWS_PROFILE="student", B3_UID="1234").stdout)

        assert merged["name"] == "b3-lake-aws"
        assert set(merged["services"]) == {"postgres", "migrate", *AIRFLOW}
        assert set(merged["volumes"]) == {"database", "keys", "logs"}
        for name in AIRFLOW:
            environment = merged["services"][name]["environment"]
            assert {key: value for key, value in environment.items() if key.startswith("AWS_")} == {
                "AWS_EC2_METADATA_DISABLED": "false",
                "AWS_PROFILE": "student",
                "AWS_REGION": None,
                "AWS_SHARED_CREDENTIALS_FILE": "/home/airflow/.aws/credentials",
            }
            assert merged["services"][name]["user"] == "1234:0"
            assert merged["services"][name]["cap_drop"] == ["ALL"]

    def test_without_a_stack_it_says_what_to_export(self):
        done = self.config()

        assert done.returncode != 0
        assert "export B3_STACK, the name of the lake's stack" in done.stderr


class TestStart:
    """docker/on_account.py, with what the containers have of the checkout."""

    @pytest.fixture
    def server(self, tmp_path, monkeypatch):
        with launch.start(tmp_path / "account") as started:
            for name, value in started.environment().items():
                monkeypatch.setenv(name, value)
            boto3.DEFAULT_SESSION = None
            yield started

    def started(self, tmp_path: Path, **environ: str) -> subprocess.CompletedProcess[str]:
        for name in ("docker", "local", "infra"):
            shutil.copytree(ROOT / name, tmp_path / "b3" / name, dirs_exist_ok=True)
        entry = tmp_path / "bin" / "bash"
        entry.parent.mkdir(exist_ok=True)
        entry.write_text('#!/bin/sh\necho "started $*"\nexec env\n')
        entry.chmod(0o755)
        environ |= {"PATH": f"{entry.parent}:{os.environ['PATH']}", "B3_STACK": provision.STACK, "B3_REGISTER": ""}
        environ[STAND_IN] = "1"
        return subprocess.run(
            [sys.executable, str(tmp_path / "b3" / "docker" / "on_account.py"), "scheduler"],
            env=environ, cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def test_airflow_is_told_the_outputs_of_the_stack(self, server, tmp_path):
        outputs = provision.provision(server.endpoint, "lake-of-the-class")

        done = self.started(tmp_path, B3_LAKE_BUCKET="b3-lake-simulated", **server.environment())

        assert done.returncode == 0, done.stderr
        lake, first, *lines = done.stdout.splitlines()
        assert lake.startswith(f"the lake is stack {provision.STACK} in account")
        given = dict(line.partition("=")[::2] for line in lines)
        assert first == "started /entrypoint scheduler"
        assert stack.settings(outputs).items() <= given.items()
        assert given["B3_REGISTER"] == "crawler"
        assert json.loads(given["AIRFLOW_CONN_AWS_DEFAULT"])["extra"] == {"region_name": "us-east-1"}
        assert given["AIRFLOW__API__INSTANCE_NAME"].startswith(
            f"B3 lake, real data, stack {provision.STACK} in account"
        )
        assert not (tmp_path / "b3" / ".local").exists()

    def test_without_the_lake_it_ends_and_says_why(self, server, tmp_path):
        done = self.started(tmp_path, **server.environment())

        assert done.returncode == 1
        assert done.stderr.startswith(f"scheduler: expected stack {provision.STACK}, found none in account")
        assert "started" not in done.stdout
