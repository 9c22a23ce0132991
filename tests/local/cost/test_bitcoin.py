from b3.airflow import task_docs
from local.cost import bitcoin


def test_the_tasks_of_a_run_are_those_of_the_dag():
    assert len([task for task in task_docs.NOTES if task.startswith("bitcoin.")]) == bitcoin.TASKS_BESIDE_CHECKS
