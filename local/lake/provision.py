"""Makes the lake's resources from infra/lake.yaml, through CloudFormation, and puts the Glue job's code in place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError, WaiterError

from infra.deploy import bundle
from local.lake.home import ROOT

STACK = "b3-lake"
TEMPLATE = ROOT / "infra" / "lake.yaml"
REFINE_SCRIPT = ROOT / "include" / "glue" / "refine_job.py"


def provision(endpoint: str, bucket: str, *, script: Path = REFINE_SCRIPT) -> dict[str, str]:
    """Create or update the stack and upload the Glue job's script and package.

    Args:
        endpoint: URL of the local AWS.
        bucket: name of the lake's bucket.
        script: the Glue script that the job shall run.

    Returns:
        The stack's outputs, by name.

    Raises:
        RuntimeError: the stack did not reach its state; the message names the first resource that failed.
    """
    code = bundle.glue_code(ROOT, script)
    cloudformation = boto3.client("cloudformation", endpoint_url=endpoint)
    _apply(cloudformation, {"LakeBucket": bucket, **code.parameters})
    s3 = boto3.client("s3", endpoint_url=endpoint)
    for key, body in code.objects.items():
        s3.put_object(Bucket=bucket, Key=key, Body=body)
    found = outputs(endpoint)
    assert found
    return found


def outputs(endpoint: str) -> dict[str, str] | None:
    """The outputs of the stack, by name; None where there is no stack that is complete."""
    try:
        stacks = boto3.client("cloudformation", endpoint_url=endpoint).describe_stacks(StackName=STACK)["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    if stacks[0]["StackStatus"] not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        return None
    return {output["OutputKey"]: output["OutputValue"] for output in stacks[0]["Outputs"]}


def _apply(cloudformation: Any, parameters: dict[str, str]) -> None:
    request = {
        "StackName": STACK,
        "TemplateBody": TEMPLATE.read_text(),
        "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
        "Capabilities": ["CAPABILITY_IAM"],
    }
    try:
        cloudformation.create_stack(**request)
        waiter = "stack_create_complete"
    except ClientError as error:
        if error.response["Error"]["Code"] != "AlreadyExistsException":
            raise
        try:
            cloudformation.update_stack(**request)
        except ClientError as update_error:
            if "No updates are to be performed" in str(update_error):
                return
            raise
        waiter = "stack_update_complete"
    try:
        cloudformation.get_waiter(waiter).wait(StackName=STACK, WaiterConfig={"Delay": 1, "MaxAttempts": 120})
    except WaiterError as error:
        raise RuntimeError(f"stack {STACK} from {TEMPLATE.name}: {_first_failure(cloudformation)}") from error


def _first_failure(cloudformation: Any) -> str:
    events = cloudformation.describe_stack_events(StackName=STACK)["StackEvents"]
    failed = [event for event in reversed(events) if event["ResourceStatus"].endswith("FAILED")]
    if not failed:
        return "did not complete, and no resource says why"
    return f"{failed[0]['LogicalResourceId']}: {failed[0].get('ResourceStatusReason', 'no reason given')}"
