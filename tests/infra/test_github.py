import json
import re
from typing import Any

import pytest

from infra.deploy.arguments import Options
from tests.infra.templates import ARRIVALS, GITHUB, LAKE, STREAM, load, policies, strings

# Characters without white space, of all inline policies of a role, and of a managed one.
INLINE_POLICIES_LIMIT = 10_240
MANAGED_POLICY_LIMIT = 6_144


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return load(GITHUB)


@pytest.fixture(scope="module")
def role(template) -> dict[str, Any]:
    return template["Resources"]["DeployRole"]["Properties"]


class TestTheDeployRole:
    def test_is_told_by_the_variable_that_the_workflow_reads(self, template):
        workflow = (GITHUB.parents[1] / ".github" / "workflows" / "deploy.yml").read_text()
        variable = re.search(r"role-to-assume: \$\{\{ vars\.(\w+) \}\}", workflow)

        assert variable
        assert template["Outputs"]["DeployRoleArn"]["Description"].endswith(f"variable {variable[1]}")

    def test_is_for_one_environment_of_one_repository(self, role):
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]

        assert trust["Action"] == "sts:AssumeRoleWithWebIdentity"
        assert trust["Condition"] == {
            "StringEquals": {
                "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
                "token.actions.githubusercontent.com:sub": [
                    {"Fn::Sub": "repo:${Repository}:environment:${GitHubEnvironment}"},
                    {
                        "Fn::Sub": [
                            "repo:${Owner}@${OwnerId}/${Name}@${RepositoryId}:environment:${GitHubEnvironment}",
                            {
                                "Owner": {"Fn::Select": [0, {"Fn::Split": ["/", {"Ref": "Repository"}]}]},
                                "Name": {"Fn::Select": [1, {"Fn::Split": ["/", {"Ref": "Repository"}]}]},
                            },
                        ]
                    },
                ],
            }
        }

    def test_trusts_a_repository_that_is_named_in_full(self, template):
        for name in ("Repository", "GitHubEnvironment"):
            assert "*" not in template["Parameters"][name]["AllowedPattern"].replace("]*", "]")
        assert "Default" not in template["Parameters"]["Repository"]

    def test_trusts_numbers_that_are_given_and_nothing_in_their_place(self, template):
        """GitHub has put them into what it calls a repository since July 2026; no name matches them."""
        for name in ("OwnerId", "RepositoryId"):
            assert template["Parameters"][name]["AllowedPattern"] == "[0-9]+"
            assert "Default" not in template["Parameters"][name]

    def test_touches_roles_keys_and_networks_only_through_cloudformation(self, template):
        """But for the visual job, to which it passes a role of the lake."""
        direct = set()
        for _, statement in policies(template):
            if "aws:CalledVia" not in list(strings(statement.get("Condition", {}))):
                direct |= {
                    action if action.startswith("iam:") else action.partition(":")[0]
                    for action in strings(statement["Action"])
                }
                if "iam:PassRole" in statement["Action"]:
                    roles = [text for text in strings(statement["Resource"]) if ":role/" in text]
                    assert roles and all(":role/${LakeStack}-" in role for role in roles)

        assert direct == {"cloudformation", "s3", "athena", "glue", "airflow", "ec2", "lambda", "iam:PassRole"}

    def test_only_looks_at_networks_itself(self, template):
        direct = [
            action
            for _, statement in policies(template)
            if "aws:CalledVia" not in list(strings(statement.get("Condition", {})))
            for action in statement["Action"]
            if action.startswith("ec2:")
        ]

        assert direct == ["ec2:DescribeAvailabilityZones"]

    def test_reads_and_writes_code_alone(self, template):
        written = {
            text.rpartition(":::")[2]
            for _, statement in policies(template)
            if {"s3:PutObject", "s3:DeleteObject"} & set(statement["Action"])
            for text in strings(statement["Resource"])
            if ":::" in text
        }

        assert written == {"${LakeBucket}/code/*", "${LakeBucket}/athena/*", "${CodeBucket}/*"}

    def test_reaches_no_stack_and_no_role_but_the_lakes(self, template):
        """Not its own either, of which it could change whom it trusts."""
        stacks, roles = (
            {
                text.rpartition(kind)[2]
                for _, statement in policies(template)
                for text in strings(statement["Resource"])
                if kind in text and "service-role" not in text
            }
            for kind in (":stack/", ":role/")
        )

        options = Options(stack="${LakeStack}", bucket="")
        assert stacks == {f"{name}/*" for name in options.stacks}
        made = [
            f"{stack}-{name}-*"
            for stack, path in (
                ("${LakeStack}", LAKE), ("${LakeStack}-arrivals", ARRIVALS), ("${LakeStack}-stream", STREAM),
            )
            for name, one in load(path)["Resources"].items()
            if one["Type"] == "AWS::IAM::Role"
        ]  # fmt: skip
        assert roles == set(made)

    def test_finds_the_roles_of_the_optional_stacks_under_their_whole_names(self, template):
        """CloudFormation shortens a name to 64 characters: it is the stack's, the role's, and 13 of its own."""
        longest = template["Parameters"]["LakeStack"]["MaxLength"]
        for stack, path in (("arrivals", ARRIVALS), ("stream", STREAM)):
            for name, one in load(path)["Resources"].items():
                if one["Type"] == "AWS::IAM::Role":
                    assert longest + len(f"-{stack}-{name}-") + 13 <= 64

    def test_fits_what_iam_takes(self, role, template):
        inline = [policy["PolicyDocument"] for policy in role["Policies"]]
        managed = [one for one in template["Resources"].values() if one["Type"] == "AWS::IAM::ManagedPolicy"]

        assert characters(inline) < INLINE_POLICIES_LIMIT
        assert all(characters(one["Properties"]["PolicyDocument"]) < MANAGED_POLICY_LIMIT for one in managed)
        assert all(one["Properties"]["Roles"] == [{"Ref": "DeployRole"}] for one in managed)


def characters(documents: object) -> int:
    """How many characters IAM counts of policies, once their names are long ones."""
    text = json.dumps(documents, separators=(",", ":"))
    for short, long in (
        ("${AWS::Partition}", "aws-us-gov"),
        ("${AWS::Region}", "ap-southeast-1"),
        ("${AWS::AccountId}", "0" * 12),
        ("${LakeStack}", "b3-lake-production"),
        ("${LakeBucket}", "company-b3-lake-production"),
        ("${CodeBucket}", "company-b3-lake-production-code"),
    ):
        text = text.replace(short, long)

    return len(text)
