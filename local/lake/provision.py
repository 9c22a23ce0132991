"""Make the lake's resources from infra/lake.yaml, through CloudFormation, and put the Glue jobs' code in place."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import boto3

from b3.verify.inventory import TABLES
from infra.checkout import ROOT, refine_script, template
from infra.deploy import buckets, bundle, stacks, templates, visual_job
from infra.deploy.errors import DeployError
from infra.deploy.visual_job import VisualJob
from local.lake import lost_tables

STACK = "b3-lake"
# A deploy has a bucket for code by then; here nothing but this template would lie in one.
TEMPLATES = "b3-templates"
REFINE_SCRIPT = refine_script()


def provision(endpoint: str, bucket: str, *, script: Path = REFINE_SCRIPT) -> dict[str, str]:
    """Create or update the stack, upload the Glue jobs' code, make the visual job, and put back dropped tables.

    Args:
        endpoint: URL of the local AWS.
        bucket: name of the lake's bucket.
        script: the Glue script to run.

    Returns:
        The stack's outputs, by name.

    Raises:
        RuntimeError: the stack did not reach its state; the message names the first resource that failed.
    """
    code = bundle.glue_code(ROOT, script)
    cloudformation, s3, glue = (_client(service, endpoint) for service in ("cloudformation", "s3", "glue"))
    wanted = _wanted({"LakeBucket": bucket, **code.parameters})
    try:
        change = stacks.plan(wanted, _present(cloudformation))
        if change:
            stacks.apply(
                cloudformation,
                change,
                _say_nothing,
                argument=partial(_argument, s3),
                clear=partial(buckets.remove, s3, bucket),
            )
    except DeployError as error:
        raise RuntimeError(str(error)) from error
    for key, body in code.objects.items():
        s3.put_object(Bucket=bucket, Key=key, Body=body)
    found = outputs(endpoint)
    assert found
    visual = VisualJob(bucket, found["GlueDatabase"], code.package_key)
    if visual_job.plan(glue, visual, found["GlueJob"]):
        visual_job.apply(glue, visual, found["GlueJob"])
    for key, body in visual.objects.items():
        s3.put_object(Bucket=bucket, Key=key, Body=body)
    for table in lost_tables.put_back(glue, s3, wanted.template, found["GlueDatabase"], bucket):
        with_what = (
            "with its partitions" if table in TABLES else "its partitions come with the next run that writes them"
        )
        print(f"table {table} was missing from the catalog: put back, {with_what}", flush=True)
    return found


def outputs(endpoint: str) -> dict[str, str] | None:
    """Return the outputs of the stack, by name; None where there is no stack that is complete."""
    found = _present(_client("cloudformation", endpoint))
    return found.outputs if found and found.status in ("CREATE_COMPLETE", "UPDATE_COMPLETE") else None


def _wanted(given: dict[str, str]) -> stacks.Wanted:
    content, text = templates.read(template("lake"))
    # A local lake follows the template's defaults; a deployed one keeps the values that it has.
    defaults = {name: str(one["Default"]) for name, one in content["Parameters"].items() if "Default" in one}
    return stacks.Wanted(STACK, content, defaults | given, text)


def _present(cloudformation: Any) -> stacks.Present | None:
    return stacks.present(cloudformation, STACK, print)


def _client(service: str, endpoint: str) -> Any:
    return boto3.client(service, endpoint_url=endpoint)


def _argument(s3: Any, stack: str, template_text: str) -> dict[str, str]:
    if not buckets.exists(s3, TEMPLATES):
        region = s3.meta.region_name
        # S3 takes its oldest region by no name only.
        elsewhere = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=TEMPLATES, **elsewhere)
    return templates.argument(s3, TEMPLATES, stack, template_text)


def _say_nothing(line: str) -> None:
    pass
