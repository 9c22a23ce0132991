"""The task that writes the report of a run's session."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import task

from b3.airflow import aws, lineage, summaries
from b3.airflow.dag_defaults import QUERY_TIMEOUT
from b3.airflow.queries import claim
from b3.airflow.skipping import skip

if TYPE_CHECKING:
    from b3.report.page import Outcome

# Without these the tables do not show the run's quotes.
_NEEDED = ("upload", "refine", "refined_registered")


def report(sql: Path, trade_date: str) -> Any:
    """Return the task `report`; it runs after the checks, whether they passed or not.

    Args:
        sql: the folder include/sql.
        trade_date: template of the session.
    """
    names = aws.statements(sql / "report")

    @task(
        task_id="report",
        trigger_rule="all_done",
        templates_dict={name: f"report/{name}.sql" for name in names},
        templates_exts=[".sql"],
        execution_timeout=QUERY_TIMEOUT,
    )
    def write(trade_date: str, dag_run: Any, ti: Any, templates_dict: dict[str, str]) -> str:
        """Write the page on the session to reports/: figures, charts, and how the checks ended.

        Returns:
            The page's URI.
        """
        from b3 import settings
        from b3.lake import layout
        from b3.report import publish

        upstream = ti.task.get_flat_relative_ids(upstream=True)
        states = ti.get_task_states(dag_id=ti.dag_id, task_ids=sorted(upstream), run_ids=[dag_run.run_id])
        of_run = states.get(dag_run.run_id, {})
        for needed in _NEEDED:
            if of_run.get(needed) != "success":
                raise skip(f"{needed} did not succeed, so the tables may not show the session", ti)
        lake = settings.read().lake
        written = publish.write_report(
            aws.asking(),
            aws.s3_client(),
            lake,
            templates_dict,
            dt.date.fromisoformat(trade_date),
            outcomes(of_run, sql),
        )
        lineage.record(ti, read=map(lake.uri, layout.session_tables()), written=[written.uri])
        summaries.tell(ti, written.summary)
        return written.uri

    return write(trade_date)  # type: ignore[call-arg, misc]  # Airflow gives the other arguments.


def outcomes(states: dict[str, Any], sql: Path) -> list[Outcome]:
    """Return how the tasks ended; a check says what must hold, with the first comment of its file.

    Args:
        states: Airflow's states, by task.
        sql: the folder include/sql.
    """
    from b3.report.page import Outcome

    claims = {f"validate.{path.stem}": claim(path.read_text()) for path in sql.glob("validate/*/*.sql")}
    return [Outcome(name, str(state), claims.get(name, "")) for name, state in states.items()]
