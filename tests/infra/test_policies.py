"""What holds for the policies of every template."""

import pytest

from tests.infra.templates import INFRA, MWAA, load, policies, strings

# Actions that know no resource: https://docs.aws.amazon.com/service-authorization/latest/reference/
WITHOUT_RESOURCE = {
    "s3:GetAccountPublicAccessBlock", "logs:DescribeLogGroups", "cloudwatch:PutMetricData",
    "lakeformation:DescribeLakeFormationIdentityCenterConfiguration", "lakeformation:DescribeResource",
    "lakeformation:ListResources", "sns:GetSubscriptionAttributes", "sns:SetSubscriptionAttributes", "sns:Unsubscribe",
    # Of logs:Describe*, those that CloudFormation's handlers need: DescribeIndexPolicies, DescribeResourcePolicies.
    "logs:Describe*", "ec2:DescribeAvailabilityZones", "lambda:CreateEventSourceMapping",
}  # fmt: skip
READS = ("Get*", "List*", "Describe*")
# Of MWAA's own sample policy: https://docs.aws.amazon.com/mwaa/latest/userguide/mwaa-create-role.html
MWAAS = {"kms:GenerateDataKey*", "s3:GetObject*", "s3:GetBucket*", "s3:List*"}
TEMPLATES = sorted([*INFRA.glob("*.yaml"), *INFRA.glob("deploy/*.yaml")])


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
class TestPolicies:
    def test_name_their_actions_but_reads_that_cloudformation_makes(self, path):
        for name, statement in policies(load(path)):
            wild = [action for action in strings(statement["Action"]) if "*" in action]
            if path == MWAA:
                wild = [action for action in wild if action not in MWAAS]
            if "aws:CalledVia" in list(strings(statement.get("Condition", {}))):
                wild = [action for action in wild if action.partition(":")[2] not in READS]
            assert not wild, name

    def test_name_their_resources_wherever_aws_knows_one(self, path):
        for name, statement in policies(load(path)):
            if "NotResource" in statement:
                # The key of MWAA's queue, which lies in an account of MWAA's.
                assert "kms:ViaService" in list(strings(statement["Condition"])), name
            elif "*" in strings(statement["Resource"]):
                unnamed = {action for action in strings(statement["Action"]) if action not in WITHOUT_RESOURCE}
                # A network's parts get their names from AWS, when CloudFormation makes them.
                network = "aws:CalledVia" in list(strings(statement.get("Condition", {})))
                assert not unnamed or (network and all(action.startswith("ec2:") for action in unnamed)), name

    def test_pass_roles_only_to_services_that_are_named(self, path):
        for name, statement in policies(load(path)):
            if "iam:PassRole" in strings(statement["Action"]):
                assert "iam:PassedToService" in list(strings(statement["Condition"])), name

    def test_are_of_buckets_that_refuse_what_is_not_encrypted_on_its_way(self, path):
        resources = load(path)["Resources"].values()
        buckets = [resource for resource in resources if resource["Type"] == "AWS::S3::Bucket"]
        refusals = [
            statement
            for resource in resources
            if resource["Type"] == "AWS::S3::BucketPolicy"
            for statement in resource["Properties"]["PolicyDocument"]["Statement"]
            if statement["Effect"] == "Deny" and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        ]

        assert len(refusals) == len(buckets)
