"""Clients of the AWS account that is deployed to, by boto3's own chain of credentials; AWS_ENDPOINT_URL is honoured."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import boto3


class Account:
    """One client a service, made when it is first asked for."""

    def __init__(self, session: boto3.Session | None = None) -> None:
        self._session = session or boto3.Session()

    def __str__(self) -> str:
        sts = self._session.client("sts")
        account = sts.get_caller_identity()["Account"]
        return f"account {account}, {sts.meta.region_name}, {sts.meta.endpoint_url}"

    @cached_property
    def s3(self) -> Any:
        """S3."""
        return self._session.client("s3")

    @cached_property
    def cloudformation(self) -> Any:
        """CloudFormation."""
        return self._session.client("cloudformation")

    @cached_property
    def athena(self) -> Any:
        """Athena."""
        return self._session.client("athena")

    @cached_property
    def glue(self) -> Any:
        """Glue."""
        return self._session.client("glue")

    @cached_property
    def iam(self) -> Any:
        """IAM."""
        return self._session.client("iam")

    @cached_property
    def sqs(self) -> Any:
        """SQS."""
        return self._session.client("sqs")

    @cached_property
    def quotas(self) -> Any:
        """Service Quotas."""
        return self._session.client("service-quotas")

    @cached_property
    def ec2(self) -> Any:
        """EC2, whose are a region's zones."""
        return self._session.client("ec2")

    @cached_property
    def functions(self) -> Any:
        """Lambda, whose name is a word of Python."""
        return self._session.client("lambda")

    @cached_property
    def mwaa(self) -> Any:
        """MWAA."""
        return self._session.client("mwaa")
