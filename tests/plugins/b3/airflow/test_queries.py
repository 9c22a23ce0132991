"""Checks fail with their own sentence, once; links lead somewhere or are absent."""

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.exceptions import AirflowException
from airflow.providers.amazon.aws.operators.athena import AthenaOperator
from airflow.sdk.exceptions import AirflowFailException

from b3.airflow import queries
from b3.airflow.queries import CheckOperator, QueryOperator, claim, console_links

SQL = "-- Every price\n-- is above zero.\nSELECT 1"
SENTENCE = "of 2024-03-14, 2 rows break it, the first is ABCD3's: expected 2 findings, found 0; run refine again"
REASON = f"INVALID_CAST_ARGUMENT: Cannot cast '{SENTENCE.replace(chr(39), chr(39) * 2)}' to INT"


class Task:
    """A query operator whose Athena succeeds, or fails for a reason."""

    def __init__(self, operator: type, monkeypatch: pytest.MonkeyPatch, reason: str | None = None) -> None:
        def execute(task: Any, context: Any) -> str:
            task.query_execution_id = "an-id"
            if reason is not None:
                raise AirflowException("Final state of Athena job is FAILED, query_execution_id is an-id")
            return "an-id"

        monkeypatch.setattr(AthenaOperator, "execute", execute)
        hook = SimpleNamespace(get_state_change_reason=lambda query_id: reason)
        monkeypatch.setattr(operator, "hook", hook)
        self.operator = operator(task_id="a_task", query=SQL, database="b3")
        self.told: dict[str, str] = {}

    def run(self) -> Any:
        return self.operator.execute({"ti": SimpleNamespace(xcom_push=self.told.__setitem__)})


@pytest.mark.parametrize(("operator", "word"), [(CheckOperator, "holds"), (QueryOperator, "done")])
def test_a_query_that_succeeds_tells_its_comment(monkeypatch, operator, word, capsys):
    task = Task(operator, monkeypatch)

    assert task.run() == "an-id"
    assert task.told == {"summary": f"{word}: Every price is above zero."}
    assert f"\n{word}: Every price is above zero.\n" in f"\n{capsys.readouterr().out}"


def test_a_violated_check_fails_for_good_with_its_sentence_alone(monkeypatch):
    with pytest.raises(AirflowFailException) as error:
        Task(CheckOperator, monkeypatch, REASON).run()

    assert str(error.value) == f"CheckViolated: {SENTENCE}"
    assert error.value.__suppress_context__ or error.value.__context__ is None


@pytest.mark.parametrize("reason", ["TABLE_NOT_FOUND: Table quotes does not exist", "throttled", ""])
def test_another_failure_of_athena_may_be_tried_again(monkeypatch, reason):
    with pytest.raises(AirflowException) as error:
        Task(CheckOperator, monkeypatch, reason).run()

    assert not isinstance(error.value, AirflowFailException)
    assert "Final state of Athena job" in str(error.value)


def test_the_console_is_linked_on_aws_and_not_from_a_stand_in(monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    assert console_links(AthenaOperator) == AthenaOperator.operator_extra_links != ()

    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    assert queries.is_local()
    assert console_links(AthenaOperator) == ()


@pytest.mark.parametrize(
    ("sql", "said"), [("SELECT 1", ""), ("-- One.\nSELECT 1 -- two\n", "One."), ("-- A\n--\n-- b.\nSELECT", "A  b.")]
)
def test_a_claim_is_the_comment_at_the_top(sql, said):
    assert claim(sql) == said
