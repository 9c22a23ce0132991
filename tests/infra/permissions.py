"""What roles allow, compared with the calls that were recorded (local.aws.calls).

`compare` is for a recording of whole runs: it also finds what a role allows and nothing needs.
"""

import fnmatch
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import boto3

from local.aws.calls import Call

ACCOUNT, REGION = "000000000000", "us-east-1"
# The roles of infra/lake.yaml, by the access key id that their processes call with.
ROLES = {"airflow": "ExecutionRole", "glue-job": "RefineRole", "glue-crawler": "CrawlerRole"}

S3_ACTIONS = {
    "HeadObject": "GetObject", "HeadObjectVersion": "GetObjectVersion", "HeadBucket": "ListBucket",
    "ListObjects": "ListBucket", "ListObjectsV2": "ListBucket", "ListObjectVersions": "ListBucketVersions",
    "ListMultipartUploads": "ListBucketMultipartUploads", "ListParts": "ListMultipartUploadParts",
    "CreateMultipartUpload": "PutObject", "UploadPart": "PutObject", "CompleteMultipartUpload": "PutObject",
    "CopyObject": "PutObject", "ListBuckets": "ListAllMyBuckets",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
}  # fmt: skip


@dataclass(frozen=True)
class Needed:
    """Something that a role must allow though no recorded call needs it: `why`, and where AWS or our code says so."""

    role: str
    actions: tuple[str, ...]
    why: str
    source: str
    resource: str = "*"


NEEDED_BY_AWS = (
    Needed(
        "CrawlerRole",
        ("glue:GetDatabase", "glue:UpdateTable", "glue:GetPartition", "glue:BatchGetPartition", "glue:CreatePartition",
         "glue:UpdatePartition", "glue:BatchUpdatePartition"),
        "how a crawler reads and writes its tables' partitions is not documented; all that AWSGlueServiceRole allows "
        "of these tables, without what makes or deletes a table",
        "https://docs.aws.amazon.com/glue/latest/dg/crawler-prereqs.html",
    ),
    Needed(
        "CrawlerRole", ("s3:GetBucketLocation",), "part of AWSGlueServiceRole: Glue looks for the bucket's region",
        "https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSGlueServiceRole.html",
    ),
    Needed(
        "CrawlerRole",
        ("sqs:GetQueueAttributes", "sqs:ListQueueTags", "sqs:ListDeadLetterSourceQueues", "sqs:SetQueueAttributes",
         "sqs:PurgeQueue"),
        "AWS lists them for crawlers that go by S3 events, and Glue refuses one whose role has no access to its queue",
        "https://docs.aws.amazon.com/glue/latest/dg/crawler-s3-event-notifications.html",
    ),
    Needed(
        "RefineRole", ("s3:GetBucketLocation",), "part of AWSGlueServiceRole: Glue looks for the bucket's region",
        "https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSGlueServiceRole.html",
    ),
    Needed(
        "ExecutionRole",
        ("s3:GetBucketLocation", "s3:ListBucketMultipartUploads", "s3:ListMultipartUploadParts",
         "s3:AbortMultipartUpload"),
        "Athena writes results with the rights of whoever asks, large ones in parts",
        "https://docs.aws.amazon.com/athena/latest/ug/s3-permissions.html",
    ),
    Needed(
        "ExecutionRole", ("s3:GetObject",), "Athena reads results with the rights of whoever asks",
        "https://docs.aws.amazon.com/athena/latest/ug/s3-permissions.html", "*/athena/*",
    ),
    Needed(
        "ExecutionRole",
        ("glue:GetDatabase", "glue:GetPartition", "glue:BatchGetPartition"),
        "Athena asks the catalog with the rights of whoever asks, for the database `default` as well",
        "https://docs.aws.amazon.com/athena/latest/ug/fine-grained-access-to-glue-resources.html",
    ),
    Needed(
        "ExecutionRole", ("athena:GetDataCatalog",), "AWS's policies for queries have it for the catalog of Glue",
        "https://docs.aws.amazon.com/athena/latest/ug/datacatalogs-example-policies.html",
    ),
    Needed(
        "ExecutionRole", ("glue:UpdateTable",), "CREATE OR REPLACE VIEW of a view that is there with other text",
        "https://docs.aws.amazon.com/athena/latest/ug/fine-grained-access-to-glue-resources.html",
    ),
    Needed(
        "ExecutionRole", ("s3:ListBucketVersions",), "b3_verify lists delete markers; no session's run does",
        "plugins/b3/verify/inventory.py",
    ),
    Needed(
        "ExecutionRole", ("athena:StopQueryExecution",), "AthenaOperator.on_kill, when a running task is cleared",
        "https://airflow.apache.org/docs/apache-airflow-providers-amazon/stable/operators/athena/athena_boto.html",
    ),
    Needed(
        "ExecutionRole", ("sns:Publish",), "b3.airflow.alerts, when a task fails; a green run publishes nothing",
        "https://docs.aws.amazon.com/sns/latest/api/API_Publish.html",
    ),
    Needed(
        "ExecutionRole", ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"),
        "notes of what people were told, when a task fails; a green run only lists them",
        "plugins/b3/monitoring/journal.py", "*/alerts/*",
    ),
    Needed(
        "ExecutionRole", ("s3:GetObject", "s3:DeleteObject"),
        "b3_arrivals takes files from inbox/; no session's run does", "plugins/b3/arrivals/inbox.py", "*/inbox/*",
    ),
    Needed(
        "ExecutionRole", ("s3:GetObjectVersion",),
        "b3_arrivals looks whether bytes are a former version of a landed file", "plugins/b3/arrivals/landing.py",
        "*/landing/quotes/*",
    ),
    Needed(
        "ExecutionRole", ("sqs:ReceiveMessage", "sqs:DeleteMessage"),
        "the sensor of b3_arrivals waits in the triggerer",
        "https://airflow.apache.org/docs/apache-airflow-providers-amazon/stable/operators/sqs.html",
    ),
    Needed(
        "RefineRole", ("s3:DeleteObject",), "a constituent that a corrected portfolio no longer has",
        "include/glue/refine/index_stocks.py", "*/refined/index_stocks/*",
    ),
    Needed(
        "RefineRole", ("s3:DeleteObject",), "likewise of the visual job, and what Glue Studio's own script left",
        "include/glue/visual/target.py", "*/refined_visual/index_stocks/*",
    ),
    Needed(
        "RefineRole", ("s3:GetObject",), "a rerun of the visual job looks whether an object is the one it would put",
        "include/glue/refine/commit.py", "*/refined_visual/index_stocks/*",
    ),
    Needed(
        "RefineRole", ("glue:BatchDeletePartition",), "partitions of such constituents",
        "include/glue/visual/catalog.py",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Allowed:
    """One action on one pattern of resources that a role allows."""

    action: str
    resource: str


def roles(endpoint: str, stack: str = "b3-lake") -> dict[str, list[Allowed]]:
    """What the roles of a deployed stack allow, by logical id, as CloudFormation resolved it.

    Raises:
        ValueError: a statement holds what this does not evaluate: a condition, a deny, NotAction, NotResource.
    """
    region = {"endpoint_url": endpoint, "region_name": REGION}
    resources = boto3.client("cloudformation", **region).describe_stack_resources(StackName=stack)["StackResources"]
    iam = boto3.client("iam", **region)
    found: dict[str, list[Allowed]] = {}
    for resource in resources:
        if resource["ResourceType"] == "AWS::IAM::Role":
            name = resource["PhysicalResourceId"]
            documents = [
                iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
                for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
            ]
            found[resource["LogicalResourceId"]] = [allowed for one in documents for allowed in statements(one)]
    return found


def statements(document: Mapping[str, Any] | str) -> list[Allowed]:
    """What a policy document allows. Raises ValueError as of `roles`."""
    policy = json.loads(unquote(document)) if isinstance(document, str) else document
    found = []
    for statement in policy["Statement"]:
        known = {"Sid", "Effect", "Action", "Resource"}
        # A recording does not tell namespaces; tests/infra/test_lake.py compares this one with the code.
        if set(statement.get("Condition", {}).get("StringEquals", {})) == {"cloudwatch:namespace"}:
            known.add("Condition")
        if statement["Effect"] != "Allow" or set(statement) - known:
            raise ValueError(f"expected an Allow of actions on resources, found {statement}")
        found += [
            Allowed(action, resource)
            for action in _listed(statement["Action"])
            for resource in _listed(statement["Resource"])
        ]
    return found


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def compare(
    recording: Iterable[Call],
    allowed: Mapping[str, list[Allowed]],
    *,
    callers: Mapping[str, str] = ROLES,
    needed: Iterable[Needed] = NEEDED_BY_AWS,
) -> list[str]:
    """Where the recorded calls and what the roles allow differ, a sentence each; none if they agree.

    Args:
        recording: calls of complete runs; those of other callers than `callers` are left out.
        allowed: what the roles allow, by logical id.
        callers: logical ids of the roles, by access key id.
        needed: what roles may allow without a call.
    """
    calls = list(recording)
    excused = list(needed)
    problems = [
        f"the recording holds no call of {caller}: it is not of a whole run"
        for caller in callers
        if all(call.caller != caller for call in calls)
    ]
    wants = {role: requirements(calls, caller) for caller, role in callers.items()}
    for role, wanted in wants.items():
        problems += [
            f"{role} does not allow {want.action} on {want.resource}, which was called"
            for want in sorted(wanted, key=str)
            if not any(_covers(one, want) for one in allowed[role])
        ]
        problems += [
            f"{role} allows {one.action} on {one.resource}, which no recorded call and no requirement of AWS needs"
            for one in allowed[role]
            if applies(one) and not any(_covers(one, want) for want in wanted) and not _excused(role, one, excused)
        ]
    problems += [
        f"NEEDED_BY_AWS names {action} for {entry.role}, which does not allow it"
        for entry in excused
        for action in entry.actions
        if entry.role in allowed and not any(_excused(entry.role, one, [entry], action) for one in allowed[entry.role])
    ]
    return problems


def _covers(allowed: Allowed, want: Allowed) -> bool:
    action = fnmatch.fnmatchcase(want.action.lower(), allowed.action.lower())
    return action and re.fullmatch(_pattern(allowed.resource), want.resource) is not None


def _pattern(resource: str) -> str:
    # IAM knows * and ? alone; fnmatch would read a set into brackets.
    return re.escape(resource).replace(r"\*", ".*").replace(r"\?", ".")


def _excused(role: str, allowed: Allowed, needed: Iterable[Needed], action: str | None = None) -> bool:
    return any(
        entry.role == role
        and allowed.action in ((action,) if action else entry.actions)
        and fnmatch.fnmatchcase(allowed.resource, entry.resource)
        for entry in needed
    )


def applies(allowed: Allowed) -> bool:
    """Whether an action knows resources of this kind; IAM lets a statement hold others, without effect."""
    if allowed.resource == "*":
        return True
    service, _, operation = allowed.action.partition(":")
    kind = allowed.resource.split(":", 5)[5].partition("/")[0]
    if service == "glue" and kind in ("catalog", "database", "table"):
        return kind in _catalog_kinds(operation)
    return True


def _catalog_kinds(operation: str) -> tuple[str, ...]:
    return ("catalog", "database") if "Database" in operation else ("catalog", "database", "table")


def requirements(recording: Iterable[Call], caller: str) -> set[Allowed]:
    """The actions, each with its resource, that the calls of a caller need."""
    mine = [call for call in recording if call.caller == caller]
    workgroups = {
        call.names["QueryExecutionId"]: call.names["WorkGroup"]
        for call in mine
        if call.operation == "StartQueryExecution" and "QueryExecutionId" in call.names
    }
    return {want for call in mine for want in _requirements(call, workgroups)}


def _requirements(call: Call, workgroups: Mapping[str, str]) -> list[Allowed]:
    names, operation = call.names, call.operation
    if call.service == "s3":
        return _s3_requirements(call)
    if call.service == "glue":
        return [Allowed(f"glue:{operation}", _arn("glue", resource)) for resource in _glue_resources(call)]
    if call.service == "athena":
        workgroup = names.get("WorkGroup") or workgroups.get(names.get("QueryExecutionId", ""), "(unknown)")
        return [Allowed(f"athena:{operation}", _arn("athena", f"workgroup/{workgroup}"))]
    if call.service == "cloudformation":
        # By its name or its id, which has the name before the last part.
        stack = names.get("StackName", "(unknown)").rpartition("stack/")[2].partition("/")[0]
        return [Allowed(f"cloudformation:{operation}", _arn("cloudformation", f"stack/{stack}/id"))]
    if call.service == "logs":
        stream = names.get("logStreamName", "") if operation == "PutLogEvents" else ""
        group = f"log-group:{names.get('logGroupName', '(unknown)')}:log-stream:{stream}"
        return [Allowed(f"logs:{operation}", _arn("logs", group))]
    if call.service == "sqs":
        # A queue's address ends in its name.
        queue = names.get("QueueName") or names.get("QueueUrl", "(unknown)").rpartition("/")[2]
        action = operation.removesuffix("Batch")
        return [Allowed(f"sqs:{action}", _arn("sqs", queue))]
    if call.service == "monitoring":
        return [Allowed(f"cloudwatch:{operation}", "*")]
    if call.service == "firehose":
        stream = names.get("DeliveryStreamName", "(unknown)")
        return [Allowed(f"firehose:{operation}", _arn("firehose", f"deliverystream/{stream}"))]
    if call.service == "lambda":
        # Lambda's calls have no names but their paths.
        found = re.fullmatch(r"GET /2015-03-31/functions/([^/]+)/configuration", operation)
        action, function = ("GetFunctionConfiguration", found[1]) if found else (operation, "(unknown)")
        return [Allowed(f"lambda:{action}", _arn("lambda", f"function:{function}"))]
    if call.service == "sns":
        return [Allowed(f"sns:{operation}", names.get("TopicArn") or names.get("TargetArn", "(unknown)"))]
    return [Allowed(f"{call.service}:{operation}", _arn(call.service, names.get("Name", "(unknown)")))]


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


def _s3_requirements(call: Call) -> list[Allowed]:
    bucket = f"arn:aws:s3:::{call.names.get('Bucket', '')}"
    action = f"s3:{S3_ACTIONS.get(call.operation, call.operation)}"
    found = [Allowed(action, f"{bucket}/{call.names['Key']}" if "Key" in call.names else bucket)]
    if call.missing and "Key" in call.names:
        # Without it S3 answers 403, which no caller takes for "not there".
        found.append(Allowed("s3:ListBucket", bucket))
    return found


def _glue_resources(call: Call) -> list[str]:
    names, operation = call.names, call.operation
    if "Crawler" in operation:
        return [f"crawler/{names.get('Name', '(unknown)')}"]
    if "Job" in operation:
        return [f"job/{names.get('JobName') or names.get('Name', '(unknown)')}"]
    if "Database" in operation:
        return ["catalog", f"database/{names.get('DatabaseName') or names.get('Name', '(unknown)')}".lower()]
    database = names.get("DatabaseName", "(unknown)").lower()
    if operation == "GetTables":
        return ["catalog", f"database/{database}", f"table/{database}/any"]
    table = (names.get("TableName") or names.get("Name", "(unknown)")).lower()
    return ["catalog", f"database/{database}", f"table/{database}/{table}"]
