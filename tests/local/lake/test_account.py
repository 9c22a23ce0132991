"""What is missing for a lake on AWS is said before anything starts. A local AWS with an enforced key is the account."""

import os
import re
from collections.abc import Callable, Iterator

import boto3
import pytest
from botocore.exceptions import ClientError

from infra.deploy.account import Account
from local.aws import launch
from local.commands import run, ui
from local.lake import account, home, provision

BUCKET = "lake-of-the-class"
OTHER_STACK = "Resources:\n  Topic: {Type: AWS::SNS::Topic}\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[launch.Server]:
    """An account with a lake, and with a stack that is none."""
    with launch.start(tmp_path_factory.mktemp("account")) as started, pytest.MonkeyPatch.context() as environment:
        for name, value in started.environment().items():
            environment.setenv(name, value)
        boto3.DEFAULT_SESSION = None
        provision.provision(started.endpoint, BUCKET)
        boto3.client("cloudformation").create_stack(StackName="topic", TemplateBody=OTHER_STACK)
        yield started


@pytest.fixture(autouse=True)
def student(server: launch.Server, tmp_path, monkeypatch) -> Callable[..., None]:
    """The caller's shell, with a profile in a file; more variables on demand, None for none."""
    (tmp_path / "credentials").write_text(
        f"[student]\naws_access_key_id = AKIASTUDENT\naws_secret_access_key = {server.secret}\n"
        "[stranger]\naws_access_key_id = AKIASTUDENT\naws_secret_access_key = of-somebody-else\n"
    )
    (tmp_path / "config").write_text("[profile student]\nregion = sa-east-1\n[profile stranger]\nregion = us-east-1\n")

    def export(**variables: str | None) -> None:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        shell = {
            "AWS_PROFILE": "student",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
            "AWS_CONFIG_FILE": str(tmp_path / "config"),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": server.endpoint,
        }
        for name, value in (shell | variables).items():
            if value is not None:
                monkeypatch.setenv(name, value)
        boto3.DEFAULT_SESSION = None

    monkeypatch.setenv("B3_LOCAL_HOME", str(tmp_path / "lakes"))
    monkeypatch.setenv(account.STAND_IN, "1")
    export()
    return export


def test_a_lake_is_found_with_its_outputs_and_a_folder_of_its_own(server, tmp_path):
    lake = account.find(provision.STACK, home.REAL)

    assert lake.outputs == provision.outputs(server.endpoint)
    assert (lake.region, lake.register) == ("us-east-1", "crawler")
    assert lake.home.folder == tmp_path / "lakes" / "on-aws" / f"{lake.account}-us-east-1-{provision.STACK}"


@pytest.mark.parametrize(
    ("shell", "region"),
    [
        ({"AWS_DEFAULT_REGION": None}, "sa-east-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-1", "AWS_REGION": "us-east-1"}, "us-east-1"),
    ],
    ids=["of the profile", "AWS_DEFAULT_REGION", "AWS_REGION"],
)
def test_the_region_is_that_of_awss_own_command(student, shell, region):
    student(**shell)

    with pytest.raises(RuntimeError, match=rf"found none in account \d+, {region}: "):
        account.find("nowhere", home.REAL)


def test_airflow_gets_the_callers_profile_and_no_key():
    given = account.find(provision.STACK, home.REAL).environment

    assert given["AWS_PROFILE"] == "student"
    assert given["AWS_REGION"] == given["AWS_DEFAULT_REGION"] == "us-east-1"
    assert not {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} & set(given)


@pytest.mark.parametrize(
    ("shell", "said"),
    [
        ({"AWS_PROFILE": None}, "expected AWS credentials, found none"),
        ({"AWS_PROFILE": "nobody"}, "expected AWS credentials, found none (The config profile (nobody)"),
        ({"AWS_PROFILE": "stranger"}, "expected credentials that AWS accepts, found"),
        ({"AWS_PROFILE": None, "AWS_DEFAULT_REGION": None}, "expected a region, found none: export AWS_REGION"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}, "expected AWS to answer, found"),
    ],
)
def test_what_is_missing_is_said_before_anything_starts(student, capsys, monkeypatch, shell, said):
    student(**shell)
    monkeypatch.setattr("local.lake.servers.database", None)

    arguments = ["--lake", "aws", "--stack", provision.STACK, "--exchange", "live", "--date", "2024-03-14"]
    assert run.main(arguments) == 1

    assert said in capsys.readouterr().err
    assert not (home.base() / "on-aws").exists()


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("nowhere", home.REAL, r"found none in account \d+, us-east-1: `make deploy STACK=nowhere BUCKET=… MWAA=no`"),
        ("topic", home.REAL, "expected stack topic to be a lake's, found one without output 'LakeBucket'"),
        (provision.STACK, home.SIMULATED, f"`simulated` in its name for SIMULATED data, found {BUCKET}"),
    ],
)
def test_a_stack_that_is_not_the_lake_asked_for(name, data, said):
    with pytest.raises(RuntimeError, match=said):
        account.find(name, data)


def test_a_server_of_this_machine_is_no_account(monkeypatch):
    """As a shell has it in which `make connect` was evaluated."""
    monkeypatch.delenv(account.STAND_IN)

    with pytest.raises(
        RuntimeError, match=r"expected AWS, found http://127.0.0.1:\d+, a server of this machine: unset"
    ):
        account.find(provision.STACK, home.REAL)


def test_the_lake_is_said_before_anything_is_written(capsys):
    account.find(provision.STACK, home.REAL)

    said = capsys.readouterr().out
    assert re.fullmatch(rf"the lake is stack {provision.STACK} in account \d+, us-east-1, bucket {BUCKET}\n", said)


def test_who_may_not_read_the_jobs_code_may_run_dags(monkeypatch):
    def refuse(**_: object) -> None:
        raise ClientError({"Error": {"Code": "403", "Message": "Forbidden"}}, "HeadObject")

    monkeypatch.setattr(account, "Account", lambda session: with_s3(session, refuse))

    assert account.find(provision.STACK, home.REAL).outputs["LakeBucket"] == BUCKET


def with_s3(session: boto3.Session, head_object: Callable[..., None]) -> Account:
    """An account whose S3 answers HEAD of an object as given."""
    made = Account(session)
    made.s3.head_object = head_object
    return made


def test_a_job_that_is_gone(monkeypatch):
    glue = boto3.client("glue")
    job = glue.get_job(JobName="b3-refine")["Job"]
    glue.delete_job(JobName="b3-refine")

    with pytest.raises(RuntimeError, match="expected job b3-refine in Glue, found none: deploy again, `make deploy"):
        account.find(provision.STACK, home.REAL)

    glue.create_job(
        **{name: job[name] for name in ("Name", "Role", "Command", "DefaultArguments", "ExecutionProperty")}
    )


def test_a_script_that_is_gone():
    glue, s3 = boto3.client("glue"), boto3.client("s3")
    location = glue.get_job(JobName="b3-refine")["Job"]["Command"]["ScriptLocation"]
    key = location.removeprefix(f"s3://{BUCKET}/")
    body = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    s3.delete_object(Bucket=BUCKET, Key=key)
    try:
        with pytest.raises(RuntimeError, match=f"the code of job b3-refine at {location}, found 404: deploy again"):
            account.find(provision.STACK, home.REAL)
    finally:
        s3.put_object(Bucket=BUCKET, Key=key, Body=body)


def test_an_airflow_of_mwaa_on_the_same_lake_is_told(capsys):
    cloudformation, name = boto3.client("cloudformation"), f"{provision.STACK}-mwaa"
    account.find(provision.STACK, home.REAL)
    assert "Airflow of its own" not in capsys.readouterr().out
    cloudformation.create_stack(StackName=name, TemplateBody=OTHER_STACK)

    account.find(provision.STACK, home.REAL)

    assert f"!! Stack {name} has an Airflow of its own on this lake" in capsys.readouterr().out
    cloudformation.delete_stack(StackName=name)


@pytest.mark.parametrize("command", [run, ui])
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--lake", "aws"], "expected the name of the lake's stack: make {} LAKE=aws STACK=b3-lake"),
        (["--stack", "b3-lake"], "expected LAKE=aws beside STACK=: make {} LAKE=aws STACK=b3-lake"),
        (["--lake", "AWS", "--stack", "b3-lake"], "expected LAKE=aws, or LAKE=local for this machine's; found 'AWS'"),
    ],
)
def test_lake_and_stack_that_do_not_fit_each_other(monkeypatch, capsys, command, arguments, said):
    monkeypatch.setattr("local.lake.dag_runs.interrupt_on_signals", lambda: None)

    assert command.main(arguments) == 2

    assert said.format(command.__name__.rpartition(".")[2]) in capsys.readouterr().err
