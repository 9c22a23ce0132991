"""What holds for each DAG."""

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG

from tests.dags.test_b3_daily import DAGS, parse, serialized


@pytest.fixture(scope="module")
def bag() -> DagBag:
    return parse(DAGS)


@pytest.fixture(params=sorted(path.stem for path in DAGS.glob("*.py")))
def dag(request: pytest.FixtureRequest, bag: DagBag) -> DAG:
    return bag.dags[request.param]


def test_parsed_again_it_is_the_same_version(dag):
    """A DAG that parses to something else each time grows a version a minute."""
    assert serialized(parse(DAGS).dags[dag.dag_id]) == serialized(dag)


class TestItsRuns:
    def test_are_one_at_a_time_and_not_made_up_for(self, dag):
        # An event that waited behind a run of b3_visual would be forgotten until the next one.
        assert dag.max_active_runs == (16 if dag.dag_id == "b3_visual" else 1)
        assert dag.catchup is False

    def test_have_an_owner_tags_and_a_runbook(self, dag):
        assert {task.owner for task in dag.tasks} == {"market-data"}
        assert dag.tags == {"b3", "market-data"}
        assert "**When it fails.**" in dag.doc_md
        assert dag.description

    def test_are_told_of_if_they_fail(self, dag):
        silent = {task.task_id for task in dag.tasks if not task.on_failure_callback}
        told = [task.on_failure_callback[0].__name__ for task in dag.tasks if task.task_id not in silent]
        assert set(told) == {"publish"}
        # Of a thousand runs that could not be started `empty_inbox` tells once.
        assert silent == ({"start"} if dag.dag_id == "b3_arrivals" else set())
        assert dag.on_failure_callback.__name__ == "publish_timeout"
        assert dag.on_success_callback.__name__ == "recover"


def test_each_task_says_what_it_does_and_what_its_failure_means(dag):
    for task in dag.tasks:
        does, *parts = task.doc_md.strip().split("\n\n")
        assert does and does.endswith("."), task.task_id
        assert [part.partition(":**")[0] for part in parts] == ["**If it fails", "**What to do", "**It can be ignored"]


def test_its_picture_is_in_a_fence(dag):
    """The UI runs indented lines together."""
    heading, fence, *_ = dag.doc_md.strip().split("\n\n")
    assert heading.startswith("### ") and fence.startswith("```text\n") and fence.endswith("\n```")
