"""A lake on an AWS account, on which an Airflow of this machine works with the caller's own credentials.

They come from boto3's chain (environment, AWS_PROFILE, an instance's role), are handed on through the environment
alone, and are never written.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOTokenLoadError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)

from infra.deploy import smoke, stacks
from infra.deploy.account import Account
from local.lake import home, stack
from local.lake.home import SIMULATED, Home

# The credentials are not there, not whole, or no longer good.
_NO_CREDENTIALS = (
    NoCredentialsError, PartialCredentialsError, ProfileNotFound, CredentialRetrievalError, SSOTokenLoadError,
    TokenRetrievalError, UnauthorizedSSOTokenError,
)  # fmt: skip
# A test has a local AWS in the account's place, and says so.
STAND_IN = "TEST_AWS_STAND_IN"
_HOW = "export AWS_PROFILE=…, or run `aws configure` or `aws sso login` first"
# Answers of AWS about the credentials themselves.
_REFUSED = {
    "ExpiredToken", "ExpiredTokenException", "IncompleteSignature", "InvalidAccessKeyId", "InvalidClientTokenId",
    "InvalidSignatureException", "RequestExpired", "SignatureDoesNotMatch", "UnrecognizedClientException",
}  # fmt: skip


@dataclass(frozen=True)
class AccountLake:
    """A lake's stack on an account.

    Attributes:
        name: the stack's name.
        data: REAL or SIMULATED, what is in the lake.
        account: the account's number.
        region: the stack's region.
        outputs: the stack's outputs by name.
        register: who registers partitions, as the stack's parameter says; B3_REGISTER of the caller comes first.
    """

    name: str
    data: str
    account: str
    region: str
    outputs: dict[str, str]
    register: str

    @property
    def home(self) -> Home:
        """The folder of the Airflow of this machine; it is made where it is missing."""
        return home.of_stack(self.data, f"{self.account}-{self.region}-{self.name}")

    @property
    def endpoint(self) -> None:
        """None: AWS's own, or what AWS_ENDPOINT_URL names."""
        return

    @property
    def environment(self) -> dict[str, str]:
        """The caller's own variables of AWS, and the region."""
        given = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
        return {**given, "AWS_DEFAULT_REGION": self.region, "AWS_REGION": self.region}

    def __str__(self) -> str:
        """In words."""
        return f"stack {self.name} in account {self.account}, {self.region}"


def named(lake: str, name: str, command: str) -> str:
    """Return the stack that LAKE= and STACK= name; empty for a lake of this machine.

    Raises:
        ValueError: they do not fit each other.
    """
    if lake not in ("", "local", "aws"):
        raise ValueError(f"expected LAKE=aws, or LAKE=local for this machine's; found {lake!r}")
    if lake == "aws" and not name:
        raise ValueError(f"expected the name of the lake's stack: make {command} LAKE=aws STACK=b3-lake")
    if name and lake != "aws":
        raise ValueError(f"expected LAKE=aws beside STACK=: make {command} LAKE=aws STACK={name}")
    return name


def find(name: str, data: str) -> AccountLake:
    """Return the lake of a stack, once all is there that a run needs.

    Args:
        name: the stack's name.
        data: REAL or SIMULATED, what is to be written into it.

    Raises:
        RuntimeError: something is missing; the message says what, and what to do.
    """
    try:
        return _find(name, data)
    except _NO_CREDENTIALS as error:
        raise RuntimeError(f"expected AWS credentials, found none ({error}) that are good: {_HOW}") from error
    except ClientError as error:
        if error.response["Error"]["Code"] in _REFUSED:
            raise RuntimeError(f"expected credentials that AWS accepts, found {error}: {_HOW}") from error
        raise RuntimeError(f"expected stack {name} on AWS, found {error}: ask for the right to it") from error
    except BotoCoreError as error:
        raise RuntimeError(
            f"expected AWS to answer, found {error}: check network, AWS_PROFILE and AWS_REGION"
        ) from error


def _find(name: str, data: str) -> AccountLake:
    # botocore reads AWS_DEFAULT_REGION and the profile; AWS's command reads AWS_REGION before both.
    region = os.environ.get("AWS_REGION") or boto3.Session().region_name
    if not region:
        raise RuntimeError("expected a region, found none: export AWS_REGION=us-east-1, or that of the lake")
    session = boto3.Session(region_name=region)
    number = session.client("sts").get_caller_identity()["Account"]
    account = Account(session)
    _check_endpoints(account)
    found = stacks.describe(account.cloudformation, name)
    _check_stack(found, name, number, region)
    assert found
    outputs = {item["OutputKey"]: item["OutputValue"] for item in found.get("Outputs", [])}
    parameters = {item["ParameterKey"]: item["ParameterValue"] for item in found.get("Parameters", [])}
    try:
        stack.settings(outputs)
    except KeyError as error:
        raise RuntimeError(
            f"expected stack {name} to be a lake's, found one without output {error}: name the stack of infra/lake.yaml"
        ) from error
    _check_data(outputs["LakeBucket"], data)
    # Whoever runs DAGs need not be allowed to read the job's code.
    for missing in smoke.missing_code(account, outputs["GlueJob"], unseen=True):
        raise RuntimeError(f"{missing}, `make deploy STACK={name} …`")
    if stacks.describe(account.cloudformation, f"{name}-mwaa"):
        print(f"!! Stack {name}-mwaa has an Airflow of its own on this lake: pause its DAGs while this one works.")
    # Queries of this process are asked there too.
    os.environ["AWS_DEFAULT_REGION"] = region
    boto3.setup_default_session()
    lake = AccountLake(name, data, number, region, outputs, parameters.get("Register", ""))
    # Before anything is written: a wrong profile is seen here.
    print(f"the lake is {lake}, bucket {outputs['LakeBucket']}", flush=True)
    return lake


def _check_endpoints(account: Account) -> None:
    """Raise RuntimeError if a variable or the profile names a server of this machine in AWS's place."""
    for client in (account.cloudformation, account.s3, account.glue, account.athena):
        endpoint = client.meta.endpoint_url
        if urlsplit(endpoint).hostname in ("127.0.0.1", "localhost", "::1") and STAND_IN not in os.environ:
            raise RuntimeError(
                f"expected AWS, found {endpoint}, a server of this machine: unset AWS_ENDPOINT_URL and the keys beside "
                'it, as `eval "$(make -s connect)"` sets them, or open another shell'
            )


def _check_stack(found: dict[str, Any] | None, name: str, number: str, region: str) -> None:
    if found is None:
        raise RuntimeError(
            f"expected stack {name}, found none in account {number}, {region}: `make deploy STACK={name} BUCKET=… "
            "MWAA=no` makes it. If it is in another region, export AWS_REGION; in another account, AWS_PROFILE"
        )
    if found["StackStatus"] not in stacks.HEALTHY:
        raise RuntimeError(
            f"expected stack {name} to be complete, found {found['StackStatus']}: wait for its end, or deploy again"
        )


def _check_data(bucket: str, data: str) -> None:
    """Raise RuntimeError if invented data would meet B3's: a bucket with `simulated` in its name is for the former."""
    if (SIMULATED in bucket) != (data == SIMULATED):
        wanted, other = (
            ("with `simulated` in its name for SIMULATED data", f"{bucket}: deploy a lake of its own for it")
            if data == SIMULATED
            else ("for real data", f"{bucket}, which is for SIMULATED data: EXCHANGE=simulated, or another lake")
        )
        raise RuntimeError(f"expected a bucket {wanted}, found {other}")
