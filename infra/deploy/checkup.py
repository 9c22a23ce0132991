"""Whether a lake on AWS will work tomorrow: read-only questions, each with a remedy. `make smoke` asks them.

For the first person with an account: most of this cannot be seen before a run fails. It needs more rights than a
deploy, such as iam:SimulatePrincipalPolicy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from infra.deploy import functions, templates
from infra.deploy.account import Account
from infra.deploy.arguments import Options
from infra.deploy.rights import wrong
from infra.deploy.smoke import Resources

# A lake starts one job run of two workers, b3_history and b3_daily one each.
_JOB_RUNS, _WORKERS = 2, 4

_POLICIES = ("AWS::IAM::Policy", "AWS::IAM::RolePolicy")


def test(account: Account, options: Options, say: Callable[[str], None]) -> bool:
    """Ask, say each answer, and return whether all are as expected. What AWS does not tell is said, and is no fault."""
    lake = Resources(account.cloudformation, options.stack)
    good = True
    checks: list[tuple[str, Callable[[], Iterator[str]]]] = [
        ("the roles may do what the template says, and no more", lambda: _rights(account, options, lake)),
        ("the last crawls succeeded", lambda: _crawls(account, options, lake)),
        ("no event went unread", lambda: _unread(account.sqs, lake)),
        ("the quotas of Glue suffice", lambda: _quotas(account.quotas)),
    ]
    for name, check in checks:
        try:
            wrong = list(check())
        except ClientError as error:
            say(f"  unknown  {name}\n           AWS does not tell here: {error}")
            continue
        say(f"  {'fails' if wrong else 'ok   '}  {name}" + "".join(f"\n           {line}" for line in wrong))
        good = good and not wrong
    return good


def _rights(account: Account, options: Options, lake: Resources) -> Iterator[str]:
    body = account.cloudformation.get_template(StackName=options.stack, TemplateStage="Original")["TemplateBody"]
    template = templates.parse(body) if isinstance(body, str) else body
    others = [templates.read(options.template(name))[0] for name in ("mwaa", *functions.NAMES)]
    partition = account.s3.meta.partition
    yield from wrong(
        account.iam,
        lake.by_logical_id("AWS::IAM::Role"),
        template,
        f"arn:{partition}:s3:::{options.bucket}",
        others={name for one in (template, *others) for name in _policies(one)},
    )


def _policies(template: Mapping[str, Any]) -> set[str]:
    """Return the names of the policies that a template gives to roles beside what stands in the roles themselves."""
    return {str(one["Properties"]["PolicyName"]) for one in template["Resources"].values() if one["Type"] in _POLICIES}


def _crawls(account: Account, options: Options, lake: Resources) -> Iterator[str]:
    (stack,) = account.cloudformation.describe_stacks(StackName=options.stack)["Stacks"]
    if {"ParameterKey": "Register", "ParameterValue": "tasks"} in stack.get("Parameters", []):
        return  # nobody crawls, so the last crawl says nothing
    for name in lake.of("AWS::Glue::Crawler"):
        last = account.glue.get_crawler(Name=name)["Crawler"].get("LastCrawl", {})
        if last.get("Status") in ("FAILED", "CANCELLED"):
            yield (
                f"expected the last crawl of {name} to succeed, found {last['Status']}: "
                f"{last.get('ErrorMessage', 'no reason')}; see log group /aws-glue/crawlers, and clear the crawl's task"
            )


def _unread(sqs: Any, lake: Resources) -> Iterator[str]:
    for url in lake.of("AWS::SQS::Queue"):
        if url.endswith("-unread-events"):
            answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
            if (count := int(answer["Attributes"]["ApproximateNumberOfMessages"])) > 0:
                yield (
                    f"expected no event that no crawl could deal with, found {count} in {url}: deploy with "
                    "PARAMETERS=CrawlBy=LISTING, run the crawlers, and set CrawlBy=EVENTS again"
                )


def _quotas(quotas: Any) -> Iterator[str]:
    wanted = {"concurrent job runs per account": _JOB_RUNS, "task DPUs": _WORKERS}
    pages = quotas.get_paginator("list_service_quotas").paginate(ServiceCode="glue")
    for quota in (quota for page in pages for quota in page["Quotas"]):
        for words, least in wanted.items():
            if words.lower() in quota["QuotaName"].lower() and quota["Value"] < least:
                yield (
                    f"expected {quota['QuotaName']} of at least {least}, found {quota['Value']:g}: ask for more in the "
                    "console of Service Quotas; new accounts have less"
                )
