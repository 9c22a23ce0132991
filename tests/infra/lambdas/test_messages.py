import json

import pytest

from infra.lambdas import messages, wake
from infra.lambdas.messages import Arrived


def record(number: int, body: object) -> dict[str, str]:
    return {"messageId": f"m{number}", "body": body if isinstance(body, str) else json.dumps(body)}


def told(key: str, identity: str = "e", **changed: object) -> dict[str, object]:
    detail = {"bucket": {"name": "lake"}, "object": {"key": key}}
    return {"id": identity, "source": "aws.s3", "detail-type": "Object Created", "detail": detail, **changed}


class TestABatch:
    def test_gives_the_objects_and_the_messages_that_tell_of_none(self):
        others = ["", "[]", "{}", "500", told("x", source="aws.ec2"), told("x", **{"detail-type": "Object Deleted"})]
        batch = [told("stream/a"), *others, {**told("x"), "detail": {"bucket": "lake"}}]

        found, bad = messages.read_all({"Records": [record(number, body) for number, body in enumerate(batch)]})

        assert found == [Arrived("m0", "e", "lake", "stream/a")]
        assert bad == [f"m{number}" for number in range(1, len(batch))]

    def test_answers_with_the_failures_alone_in_lambdas_own_form(self):
        assert messages.failures([]) == {"batchItemFailures": []}
        assert messages.failures(["m1"]) == {"batchItemFailures": [{"itemIdentifier": "m1"}]}


class Refusal(Exception):
    """What MWAA raises where Airflow answers with an error; it has the status of Airflow."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.response = {"RestApiStatusCode": status}


class Mwaa:
    """Answers a call with a status of Airflow."""

    class exceptions:  # noqa: N801
        RestApiClientException = Refusal

    def __init__(self, status: int) -> None:
        self.status, self.runs = status, []

    def invoke_rest_api(self, *, Body: dict[str, str], **_: object) -> None:  # noqa: N803
        self.runs.append(Body["dag_run_id"])
        if self.status >= 400:
            raise Refusal(self.status)


class TestWaking:
    @pytest.fixture
    def call(self, monkeypatch):
        monkeypatch.setenv("ENVIRONMENT", "b3")
        monkeypatch.setenv("DAG", "b3_arrivals")

        def run(status: int, *bodies: object) -> tuple[list[str], list[str]]:
            mwaa = Mwaa(status)
            monkeypatch.setattr(wake, "_mwaa", lambda: mwaa)
            answer = wake.handler({"Records": [record(number, body) for number, body in enumerate(bodies)]}, None)
            return mwaa.runs, [one["itemIdentifier"] for one in answer["batchItemFailures"]]

        return run

    def test_starts_one_run_for_files_that_come_together(self, call):
        runs, failed = call(200, told("inbox/a", "1"), told("inbox/b", "2"))

        assert (len(runs), failed) == (1, [])

    def test_gives_the_same_events_the_same_run_in_any_order(self, call):
        assert call(200, told("a", "1"), told("b", "2"))[0] == call(200, told("b", "2"), told("a", "1"))[0]
        assert call(200, told("a", "1"))[0] != call(200, told("a", "2"))[0]

    def test_takes_a_run_that_is_there_for_started(self, call):
        assert call(409, told("inbox/a"))[1] == []

    @pytest.mark.parametrize("status", [403, 404, 422])
    def test_keeps_the_messages_where_airflow_refuses(self, call, status):
        assert call(status, told("inbox/a"), told("inbox/b"))[1] == ["m0", "m1"]

    def test_calls_nobody_for_messages_that_tell_of_nothing(self, call):
        assert call(200, "nonsense") == ([], ["m0"])
