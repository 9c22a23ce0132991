"""The role of infra/github.yaml against what CloudFormation's handlers call in its name."""

from typing import Any

import pytest

from infra.checkout import sql
from infra.deploy import queries
from tests.infra import handlers
from tests.infra.handlers import LEFT_OUT, LeftOut
from tests.infra.templates import ARRIVALS, GITHUB, INFRA, LAKE, MWAA, STREAM, load, policies, strings


@pytest.fixture(scope="module")
def resources() -> list[dict[str, Any]]:
    """The resources of all stacks that a deploy makes."""
    saved = queries.template(sql(INFRA.parent))
    assert saved
    templates = [*(load(path) for path in (LAKE, MWAA, ARRIVALS, STREAM, INFRA / "deploy" / "code.yaml")), saved]
    return [resource for template in templates for resource in template["Resources"].values()]


@pytest.fixture(scope="module")
def allowed() -> set[str]:
    """What the role allows; a right without a condition is CloudFormation's as well."""
    return {action for _, statement in policies(load(GITHUB)) for action in statement["Action"]}


class TestTheDeployRole:
    def test_allows_what_the_handlers_call(self, resources, allowed):
        assert handlers.missing(resources, allowed) == []

    def test_leaves_nothing_out_that_it_allows_or_that_no_handler_calls(self, allowed):
        assert list(handlers.stale(LEFT_OUT, allowed)) == []

    def test_reads_all_that_is_the_stacks(self, allowed):
        """As the handlers' next versions may read more."""
        assert {"ec2:Describe*", "glue:Get*", "s3:Get*", "s3:List*", "sns:Get*", "sqs:Get*", "iam:Get*"} < allowed

    def test_leaves_out_what_is_asked_for_inside_a_property_only_while_it_is_not(self, resources):
        databases = [one["Properties"] for one in resources if one["Type"] == "AWS::Glue::Database"]
        workgroups = [one["Properties"] for one in resources if one["Type"] == "AWS::Athena::WorkGroup"]

        assert databases
        assert workgroups
        assert not any("FederatedDatabase" in one["DatabaseInput"] for one in databases)
        assert not any("KmsKey" in list(strings(one)) for one in workgroups)
        streams = [one["Properties"] for one in resources if one["Type"] == "AWS::KinesisFirehose::DeliveryStream"]
        assert [one["DeliveryStreamEncryptionConfigurationInput"] for one in streams] == [{"KeyType": "AWS_OWNED_CMK"}]


class TestTheComparison:
    def test_notices_a_new_type_whose_actions_nobody_allows(self, resources, allowed):
        stream = {"Type": "AWS::Kinesis::Stream", "Properties": {}}

        found = handlers.missing([*resources, stream], allowed)

        assert "AWS::Kinesis::Stream: its handlers call kinesis:CreateStream, which nobody allows" in found

    def test_notices_a_new_property_whose_actions_were_left_out(self, resources, allowed):
        role = {"Type": "AWS::IAM::Role", "Properties": {"ManagedPolicyArns": ["arn:aws:iam::aws:policy/X"]}}

        assert handlers.missing([role], allowed) == [
            f"AWS::IAM::Role: its handlers call iam:{action}RolePolicy, which nobody allows"
            for action in ("Attach", "Detach")
        ]

    def test_notices_an_action_that_is_taken_away(self, resources, allowed):
        assert handlers.missing(resources, allowed - {"ec2:Describe*"}) != []

    def test_notices_a_type_without_handlers_that_nobody_looked_up(self, allowed):
        with pytest.raises(KeyError):
            handlers.missing([{"Type": "AWS::S3::Nothing"}], allowed)

    def test_notices_what_is_left_out_in_vain(self):
        vain = LeftOut("AWS::SQS::Queue", ("sqs:Sing",), "it cannot")
        double = LeftOut("AWS::SQS::Queue", ("sqs:CreateQueue",), "it can")

        assert list(handlers.stale([vain, double], {"sqs:Create*"})) == [
            "AWS::SQS::Queue: sqs:Sing is left out, and no handler calls it",
            "AWS::SQS::Queue: sqs:CreateQueue is left out, and the role allows it",
        ]

    @pytest.mark.parametrize("excuse", LEFT_OUT, ids=lambda one: f"{one.kind} {one.actions[0]}")
    def test_has_a_reason_for_each(self, excuse):
        assert excuse.why
