"""What the roles of a lake call: the actions of whole runs, each on a resource of its own.

A role may be allowed something by its policy and still be denied it: by the organisation, by a boundary, by a bucket's
policy. IAM tells, without a call being made.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# By role of infra/lake.yaml. {bucket}, {database} and the like are those of the stack; {glue} begins an ARN of Glue.
CALLED: dict[str, tuple[tuple[str, str], ...]] = {
    "ExecutionRole": (
        ("s3:GetObject", "{s3}/landing/quotes/x"), ("s3:PutObject", "{s3}/landing/quotes/x"),
        ("s3:GetObject", "{s3}/raw/quotes/x"), ("s3:PutObject", "{s3}/raw/quotes/x"),
        ("s3:PutObject", "{s3}/reports/x"), ("s3:PutObject", "{s3}/athena/x"),
        ("s3:GetObject", "{s3}/refined/quotes/x"), ("s3:ListBucket", "{s3}"), ("s3:ListBucketVersions", "{s3}"),
        ("glue:StartCrawler", "{glue}:crawler/{database}-raw"),
        ("glue:GetCrawler", "{glue}:crawler/{database}-refined"),
        ("glue:StartJobRun", "{glue}:job/{database}-refine"), ("glue:GetJobRun", "{glue}:job/{database}-refine"),
        ("glue:GetTable", "{glue}:table/{database}/quotes"), ("glue:GetPartitions", "{glue}:table/{database}/quotes"),
        ("glue:UpdateTable", "{glue}:table/{database}/stock_ranking"),
        ("athena:StartQueryExecution", "{athena}:workgroup/{database}"),
        ("athena:GetQueryResults", "{athena}:workgroup/{database}"),
        ("sns:Publish", "{sns}:{database}-alerts"),
    ),
    "RefineRole": (
        ("s3:GetObject", "{s3}/raw/quotes/x"), ("s3:GetObject", "{s3}/raw/index_portfolio/x"),
        ("s3:GetObject", "{s3}/code/glue/x"), ("s3:PutObject", "{s3}/refined/quotes/x"),
        ("s3:PutObject", "{s3}/refined/findings/x"), ("s3:PutObject", "{s3}/refined/index_stocks/x"),
        ("s3:DeleteObject", "{s3}/refined/index_stocks/x"), ("s3:ListBucket", "{s3}"),
    ),
    "CrawlerRole": (
        ("s3:GetObject", "{s3}/raw/quotes/x"), ("s3:GetObject", "{s3}/refined/quotes/x"), ("s3:ListBucket", "{s3}"),
        ("glue:GetTable", "{glue}:table/{database}/raw_quotes"),
        ("glue:BatchCreatePartition", "{glue}:table/{database}/raw_quotes"),
        ("sqs:ReceiveMessage", "{sqs}:{database}-raw-events"), ("sqs:DeleteMessage", "{sqs}:{database}-refined-events"),
    ),
}  # fmt: skip
# What nobody's mistake may be able to do.
DENIED = (("s3:DeleteObjectVersion", "{s3}/landing/quotes/x"), ("iam:PassRole", "{role}"))


def denied(iam: Any, roles: dict[str, str], names: dict[str, str]) -> Iterator[str]:
    """Yield a sentence for each call of a role that IAM would refuse, and for each that it should and would not.

    Args:
        iam: boto3's IAM client.
        roles: ARNs of the lake's roles, by logical id.
        names: what stands for the names in the resources.
    """
    for role, calls in CALLED.items():
        if role not in roles:
            yield f"expected role {role} in the stack, found none: deploy again"
            continue
        for action, resource in calls:
            decision = _decision(iam, roles[role], action, resource.format(**names))
            if decision != "allowed":
                yield (
                    f"expected {role} to be allowed {action} on {resource.format(**names)}, found {decision}: deploy "
                    "again; if that changes nothing, ask who runs the organisation for its control policies"
                )
        for action, resource in DENIED:
            text = resource.format(**names, role=roles[role])
            if _decision(iam, roles[role], action, text) == "allowed":
                yield f"expected {role} to be denied {action} on {text}, found allowed: remove what was added by hand"


def _decision(iam: Any, role: str, action: str, resource: str) -> str:
    answer = iam.simulate_principal_policy(PolicySourceArn=role, ActionNames=[action], ResourceArns=[resource])
    return str(answer["EvaluationResults"][0]["EvalDecision"])
