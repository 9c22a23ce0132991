"""How the comparison of roles with recorded calls judges; tests/e2e compares the calls of whole runs."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from local.aws import calls, launch
from local.aws.calls import Call
from local.lake import provision
from tests.infra import permissions
from tests.infra.permissions import Allowed, Needed
from tests.infra.templates import INFRA

LAKE = "arn:aws:s3:::lake"
GLUE = "arn:aws:glue:us-east-1:000000000000"
CALLERS = {"worker": "Role"}
PUT = Call("worker", "s3", "PutObject", {"Bucket": "lake", "Key": "raw/quotes/x.parquet"})
MAY_PUT = Allowed("s3:PutObject", f"{LAKE}/raw/*")


def compare(recording: list[Call], allowed: list[Allowed], *needed: Needed) -> list[str]:
    return permissions.compare(recording, {"Role": allowed}, callers=CALLERS, needed=needed)


class TestARoleThatFits:
    def test_leaves_nothing_to_say(self):
        assert compare([PUT], [MAY_PUT]) == []

    def test_is_not_asked_about_the_calls_of_others(self):
        other = Call("person", "s3", "DeleteObject", {"Bucket": "lake", "Key": "landing/x"})

        assert compare([PUT, other], [MAY_PUT]) == []

    def test_may_allow_what_aws_is_known_to_need(self):
        known = Needed("Role", ("s3:GetBucketLocation",), "why", "https://docs.aws.amazon.com/")

        assert compare([PUT], [MAY_PUT, Allowed("s3:GetBucketLocation", LAKE)], known) == []


class TestARoleThatAllowsTooLittle:
    def test_is_noticed_by_the_action(self):
        assert compare([PUT], []) == [
            f"Role does not allow s3:PutObject on {LAKE}/raw/quotes/x.parquet, which was called"
        ]

    def test_is_noticed_by_the_resource(self):
        problems = compare([PUT], [Allowed("s3:PutObject", f"{LAKE}/refined/*")])

        assert len(problems) == 2
        assert "does not allow s3:PutObject" in problems[0]
        assert f"allows s3:PutObject on {LAKE}/refined/*, which no recorded call" in problems[1]

    def test_is_noticed_where_only_the_table_is_allowed_and_not_its_catalog(self):
        read = Call("worker", "glue", "GetTable", {"DatabaseName": "b3", "Name": "Quotes"})

        assert compare([read], [Allowed("glue:GetTable", f"{GLUE}:table/b3/quotes")]) == [
            f"Role does not allow glue:GetTable on {GLUE}:catalog, which was called",
            f"Role does not allow glue:GetTable on {GLUE}:database/b3, which was called",
        ]

    def test_is_noticed_where_a_missing_object_would_look_forbidden(self):
        look = Call("worker", "s3", "HeadObject", {"Bucket": "lake", "Key": "raw/x"}, missing=True)

        assert compare([look], [Allowed("s3:GetObject", f"{LAKE}/raw/*")]) == [
            f"Role does not allow s3:ListBucket on {LAKE}, which was called"
        ]

    def test_a_query_is_looked_up_in_the_workgroup_that_it_was_started_in(self):
        started = Call("worker", "athena", "StartQueryExecution", {"WorkGroup": "b3", "QueryExecutionId": "7"})
        looked = Call("worker", "athena", "GetQueryExecution", {"QueryExecutionId": "7"})

        assert {want.resource for want in permissions.requirements([started, looked], "worker")} == {
            "arn:aws:athena:us-east-1:000000000000:workgroup/b3"
        }


class TestARoleThatAllowsTooMuch:
    def test_is_noticed_by_an_action_that_nothing_calls(self):
        assert compare([PUT], [MAY_PUT, Allowed("s3:DeleteObject", f"{LAKE}/raw/*")]) == [
            f"Role allows s3:DeleteObject on {LAKE}/raw/*, which no recorded call and no requirement of AWS needs"
        ]

    def test_is_noticed_by_a_place_that_nothing_goes_to(self):
        assert compare([PUT], [MAY_PUT, Allowed("s3:PutObject", f"{LAKE}/landing/*")]) == [
            f"Role allows s3:PutObject on {LAKE}/landing/*, which no recorded call and no requirement of AWS needs"
        ]

    def test_is_noticed_by_a_queue_that_nothing_reads(self):
        queues = "arn:aws:sqs:us-east-1:000000000000"
        read = Call("worker", "sqs", "ReceiveMessage", {"QueueUrl": "http://127.0.0.1:1/000000000000/one"})
        named = Call("worker", "sqs", "DeleteMessageBatch", {"QueueUrl": "http://127.0.0.1:1/000000000000/one"})
        allowed = [Allowed(f"sqs:{what}Message", f"{queues}:one") for what in ("Receive", "Delete")]

        assert compare([read, named], allowed) == []
        assert compare([read, named], [*allowed, Allowed("sqs:ReceiveMessage", f"{queues}:other")]) == [
            f"Role allows sqs:ReceiveMessage on {queues}:other, which no recorded call and no requirement of AWS needs"
        ]

    def test_is_not_one_for_a_resource_that_the_action_does_not_know(self):
        read = Call("worker", "glue", "GetDatabase", {"Name": "b3"})
        allowed = [Allowed("glue:GetDatabase", f"{GLUE}:{kind}") for kind in ("catalog", "database/b3", "table/b3/*")]

        assert compare([read], allowed) == []

    def test_a_requirement_that_no_role_follows_is_stale(self):
        stale = Needed("Role", ("s3:GetBucketAcl",), "why", "https://docs.aws.amazon.com/")

        assert compare([PUT], [MAY_PUT], stale) == [
            "NEEDED_BY_AWS names s3:GetBucketAcl for Role, which does not allow it"
        ]


class TestARecording:
    def test_without_a_caller_is_not_of_a_whole_run(self):
        assert compare([], []) == ["the recording holds no call of worker: it is not of a whole run"]


class TestAPolicy:
    def test_that_is_more_than_actions_on_resources_is_refused_rather_than_misread(self):
        statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": {}}

        with pytest.raises(ValueError, match="Condition"):
            permissions.statements({"Statement": [statement]})

    def test_names_a_source_for_each_requirement(self):
        for needed in permissions.NEEDED_BY_AWS:
            assert needed.why
            assert needed.source.startswith("https://") or (INFRA.parent / needed.source).exists()


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Path:
    """The file that `server` records calls in."""
    return tmp_path_factory.mktemp("recorded") / "calls.jsonl"


@pytest.fixture(scope="module")
def server(recorded) -> Iterator[launch.Server]:
    with (
        launch.start(recorded.parent / "home", record_calls=recorded) as server,
        pytest.MonkeyPatch.context() as environment,
    ):
        for name, value in server.environment().items():
            environment.setenv(name, value)
        provision.provision(server.endpoint, "lake")
        yield server


@pytest.fixture(scope="module")
def recording(server, recorded) -> list[Call]:
    def client(name: str):
        return boto3.client(
            name, endpoint_url=server.endpoint, region_name="us-east-1", aws_access_key_id="airflow",
            aws_secret_access_key=server.secret,
        )  # fmt: skip

    client("s3").put_object(Bucket="lake", Key="landing/quotes/file.ZIP", Body=b"-")
    glue, athena = client("glue"), client("athena")
    glue.start_crawler(Name="b3-raw")
    while glue.get_crawler(Name="b3-raw")["Crawler"]["State"] != "READY":
        time.sleep(0.05)
    query = athena.start_query_execution(
        QueryString="SELECT count(*) FROM quotes", QueryExecutionContext={"Database": "b3"}, WorkGroup="b3"
    )["QueryExecutionId"]
    while (status := athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"])["State"] in (
        "QUEUED", "RUNNING",
    ):  # fmt: skip
        time.sleep(0.05)
    assert status["State"] == "SUCCEEDED", status
    return calls.read(recorded)


@pytest.fixture(scope="module")
def allowed(server) -> dict[str, list[Allowed]]:
    return permissions.roles(server.endpoint)


class TestTheStacksRoles:
    """Of the stack on a local AWS that records: the calls are those of a task's S3 client, a crawl and a query."""

    def test_are_found_with_their_resources_resolved(self, allowed):
        assert allowed.keys() == set(permissions.ROLES.values())
        for one in (allowed for role in allowed.values() for allowed in role):
            # CloudWatch's metrics are no resources.
            assert one.resource.startswith("arn:aws:") or one.action == "cloudwatch:PutMetricData"
            assert "$" not in one.resource

    def test_allow_what_these_callers_call(self, allowed, recording):
        problems = permissions.compare(recording, allowed)

        assert [problem for problem in problems if "does not allow" in problem] == []
        callers = {call.caller for call in recording}
        assert {"airflow", "glue-crawler"} < callers

    def test_follow_the_crawler_and_the_query_to_the_tables_they_read(self, recording):
        wanted = {
            (call.caller, call.via, call.operation, call.names.get("Name") or call.names.get("Prefix"))
            for call in recording
        }

        assert ("glue-crawler", "glue", "GetTable", "raw_sectors") in wanted
        assert ("glue-crawler", "glue", "ListObjectsV2", "raw/sectors/") in wanted
        assert ("airflow", "athena", "GetTable", "quotes") in wanted
        assert ("glue-crawler", "glue", "ReceiveMessage") in {one[:3] for one in wanted}
        assert ("airflow", None, "StartCrawler", "b3-raw") in wanted

    def test_without_one_of_their_actions_are_found_out(self, allowed, recording):
        lacking = {
            **allowed,
            "CrawlerRole": [one for one in allowed["CrawlerRole"] if one.action != "glue:GetPartitions"],
        }

        problems = permissions.compare(recording, lacking)

        assert any("CrawlerRole does not allow glue:GetPartitions" in problem for problem in problems)

    def test_every_requirement_of_aws_is_one_that_a_role_follows(self, allowed, recording):
        assert not [
            problem for problem in permissions.compare(recording, allowed) if problem.startswith("NEEDED_BY_AWS")
        ]


def test_a_recording_is_read_back_as_it_was_noted(tmp_path: Path):
    recorder = calls.Recorder(tmp_path / "calls.jsonl")
    recorder.note(PUT)
    recorder.note(PUT)
    recorder.note(Call("worker", "sns", "Publish", {"TopicArn": "arn:x"}, missing=True))

    assert calls.read(tmp_path / "calls.jsonl") == [
        PUT,
        Call("worker", "sns", "Publish", {"TopicArn": "arn:x"}, missing=True),
    ]
    assert all(json.loads(line) for line in (tmp_path / "calls.jsonl").read_text().splitlines())
