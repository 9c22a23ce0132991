"""docker-compose.yaml as it is written: what must hold of it without an engine."""

import re
import shutil
import subprocess
import sys
from typing import Any

import pytest
import yaml

from b3 import settings
from infra.checkout import ROOT
from local.aws import launch
from local.aws.credentials import CREDENTIALS
from local.lake import provision
from local.lake.home import SIMULATED, Home

COMPOSE = (ROOT / "docker-compose.yaml").read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE)["services"]
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
    given = settings.read({key: value for key, value in environment.items() if key != "B3_INDEXES"})
    assert given.glue_database == made["GlueDatabase"]
    assert given.glue_job == made["GlueJob"]
    assert (given.raw_crawler, given.refined_crawler) == (made["RawCrawler"], made["RefinedCrawler"])
    assert given.athena_workgroup == made["AthenaWorkgroup"]


def test_simulated_prices_go_to_the_simulated_bucket_and_say_so():
    environment = SERVICES["scheduler"]["environment"]

    assert "--simulate" in SERVICES["exchange"]["entrypoint"]
    assert '"source": "simulated"' in environment["AIRFLOW_CONN_B3_DEFAULT"]
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


def test_it_holds_no_key_of_an_account():
    environment = SERVICES["scheduler"]["environment"]

    assert environment["AWS_ACCESS_KEY_ID"] == CREDENTIALS["AWS_ACCESS_KEY_ID"] == "local"
    for name in ("AIRFLOW__API__SECRET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__CORE__FERNET_KEY"):
        assert name not in environment
        assert environment[f"{name}_CMD"].startswith("cat /usr/local/airflow/keys/")
