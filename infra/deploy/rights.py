"""Whether the roles of a lake may do what its template says, and no more.

Somebody may have changed a policy by hand, which no deploy sees. And what a policy allows may still be denied: by the
organisation, or by a boundary. IAM tells, without a call being made.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

# What nobody's mistake may be able to do.
_DENIED = (("s3:DeleteObjectVersion", "{s3}/landing/quotes/x"), ("iam:PassRole", "{role}"))
# IAM simulates actions, and no patterns of them.
_ONE_OF = {"s3:GetObject*": "s3:GetObject", "s3:GetBucket*": "s3:GetBucketLocation", "s3:List*": "s3:ListBucket"}


def wrong(
    iam: Any, roles: Mapping[str, str], template: Mapping[str, Any], bucket: str, *, others: Collection[str] = ()
) -> Iterator[str]:
    """Yield a sentence for each right that a role should have and has not, and for what it has beside the template.

    Rights are compared by their actions, statement by statement; who widens the resources of a statement by hand is not
    seen.

    Args:
        iam: boto3's IAM client.
        roles: names of the lake's roles, by logical id.
        template: the template of the lake's stack.
        bucket: ARN of the lake's bucket.
        others: names of policies that another stack gives to roles of this one.
    """
    for logical, policy, actions in _statements(template):
        if logical not in roles:
            yield f"expected role {logical} in the stack, found none: deploy again"
        elif actions not in [_actions(one) for one in _documents(iam, roles[logical]).get(policy, [])]:
            yield (
                f"expected policy {policy} of {logical} to allow {', '.join(sorted(actions))} in one statement, found "
                "none that does: put it back as infra/lake.yaml has it. It was changed by hand, which no deploy sees"
            )
    for logical, name in roles.items():
        yield from _beside(iam, logical, name, template, others)
        arn = iam.get_role(RoleName=name)["Role"]["Arn"]
        for statements in _documents(iam, name).values():
            for statement in statements:
                yield from _refused(iam, logical, arn, statement)
        for action, resource in _DENIED:
            found = resource.format(s3=bucket, role=arn)
            if _decisions(iam, arn, [action], [found])[action, found] == "allowed":
                yield (
                    f"expected {logical} to be denied {action} on {found}, found allowed: remove what was added by hand"
                )


def _beside(iam: Any, logical: str, role: str, template: Mapping[str, Any], others: Collection[str]) -> Iterator[str]:
    """Yield a sentence for each policy and each number of statements that a role has and its template has not."""
    declared = {
        policy["PolicyName"]: len(policy["PolicyDocument"]["Statement"])
        for policy in template["Resources"].get(logical, {}).get("Properties", {}).get("Policies", [])
    }
    for policy, statements in _documents(iam, role).items():
        if policy not in declared and policy not in others:
            yield f"expected no policy {policy} of {logical}, found one that no template has: remove it"
        elif policy in declared and len(statements) > declared[policy]:
            yield (
                f"expected {declared[policy]} statements in policy {policy} of {logical}, found {len(statements)}: "
                "remove what was added by hand"
            )
    for attached in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        yield f"expected no policy attached to {logical}, found {attached['PolicyArn']}: detach it"


def _statements(template: Mapping[str, Any]) -> Iterator[tuple[str, str, frozenset[str]]]:
    """Yield the actions of each statement that is there whatever the parameters are, with its role and policy."""
    for logical, resource in template["Resources"].items():
        if resource["Type"] == "AWS::IAM::Role":
            for policy in resource["Properties"].get("Policies", []):
                for statement in policy["PolicyDocument"]["Statement"]:
                    if "Action" in statement:
                        yield logical, policy["PolicyName"], _actions(statement)


def _documents(iam: Any, role: str) -> dict[str, list[Mapping[str, Any]]]:
    """Return the statements of a role's own policies, by the name of the policy."""
    found = {}
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        statements = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]["Statement"]
        # One by itself needs no list.
        found[name] = [statements] if isinstance(statements, Mapping) else statements
    return found


def _actions(statement: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(_listed(statement.get("Action", [])))


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _refused(iam: Any, logical: str, arn: str, statement: Mapping[str, Any]) -> Iterator[str]:
    # What a condition asks for is not known here.
    if statement["Effect"] != "Allow" or "Condition" in statement or "Resource" not in statement:
        return
    actions = [_ONE_OF.get(action, action) for action in sorted(_actions(statement))]
    resources = [
        resource if resource == "*" else resource.replace("*", "x") for resource in _listed(statement["Resource"])
    ]
    asked = [action for action in actions if "*" not in action]
    for (action, resource), decision in _decisions(iam, arn, asked, resources).items():
        if decision != "allowed":
            yield (
                f"expected {logical} to be allowed {action} on {resource}, as its policy says, found {decision}: ask "
                "who runs the organisation for its control policies and the boundaries of roles"
            )


def _decisions(iam: Any, arn: str, actions: list[str], resources: list[str]) -> dict[tuple[str, str], str]:
    found = {}
    for resource in resources if actions else []:
        pages = iam.get_paginator("simulate_principal_policy").paginate(
            PolicySourceArn=arn, ActionNames=actions, ResourceArns=[resource]
        )
        for page in pages:
            for result in page["EvaluationResults"]:
                found[str(result["EvalActionName"]), resource] = str(result["EvalDecision"])
    return found
