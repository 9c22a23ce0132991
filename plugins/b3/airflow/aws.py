"""The AWS operators of the DAGs, and the clients of their tasks.

The crawlers, the job and the workgroup belong to the stack of infra/lake.yaml: operators run them, and change nothing.
"""

from __future__ import annotations

import datetime as dt
from functools import cached_property
from pathlib import Path
from typing import Any

from airflow.providers.amazon.aws.operators.athena import AthenaOperator
from airflow.providers.amazon.aws.operators.glue import GlueJobOperator
from airflow.providers.amazon.aws.operators.glue_crawler import GlueCrawlerOperator
from airflow.sdk import TaskGroup

CONNECTION = "aws_default"
_POLL_SECONDS = 0.25


def s3_client() -> Any:
    """Return a boto3 S3 client."""
    from airflow.providers.amazon.aws.hooks.s3 import S3Hook

    return S3Hook(aws_conn_id=CONNECTION).get_conn()


def ask(sql: str) -> list[dict[str, str | None]]:
    """Return the rows of a query on the lake, its values as Athena prints them.

    Args:
        sql: a query of at most 999 rows.

    Raises:
        RuntimeError: Athena did not answer; its reason is in the message.
    """
    from airflow.providers.amazon.aws.hooks.athena import AthenaHook

    from b3 import settings

    chosen = settings.read()
    hook = AthenaHook(aws_conn_id=CONNECTION)
    query_id = hook.run_query(sql, {"Database": chosen.glue_database}, {}, workgroup=chosen.athena_workgroup)
    # A number of seconds, whatever its annotation says.
    state = hook.poll_query_status(query_id, max_polling_attempts=2400, sleep_time=_POLL_SECONDS)  # type: ignore[arg-type]
    if state != "SUCCEEDED":
        raise RuntimeError(f"expected an answer of Athena, found {state}: {hook.get_state_change_reason(query_id)}")
    answer = hook.get_query_results(query_id)
    assert answer
    header, *rows = answer["ResultSet"]["Rows"]
    names = [cell["VarCharValue"] for cell in header["Data"]]
    return [dict(zip(names, (cell.get("VarCharValue") for cell in row["Data"]), strict=True)) for row in rows]


class S3OnDemand:
    """A boto3 S3 client that is made at its first use: making it takes a second, and most runs need none."""

    @cached_property
    def _client(self) -> Any:
        return s3_client()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def statements(folder: Path) -> list[str]:
    """Return the names of the SQL files in a folder, without `.sql`.

    Raises:
        FileNotFoundError: there are none.
    """
    found = sorted(path.stem for path in folder.glob("*.sql"))
    if not found:
        raise FileNotFoundError(f"expected SQL files in {folder}, found none: deploy include/ inside the DAG folder")
    return found


def crawl(task_id: str, crawler: str, *, trigger_rule: str = "all_success") -> GlueCrawlerOperator:
    """Run a crawler, of which only the (templated) name is given."""
    return GlueCrawlerOperator(
        task_id=task_id,
        config={"Name": crawler},
        aws_conn_id=CONNECTION,
        deferrable=True,
        poll_interval=1,
        execution_timeout=dt.timedelta(minutes=30),
        # A crawler cannot run twice at once: another DAG's crawl is waited out. And a crawl that ends at once may be
        # marked failed: github.com/apache/airflow/issues/67287, 72716.
        retries=10,
        # What a failed crawl had read of its queue is hidden from the next for half a minute.
        retry_delay=dt.timedelta(seconds=35),
        # Backfills have a limit of runs of their own.
        max_active_tis_per_dag=1,
        trigger_rule=trigger_rule,
    )


def refine(arguments: dict[str, str]) -> GlueJobOperator:
    """Run the Glue job with (templated) arguments."""
    return GlueJobOperator(
        task_id="refine",
        job_name="{{ settings().glue_job }}",
        script_args=arguments,
        aws_conn_id=CONNECTION,
        deferrable=True,
        verbose=False,
        # Longer than any GlueTimeoutMinutes: a run that is given up on goes on beside the one that is tried instead.
        waiter_delay=2,
        waiter_max_attempts=18_300,
        update_config=False,
        max_active_tis_per_dag=2,
    )


def checks(sql: Path, data_set: str, group_id: str | None = None) -> TaskGroup:
    """Return a group with a task for each file of include/sql/validate/<data set>/; a violated check fails its query.

    A task is called `validate.<file>` whichever group it is in.

    Args:
        sql: the folder include/sql.
        data_set: name of the folder with the checks.
        group_id: the group's, by default the data set's name.
    """
    with TaskGroup(group_id or data_set, prefix_group_id=False) as group:
        for name in statements(sql / "validate" / data_set):
            _athena(f"validate/{data_set}/{name}.sql", task_id=f"validate.{name}", task_display_name=name)
    return group


def views(sql: Path) -> TaskGroup:
    """Return a group with a task for each file of include/sql/views/."""
    with TaskGroup("views") as group:
        for name in statements(sql / "views"):
            _athena(f"views/{name}.sql", task_id=name)
    return group


def _athena(file: str, **arguments: Any) -> AthenaOperator:
    """Run a file of include/sql.

    Not deferrable: a query takes a second or two, less than the second start that deferring costs.
    """
    return AthenaOperator(
        query=file,
        database="{{ settings().glue_database }}",
        workgroup="{{ settings().athena_workgroup }}",
        aws_conn_id=CONNECTION,
        deferrable=False,
        sleep_time=_POLL_SECONDS,  # type: ignore[arg-type]  # a number of seconds, whatever its annotation says
        max_polling_attempts=2400,
        # Once more for a worker that died; a violated check stays so, at the price of one query.
        retries=1,
        retry_delay=dt.timedelta(seconds=10),
        **arguments,
    )
