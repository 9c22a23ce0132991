"""AWS operators of the DAGs, and AWS clients of their tasks.

The stack of infra/lake.yaml owns the crawlers, the job and the workgroup. Operators run them and change nothing.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from airflow.providers.amazon.aws.operators.glue import GlueJobOperator
from airflow.providers.amazon.aws.operators.glue_crawler import GlueCrawlerOperator
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import TaskGroup

from b3.airflow import failing, lineage, summaries
from b3.airflow.clients import CONNECTION as CONNECTION
from b3.airflow.clients import glue_client as glue_client
from b3.airflow.clients import s3_client as s3_client
from b3.airflow.dag_defaults import CRAWL_WAIT, QUERY_TIMEOUT
from b3.airflow.queries import CheckOperator, QueryOperator, console_links
from b3.airflow.skipping import skip
from b3.lake import athena

# Arguments of the Glue job that say where it reads, and where it writes.
_READ = ("--source", "--portfolio")
_WRITTEN = ("--target", "--findings", "--index_target")


def ask(sql: str) -> list[dict[str, Any]]:
    """Return the rows of a query on the lake, see `b3.lake.athena.ask`."""
    return asking()(sql)


def asking() -> Callable[[str], list[dict[str, Any]]]:
    """Return a function that does as `ask`, with one client for all its queries. Threads may share it."""
    from airflow.providers.amazon.aws.hooks.athena import AthenaHook

    from b3 import settings

    chosen = settings.read()
    client = AthenaHook(aws_conn_id=CONNECTION).get_conn()
    return lambda sql: athena.ask(client, sql, chosen.glue_database, chosen.athena_workgroup)


class S3OnDemand:
    """A boto3 S3 client, made at its first use: that takes a second, and most runs need none."""

    @cached_property
    def _client(self) -> Any:
        return s3_client()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def statements(folder: Path) -> list[str]:
    """Return the names of the SQL files in a folder, without `.sql`.

    Raises:
        FileNotFoundError: the folder has no SQL file.
    """
    found = sorted(path.stem for path in folder.glob("*.sql"))
    if not found:
        raise FileNotFoundError(f"expected SQL files in {folder}, found none: deploy include/ inside the DAG folder")
    return found


def registered(task_id: str) -> EmptyOperator:
    """Return the task that what needs a table's partitions waits for: a crawl may be skipped, and does not skip it."""
    return EmptyOperator(task_id=task_id, trigger_rule="none_failed")


class JobOperator(GlueJobOperator):
    """Run a Glue job."""

    operator_extra_links = console_links(GlueJobOperator)


def _tell_crawl(context: Any, result: Any) -> None:
    summaries.tell(context["ti"], f"crawler {result} succeeded: the catalog has the new partitions")


def _tell_refine(context: Any, result: Any) -> None:
    arguments = context["task"].script_args
    read, written = ([arguments[name] for name in names if name in arguments] for names in (_READ, _WRITTEN))
    lineage.record(context["ti"], read=read, written=written)
    _tell_job(context, f"refined, in {arguments['--target']}", result)


def _tell_transform(context: Any, result: Any) -> None:
    from b3 import settings
    from b3.lake import layout

    lake = settings.read().lake
    read = [lake.all_raw_quotes, lake.uri(layout.sessions_prefix(layout.raw_index_portfolio_key))]
    lineage.record(context["ti"], read=read, written=[lake.uri(layout.VISUAL_INDEX_STOCKS_PREFIX)])
    _tell_job(context, "summed up by the visual job", result)


def _tell_job(context: Any, done: str, result: Any) -> None:
    task = context["task"]
    sessions = task.script_args["--sessions"].split(",")
    what = f"{sessions[0]} is" if len(sessions) == 1 else f"{len(sessions)} sessions from {sessions[0]} on are"
    summaries.tell(context["ti"], f"{what} {done}; job {task.job_name}, run {result}")


class CrawlOperator(GlueCrawlerOperator):
    """Run a crawler. If tasks register partitions (B3_REGISTER), skip the crawl.

    Args:
        register: takes the task's context, registers what the task before wrote, and returns how many partitions are
            new; None where that task did so itself.
    """

    def __init__(self, *, register: Callable[[Any], int] | None = None, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.register = register

    def execute(self, context: Any) -> Any:
        """Start the crawler once no other crawl of it is under way, and defer until its end.

        Raises:
            AirflowFailException: the crawler was not ready during CRAWL_WAIT.
        """
        from b3 import settings

        if settings.read().crawls:
            self._wait_until_ready(self.config["Name"])
            return super().execute(context)
        how = f"{self.register(context)} new partitions registered" if self.register else "upload registers partitions"
        raise skip(f"no crawl, since B3_REGISTER is {settings.BY_TASKS}: {how}", context["ti"])

    def _wait_until_ready(self, name: str) -> None:
        for _ in range(round(CRAWL_WAIT.total_seconds() / self.poll_interval)):
            state = self.hook.get_crawler(name)["State"]
            if state == "READY":
                return
            self.log.info("crawler %s is %s; waiting until it is READY", name, state)
            time.sleep(self.poll_interval)
        raise failing.for_good(
            RuntimeError(
                f"expected crawler {name} to be READY within {CRAWL_WAIT}, found it {state}: see its log, stop it or "
                "wait, and clear this task"
            )
        )


def crawl(
    task_id: str,
    crawler: str,
    *,
    trigger_rule: str = "all_success",
    register: Callable[[Any], int] | None = None,
) -> GlueCrawlerOperator:
    """Return a task that runs a crawler; its name is templated. For `register` see `CrawlOperator`."""
    return CrawlOperator(
        register=register,
        task_id=task_id,
        post_execute=_tell_crawl,
        config={"Name": crawler},
        aws_conn_id=CONNECTION,
        deferrable=True,
        # The trigger looks 1,500 times: twice as long as CRAWL_WAIT.
        poll_interval=2,
        execution_timeout=CRAWL_WAIT + dt.timedelta(minutes=5),
        # Of two runs that waited for a crawl one may be refused. And Airflow may mark a crawl failed that ends at once:
        # github.com/apache/airflow/issues/67287, 72716.
        retries=10,
        # SQS hides the events that a failed crawl has read from the next crawl for half a minute.
        retry_delay=dt.timedelta(seconds=35),
        # max_active_runs does not limit backfills.
        max_active_tis_per_dag=1,
        trigger_rule=trigger_rule,
    )


def refine(arguments: dict[str, str]) -> GlueJobOperator:
    """Return the task that runs the Glue job; its arguments are templated."""
    return _run_job("refine", "{{ settings().glue_job }}", arguments, _tell_refine)


def transform() -> GlueJobOperator:
    """Return the task that runs the visual Glue job for the sessions of a run of b3_visual."""
    sessions = "{{ period(dag_run, triggering_asset_events).argument }}"
    return _run_job("transform", "{{ settings().visual_job }}", {"--sessions": sessions}, _tell_transform)


def _run_job(task_id: str, job: str, arguments: dict[str, str], tell: Callable[[Any, Any], None]) -> GlueJobOperator:
    return JobOperator(
        task_id=task_id,
        post_execute=tell,
        job_name=job,
        script_args=arguments,
        aws_conn_id=CONNECTION,
        deferrable=True,
        verbose=False,
        # Wait longer than any GlueTimeoutMinutes: else the job run would go on beside its retry.
        waiter_delay=2,
        waiter_max_attempts=18_300,
        update_config=False,
        max_active_tis_per_dag=2,
    )


def checks(sql: Path, data_set: str, group_id: str | None = None) -> TaskGroup:
    """Return a group with one task per file of include/sql/validate/<data set>/. A violated check fails its query.

    Task ids are `validate.<file>` in every group.

    Args:
        sql: the folder include/sql.
        data_set: name of the folder with the checks.
        group_id: id of the group, by default the data set's name.
    """
    with TaskGroup(group_id or data_set, prefix_group_id=False) as group:
        for name in statements(sql / "validate" / data_set):
            _athena(
                CheckOperator, f"validate/{data_set}/{name}.sql", task_id=f"validate.{name}", task_display_name=name
            )
    return group


def views(sql: Path) -> TaskGroup:
    """Return a group with one task per file of include/sql/views/."""
    with TaskGroup("views") as group:
        for name in statements(sql / "views"):
            _athena(QueryOperator, f"views/{name}.sql", task_id=name)
    return group


def _athena(operator: type, file: str, **arguments: Any) -> Any:
    """Return a task that runs a file of include/sql.

    It does not defer: a query takes a second or two, less than starting the task a second time.
    """
    return operator(
        query=file,
        database="{{ settings().glue_database }}",
        workgroup="{{ settings().athena_workgroup }}",
        aws_conn_id=CONNECTION,
        deferrable=False,
        sleep_time=athena.POLL_SECONDS,  # may be a fraction of a second, although it is annotated as int
        # More than until the timeout, which also stops the query.
        max_polling_attempts=2 * round(QUERY_TIMEOUT.total_seconds() / athena.POLL_SECONDS),
        execution_timeout=QUERY_TIMEOUT,
        # One retry, in case the worker died. A violated check is not tried again.
        retries=1,
        retry_delay=dt.timedelta(seconds=10),
        **arguments,
    )
