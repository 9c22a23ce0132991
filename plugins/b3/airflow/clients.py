"""Clients of S3 and Glue by the connection of Airflow. Alerts use them: so nothing of the DAGs is imported here."""

from __future__ import annotations

from typing import Any

CONNECTION = "aws_default"
# What a task does beside its work waits no longer for an answer of AWS, and asks twice.
_BRIEF_SECONDS = 10


def s3_client(config: Any = None) -> Any:
    """Return a boto3 S3 client whose errors name bucket and key.

    Args:
        config: a botocore Config that goes over the connection's.
    """
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    from b3.lake.refusals import naming_objects

    if config is not None:
        config = over_connection(config)
    return naming_objects(S3Hook(aws_conn_id=CONNECTION, config=config).get_conn())


def glue_client() -> Any:
    """Return a boto3 Glue client."""
    from airflow.providers.amazon.aws.hooks.glue_catalog import GlueCatalogHook

    return GlueCatalogHook(aws_conn_id=CONNECTION).get_conn()


def over_connection(config: Any) -> Any:
    """Return the connection's botocore Config with another one over it, as a proxy must stay."""
    from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

    former = AwsBaseHook(CONNECTION, client_type="sts").conn_config.botocore_config
    return former.merge(config) if former else config


def brief() -> Any:
    """Return a botocore Config for alerts and metrics, which no task may wait for."""
    from botocore.config import Config

    seconds = _BRIEF_SECONDS
    return Config(connect_timeout=seconds, read_timeout=seconds, retries={"total_max_attempts": 2})
