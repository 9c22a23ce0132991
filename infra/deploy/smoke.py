"""Whether what was deployed works: one question to each service, and every answer that is not as expected."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from infra.deploy import functions, stacks
from infra.deploy.account import Account
from infra.deploy.arguments import Options
from infra.deploy.visual_job import VisualJob

_PATIENCE_SECONDS = 120
CRAWLER_STATES = ("READY", "RUNNING", "STOPPING")


def test(account: Account, options: Options, say: Callable[[str], None]) -> bool:
    """Ask, say each answer, and return whether all are as expected."""
    cloudformation = account.cloudformation
    lake = Resources(cloudformation, options.stack)
    good = True
    checks: list[tuple[str, Callable[[], Iterator[str]]]] = [
        ("Athena answers in the workgroup", lambda: _athena(account.athena, lake)),
        ("the catalog has the tables", lambda: _tables(account.glue, lake)),
        ("the crawlers are ready", lambda: _crawlers(account.glue, lake)),
        ("the visual job has its nodes' script", lambda: _visual(account, options, lake)),
        ("the job's code is there", lambda: missing_code(account, lake.one("AWS::Glue::Job"))),
        *(
            (f"the functions of {stack} are active", partial(_functions, account, stack))
            for stack in map(options.functions_stack, functions.NAMES)
            if stacks.present(cloudformation, stack, say)
        ),
    ]
    if options.mwaa:
        environments = Resources(cloudformation, options.mwaa_stack)
        checks.append(("MWAA is available", lambda: _mwaa(account.mwaa, environments)))
    for name, check in checks:
        try:
            wrong = list(check())
        except ClientError as error:
            wrong = [str(error)]
        say(f"  {'fails' if wrong else 'ok   '}  {name}" + "".join(f"\n           {line}" for line in wrong))
        good = good and not wrong
    return good


class Resources:
    """The resources of a stack: physical ids by type."""

    def __init__(self, cloudformation: Any, stack: str) -> None:
        found = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
        self.stack = stack
        self._resources = [item for page in found for item in page["StackResourceSummaries"]]

    def of(self, kind: str) -> list[str]:
        """Physical ids of a type, such as AWS::Glue::Table."""
        return [item["PhysicalResourceId"] for item in self._resources if item["ResourceType"] == kind]

    def by_logical_id(self, kind: str) -> dict[str, str]:
        """Physical ids of a type by logical id."""
        return {
            item["LogicalResourceId"]: item["PhysicalResourceId"]
            for item in self._resources
            if item["ResourceType"] == kind
        }

    def one(self, kind: str) -> str:
        """The physical id of the only one of a type."""
        found = self.of(kind)
        return found[0] if found else f"<no {kind} in {self.stack}>"


def _athena(athena: Any, lake: Resources) -> Iterator[str]:
    workgroup = lake.one("AWS::Athena::WorkGroup")
    query = athena.start_query_execution(QueryString="SELECT 1", WorkGroup=workgroup)["QueryExecutionId"]
    deadline = time.monotonic() + _PATIENCE_SECONDS
    state = "QUEUED"
    while state in ("QUEUED", "RUNNING") and time.monotonic() < deadline:
        time.sleep(0.25)
        status = athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]
        state = status["State"]
    if state != "SUCCEEDED":
        yield (
            f"expected SELECT 1 to succeed in {workgroup}, found {state}: {status.get('StateChangeReason', '')}; see "
            "the workgroup in Athena's console"
        )
        return
    rows = athena.get_query_results(QueryExecutionId=query)["ResultSet"]["Rows"]
    answer = [cell.get("VarCharValue") for row in rows[1:] for cell in row["Data"]]
    if answer != ["1"]:
        yield f"expected SELECT 1 to answer 1, found {answer}"


def _tables(glue: Any, lake: Resources) -> Iterator[str]:
    database = lake.one("AWS::Glue::Database")
    pages = glue.get_paginator("get_tables").paginate(DatabaseName=database)
    there = {table["Name"] for page in pages for table in page["TableList"]}
    # Some answer a table's id with its database before it.
    wanted = {name.rpartition("|")[2].rpartition(".")[2] for name in lake.of("AWS::Glue::Table")}
    missing = sorted(wanted - there)
    if missing or not wanted:
        yield f"expected tables {sorted(wanted)} in database {database}, found {sorted(there)}: deploy again"


def _crawlers(glue: Any, lake: Resources) -> Iterator[str]:
    for name in lake.of("AWS::Glue::Crawler"):
        state = glue.get_crawler(Name=name)["Crawler"]["State"]
        if state not in CRAWLER_STATES:
            yield f"expected crawler {name} READY, or at work, found {state}: wait, or see it in Glue's console"


def missing_code(account: Account, name: str, *, unseen: bool = False) -> Iterator[str]:
    """Yield a line for each file of the code of a Glue job that is not there; none for one that may not be looked at.

    Args:
        account: the account.
        name: the job.
        unseen: whether the caller need not be allowed to look; else that is a line, too.
    """
    try:
        job = account.glue.get_job(JobName=name)["Job"]
    except account.glue.exceptions.EntityNotFoundException:
        yield f"expected job {name} in Glue, found none: deploy again"
        return
    for location in (job["Command"]["ScriptLocation"], job["DefaultArguments"]["--extra-py-files"]):
        bucket, _, key = location.removeprefix("s3://").partition("/")
        try:
            account.s3.head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            found = error.response["Error"]["Code"]
            if unseen and found == "403":
                continue
            yield f"expected the code of job {name} at {location}, found {found}: deploy again"


def _functions(account: Account, stack: str) -> Iterator[str]:
    for name in Resources(account.cloudformation, stack).of("AWS::Lambda::Function"):
        deadline = time.monotonic() + _PATIENCE_SECONDS
        state = update = "Pending"
        while ("Pending" in state or update == "InProgress") and time.monotonic() < deadline:
            found = account.functions.get_function_configuration(FunctionName=name)
            state, update = found["State"], found["LastUpdateStatus"]
            time.sleep(0.25)
        if (state, update) != ("Active", "Successful"):
            why = found.get("StateReason") or found.get("LastUpdateStatusReason") or "no reason given"
            yield f"expected function {name} Active, its update Successful, found {state} and {update}: {why}"


def _visual(account: Account, options: Options, lake: Resources) -> Iterator[str]:
    wanted = VisualJob(options.bucket, lake.one("AWS::Glue::Database"), "", options.root)
    location = account.glue.get_job(JobName=wanted.name)["Job"]["Command"]["ScriptLocation"]
    bucket, _, key = location.removeprefix("s3://").partition("/")
    if account.s3.get_object(Bucket=bucket, Key=key)["Body"].read() != wanted.script:
        yield f"expected the script of this checkout at {location}, found another one: deploy again"


def _mwaa(mwaa: Any, environments: Resources) -> Iterator[str]:
    name = environments.one("AWS::MWAA::Environment")
    status = mwaa.get_environment(Name=name)["Environment"]["Status"]
    if status != "AVAILABLE":
        yield f"expected environment {name} AVAILABLE, found {status}: see its log groups in CloudWatch"
