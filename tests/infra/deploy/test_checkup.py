"""Against the local AWS, which evaluates policies, and knows neither quotas nor failed crawls of before."""

import json

import pytest

from infra.deploy import checkup
from infra.deploy.deploying import Deployment
from infra.deploy.smoke import Resources
from tests.infra.deploy.conftest import copy_of_the_repository, options_of
from tests.infra.templates import MWAA, STREAM, load


@pytest.fixture(scope="class")
def made(account, tmp_path_factory):
    """A lake that was deployed, without an environment."""
    options = options_of(copy_of_the_repository(tmp_path_factory.mktemp("made") / "checkout"))
    deployment = Deployment(account, options, lambda line: None)
    deployment.apply(deployment.plan())
    return options


class TestALakeThatIsMade:
    def test_is_as_expected_and_says_what_aws_does_not_tell(self, account, made):
        said: list[str] = []

        assert checkup.test(account, made, said.append), said
        assert [line.split()[0] for line in said] == ["ok", "ok", "ok", "unknown"]

    def test_whose_execution_role_has_policies_of_other_stacks_is_as_expected(self, account, made):
        """As those of the environment and of the stream have given it."""
        made.template("mwaa").write_bytes(MWAA.read_bytes())
        role = Resources(account.cloudformation, made.stack).by_logical_id("AWS::IAM::Role")["ExecutionRole"]
        names = [
            resource["Properties"]["PolicyName"]
            for template in (MWAA, STREAM)
            for resource in load(template)["Resources"].values()
            if "-ExecutionRoleArn" in json.dumps(resource) and "PolicyName" in resource["Properties"]
        ]
        some = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [some]})
        said: list[str] = []

        for name in names:
            account.iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=document)
        good = checkup.test(account, made, said.append)

        for name in names:
            account.iam.delete_role_policy(RoleName=role, PolicyName=name)
        assert names == ["environment", "stream"]
        assert good, said

    def test_whose_role_lost_a_right_is_told_with_the_remedy(self, account, made):
        role = Resources(account.cloudformation, made.stack).by_logical_id("AWS::IAM::Role")["RefineRole"]
        policy = account.iam.get_role_policy(RoleName=role, PolicyName="refine")["PolicyDocument"]
        without = {
            **policy,
            "Statement": [one for one in policy["Statement"] if "s3:DeleteObject" not in one["Action"]],
        }
        account.iam.put_role_policy(RoleName=role, PolicyName="refine", PolicyDocument=json.dumps(without))
        said: list[str] = []

        assert not checkup.test(account, made, said.append)

        account.iam.put_role_policy(RoleName=role, PolicyName="refine", PolicyDocument=json.dumps(policy))
        assert "expected policy refine of RefineRole to allow s3:DeleteObject" in said[0]
        assert "put it back as infra/lake.yaml has it" in said[0]

    def test_whose_role_is_denied_what_its_policy_allows_is_told(self, account, made):
        role = Resources(account.cloudformation, made.stack).by_logical_id("AWS::IAM::Role")["ExecutionRole"]
        less = {"Effect": "Deny", "Action": ["glue:StartJobRun"], "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [less]})
        account.iam.put_role_policy(RoleName=role, PolicyName="less", PolicyDocument=document)
        said: list[str] = []

        assert not checkup.test(account, made, said.append)

        account.iam.delete_role_policy(RoleName=role, PolicyName="less")
        lines = said[0].splitlines()[1:]
        added, *refused = lines
        assert "expected no policy less of ExecutionRole, found one that no template has" in added
        assert len(refused) == 2
        assert all("ExecutionRole to be allowed glue:StartJobRun on arn" in line for line in refused)
        assert all("found explicitDeny: ask who runs the organisation" in line for line in refused)

    def test_whose_policy_got_a_statement_by_hand_is_told(self, account, made):
        role = Resources(account.cloudformation, made.stack).by_logical_id("AWS::IAM::Role")["RefineRole"]
        policy = account.iam.get_role_policy(RoleName=role, PolicyName="refine")["PolicyDocument"]
        more = {"Effect": "Allow", "Action": "s3:DeleteObject", "Resource": "*"}
        document = {**policy, "Statement": [*policy["Statement"], more]}
        account.iam.put_role_policy(RoleName=role, PolicyName="refine", PolicyDocument=json.dumps(document))
        said: list[str] = []

        assert not checkup.test(account, made, said.append)

        account.iam.put_role_policy(RoleName=role, PolicyName="refine", PolicyDocument=json.dumps(policy))
        assert "statements in policy refine of RefineRole, found" in said[0]

    def test_that_has_a_policy_of_one_statement_without_a_list_is_told(self, account, made):
        role = Resources(account.cloudformation, made.stack).by_logical_id("AWS::IAM::Role")["CrawlerRole"]
        document = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}}
        account.iam.put_role_policy(RoleName=role, PolicyName="one", PolicyDocument=json.dumps(document))
        said: list[str] = []

        assert not checkup.test(account, made, said.append)

        account.iam.delete_role_policy(RoleName=role, PolicyName="one")
        assert "expected no policy one of CrawlerRole" in said[0]

    def test_whose_role_was_given_more_by_hand_is_told(self, account, made):
        role = Resources(account.cloudformation, made.stack).by_logical_id("AWS::IAM::Role")["ExecutionRole"]
        more = {"Effect": "Allow", "Action": ["s3:DeleteObjectVersion"], "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [more]})
        account.iam.put_role_policy(RoleName=role, PolicyName="more", PolicyDocument=document)
        said: list[str] = []

        assert not checkup.test(account, made, said.append)

        account.iam.delete_role_policy(RoleName=role, PolicyName="more")
        assert "expected ExecutionRole to be denied s3:DeleteObjectVersion" in said[0]

    def test_with_an_event_that_no_crawl_could_deal_with_is_told(self, account, made):
        url = account.sqs.get_queue_url(QueueName=f"{made.stack}-unread-events")["QueueUrl"]
        account.sqs.send_message(QueueUrl=url, MessageBody="{}")
        said: list[str] = []

        assert not checkup.test(account, made, said.append)

        account.sqs.purge_queue(QueueUrl=url)
        assert "found 1 in" in said[2]


class Quotas:
    """Service Quotas of an account; the local AWS has none."""

    def __init__(self, **values: float) -> None:
        self._quotas = [{"QuotaName": name.replace("_", " "), "Value": value} for name, value in values.items()]

    def get_paginator(self, name: str) -> "Quotas":
        return self

    def paginate(self, ServiceCode: str) -> list[dict]:  # noqa: N803 - boto3's own name
        return [{"Quotas": self._quotas}]


def test_quotas_that_are_too_small_are_told():
    enough = {"Max_concurrent_job_runs_per_account": 30.0, "Max_task_DPUs_per_account": 50.0}

    assert list(checkup._quotas(Quotas(**enough))) == []
    (line,) = checkup._quotas(Quotas(**enough | {"Max_concurrent_job_runs_per_account": 1.0}))
    assert line.startswith("expected Max concurrent job runs per account of at least 2, found 1: ask for more")
