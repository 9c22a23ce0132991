"""docker-compose.yaml as it is written: what must hold of it without an engine."""

import ast
import importlib.util
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import botocore.credentials
import pytest
import yaml

from b3 import settings
from infra.checkout import ROOT
from local import setup
from local.aws import credentials, launch
from local.lake import provision
from local.lake.home import SIMULATED, Home

COMPOSE = (ROOT / "docker-compose.yaml").read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE)["services"]
AWS_SERVICE = ROOT / "docker" / "aws_service.py"
_spec = importlib.util.spec_from_file_location("aws_service", AWS_SERVICE)
assert _spec and _spec.loader
aws_service = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(aws_service)
AIRFLOW = ("api-server", "scheduler", "triggerer", "dag-processor")


def test_what_it_pins_is_the_airflow_of_the_constraints():
    pinned = re.search(r"^apache-airflow==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    dockerfile = (ROOT / "docker" / "airflow.Dockerfile").read_text()

    named = re.findall(r"apache/airflow:([\d.]+)-python", COMPOSE + dockerfile)
    named += re.findall(r"AIRFLOW_VERSION=([\d.]+)", dockerfile)

    assert pinned
    assert named == [pinned[1]] * 3


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_on_this_machine_only(name):
    assert all(str(port).startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


def test_no_registry_is_asked_for_what_is_built_here():
    ours = [service for service in SERVICES.values() if "/" in service["image"].partition("}")[2]]

    assert len(ours) == len(SERVICES) - 1
    assert {service["pull_policy"] for service in ours} == {"never"}


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_runs_without_privileges(name):
    service = SERVICES[name]

    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert "docker.sock" not in str(service)
    if name == "aws":
        # Its image is ours, and names the user.
        assert re.search(r"^USER lake$", (ROOT / "docker" / "aws.Dockerfile").read_text(), re.MULTILINE)
    else:
        assert service["user"].split(":")[0] not in ("0", "root")


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "migrate"])
def test_every_service_that_stays_has_a_health_check(name):
    assert SERVICES[name]["healthcheck"]["test"]


@pytest.mark.parametrize("name", AIRFLOW)
def test_our_files_are_mounted_read_only_where_mwaa_has_them(name):
    mounts = [volume for volume in SERVICES[name]["volumes"] if volume.startswith("./")]

    assert mounts == [
        "./dags:/usr/local/airflow/dags:ro",
        "./include:/usr/local/airflow/dags/include:ro",
        "./plugins:/usr/local/airflow/plugins:ro",
    ]


def test_the_checkout_is_never_mounted_for_writing():
    mounts = [volume for service in SERVICES.values() for volume in service.get("volumes", [])]

    assert [mount for mount in mounts if mount.startswith(".") and not mount.endswith(":ro")] == []


@pytest.mark.parametrize("name", AIRFLOW)
def test_the_settings_are_the_outputs_of_the_stack(name, aws_server: launch.Server, monkeypatch):
    for variable, value in aws_server.environment().items():
        monkeypatch.setenv(variable, value)
    environment = SERVICES[name]["environment"]
    made = provision.provision(aws_server.endpoint, environment["B3_LAKE_BUCKET"])

    assert environment["B3_LAKE_BUCKET"] == SERVICES["aws"]["environment"]["B3_LAKE_BUCKET"] == made["LakeBucket"]
    # As compose fills them in where the caller sets nothing.
    filled = {key: re.sub(r"\$\{\w+:-(.*?)\}", r"\1", str(value)) for key, value in environment.items()}
    given = settings.read(filled)
    assert (given.indexes, given.register) == (("IBOV",), settings.BY_CRAWLER)
    assert given.glue_database == made["GlueDatabase"]
    assert given.glue_job == made["GlueJob"]
    assert (given.raw_crawler, given.refined_crawler) == (made["RawCrawler"], made["RefinedCrawler"])
    assert given.athena_workgroup == made["AthenaWorkgroup"]


def test_simulated_prices_go_to_the_simulated_bucket_and_say_so():
    environment = SERVICES["scheduler"]["environment"]

    assert "--simulate" in SERVICES["exchange"]["entrypoint"]
    assert '"source": "simulated"' in environment["AIRFLOW_CONN_B3_DEFAULT"]
    assert '"source": "simulated"' in environment["AIRFLOW_CONN_BTC_DEFAULT"]
    assert environment["B3_LAKE_BUCKET"] == Home(SIMULATED, ROOT).bucket


def test_the_image_of_the_aws_has_what_its_set_up_imports(tmp_path):
    lines = (ROOT / "docker" / "aws.Dockerfile").read_text().partition("RUN --mount")[0].splitlines()
    for *sources, target in (line.split()[2:] for line in lines if line.startswith("COPY --chown=lake ")):
        (tmp_path / target).mkdir(parents=True, exist_ok=True)
        for source in sources:
            if source.endswith("/"):
                shutil.copytree(ROOT / source, tmp_path / target, dirs_exist_ok=True)
            else:
                shutil.copy(ROOT / source, tmp_path / target)

    done = subprocess.run(
        [sys.executable, "-S", "-c", "import local.setup"],
        cwd=tmp_path, env={}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.stderr == ""
    assert done.returncode == 0


def test_the_aws_finds_all_that_it_imports_in_what_is_mounted(tmp_path):
    (main,) = (node for node in ast.parse(AWS_SERVICE.read_text()).body if getattr(node, "name", "") == "main")
    imports = [ast.unparse(node) for node in ast.walk(main) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert "from local.lake import provision" in imports

    done = run_mounted(SERVICES["aws"], tmp_path, setup.AWS.python, "-c", "\n".join(imports))

    assert done.returncode == 0, done.stderr


def test_the_exchange_finds_all_that_it_imports_in_what_is_mounted(tmp_path):
    _, *command = SERVICES["exchange"]["entrypoint"]

    done = run_mounted(SERVICES["exchange"], tmp_path, Path(sys.executable), *command, "--help")

    assert done.returncode == 0, done.stderr


def run_mounted(service, folder, python, *command):
    """Run Python in a folder that has of the checkout what the service mounts below /opt/b3, and no more."""
    for volume in service["volumes"]:
        source, target = volume.split(":")[:2]
        if target.startswith("/opt/b3/"):
            (folder / Path(target).name).symlink_to(ROOT / source)
    environ = {"PYTHONPATH": service["environment"]["PYTHONPATH"].replace("/opt/b3", str(folder))}
    return subprocess.run([python, *command], cwd=folder, env=environ, capture_output=True, text=True, check=False)


def test_it_holds_no_key_of_an_account():
    environment = SERVICES["scheduler"]["environment"]

    assert "AWS_SECRET_ACCESS_KEY" not in COMPOSE
    assert "AWS_ACCESS_KEY_ID" not in COMPOSE
    for name in ("AIRFLOW__API__SECRET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__CORE__FERNET_KEY"):
        assert name not in environment
        assert environment[f"{name}_CMD"].startswith("cat /usr/local/airflow/keys/")


@pytest.mark.parametrize("name", AIRFLOW)
def test_airflow_signs_with_the_key_that_the_aws_hands_on(name):
    service = SERVICES[name]
    mounted = next(volume for volume in service["volumes"] if volume.startswith("aws-key:"))
    handed = next(volume for volume in SERVICES["aws"]["volumes"] if volume.startswith("aws-key:"))

    # Airflow reads it and cannot change it.
    assert mounted.endswith(":ro")
    assert (
        service["environment"]["AWS_SHARED_CREDENTIALS_FILE"] == f"{mounted.split(':')[1]}/{aws_service.HANDED_ON.name}"
    )
    assert str(aws_service.HANDED_ON.parent) == handed.split(":")[1]
    dockerfile = (ROOT / "docker" / "aws.Dockerfile").read_text()
    assert f"install -d -o lake -g lake -m 750 {aws_service.HANDED_ON.parent}" in dockerfile
    assert re.search(r"useradd .*--uid 1000 lake", dockerfile)
    assert service["group_add"] == ["1000"]


def test_the_host_that_airflow_asks_is_one_that_the_aws_answers_to():
    url = urlsplit(SERVICES["scheduler"]["environment"]["AWS_ENDPOINT_URL"])

    assert url.hostname == aws_service.NAME
    assert url.hostname in SERVICES
    assert url.port == aws_service.PORT


def test_the_key_is_handed_on_to_the_group_alone_and_anew_at_each_start(tmp_path):
    key, handed = credentials.file_of(tmp_path / "home"), tmp_path / "credentials"
    secret = credentials.make(tmp_path / "home")
    for _ in range(2):
        aws_service.hand_on(key, handed)

    assert stat.S_IMODE(handed.stat().st_mode) == 0o640
    assert secret in handed.read_text()
    found = botocore.credentials.SharedCredentialProvider(str(handed)).load()
    assert found.secret_key == secret
