"""The role of infra/github.yaml against the calls that deploys make themselves; CloudFormation's own are not seen."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import boto3
import pytest

from infra.deploy import smoke
from infra.deploy.account import Account
from infra.deploy.deploying import Deployment
from infra.deploy.errors import DeployError
from local.aws import calls, launch
from tests.aws_models import document
from tests.infra import permissions
from tests.infra.permissions import Allowed, Needed
from tests.infra.templates import GITHUB, load, policies, strings

ATHENA = "https://docs.aws.amazon.com/athena/latest/ug/"
NEEDED = (
    Needed(
        "DeployRole", ("cloudformation:UpdateStack", "cloudformation:DeleteStack"),
        "the other stacks, too, may change, and fail to be made; this deploy changes two and fails at the lake's",
        "infra/deploy/stacks.py", "*:stack/*-*/*",
    ),
    Needed(
        "DeployRole", ("cloudformation:ListStackResources",), "the smoke test of MWAA, which is not made here",
        "infra/deploy/smoke.py", "*:stack/*-*/*",
    ),
    Needed(
        "DeployRole", ("s3:DeleteBucket",), "a bucket that a failed creation left; the local AWS leaves none",
        "infra/deploy/deploying.py",
    ),
    Needed(
        "DeployRole",
        ("s3:GetBucketLocation", "s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload",
         "s3:ListMultipartUploadParts"),
        "Athena writes and reads results with the rights of whoever asks", ATHENA + "s3-permissions.html",
    ),
    Needed(
        "DeployRole", ("glue:GetDatabase",), "Athena asks the catalog for the database `default`, whatever the query",
        ATHENA + "fine-grained-access-to-glue-resources.html",
    ),
    Needed(
        "DeployRole", ("iam:PassRole",), "to make a job with a role is to pass that role on",
        "https://docs.aws.amazon.com/glue/latest/dg/create-service-policy.html",
    ),
    Needed(
        "DeployRole", ("airflow:GetEnvironment",), "the smoke test; the local AWS knows no MWAA",
        "https://docs.aws.amazon.com/mwaa/latest/API/API_GetEnvironment.html",
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Path:
    """The file that `aws_server` records calls in."""
    return tmp_path_factory.mktemp("recorded") / "calls.jsonl"


@pytest.fixture(scope="module")
def aws_server(recorded) -> Iterator[launch.Server]:
    """One that records."""
    with launch.start(recorded.parent / "home", record_calls=recorded) as server:
        yield server


@pytest.fixture(scope="class")
def account(environ, aws_server) -> Account:
    return Account(boto3.Session(aws_access_key_id="deploy", aws_secret_access_key=aws_server.secret))


@pytest.fixture
def allowed(options) -> list[Allowed]:
    """What the role may do by itself, for the lake of `options`."""
    values = {
        "AWS::Partition": "aws", "AWS::Region": permissions.REGION, "AWS::AccountId": permissions.ACCOUNT,
        "LakeStack": options.stack, "LakeBucket": options.bucket, "CodeBucket": options.code,
        "Database": options.stack, "EnvironmentName": "b3",
    }  # fmt: skip
    return [
        Allowed(action, re.sub(r"\$\{([^}]+)\}", lambda found: values[found[1]], resource))
        for _, statement in policies(load(GITHUB))
        if "aws:CalledVia" not in list(strings(statement.get("Condition", {})))
        for action in statement["Action"]
        for resource in strings(statement["Resource"])
        if resource != "Fn::Sub"
    ]


def test_allows_what_deploys_call_and_nothing_else(account, options, checkout, allowed, recorded):
    def deploy(**other) -> None:
        deployment = Deployment(account, replace(options, **other), lambda line: None)
        deployment.apply(deployment.plan())

    glue = boto3.client("glue")
    glue.create_database(DatabaseInput={"Name": options.stack})
    with pytest.raises(DeployError, match="GlueDatabase"):
        deploy()
    glue.delete_database(Name=options.stack)
    deploy()
    (checkout / "plugins/b3/lake/layout.py").write_text("# another\n")
    (checkout / "include/glue/refine/rules.py").write_text("# another\n")
    (checkout / "include/sql/validate/quotes/key_is_unique.sql").unlink()
    deploy(functions={"arrivals": "yes", "stream": "yes"})
    assert smoke.test(account, replace(options, mwaa=False), lambda line: None)

    recording = calls.read(recorded)
    callers = {"deploy": "DeployRole"}
    assert permissions.compare(recording, {"DeployRole": allowed}, callers=callers, needed=NEEDED) == []
    assert document.faults_of(recorded) == []
