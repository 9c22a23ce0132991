"""The last task of a run: it lists the findings, and ends green only if no task before it failed."""

from __future__ import annotations

from typing import Any

from airflow.sdk import task

from b3 import settings
from b3.airflow import alerts, assets, aws, lineage, run_metrics, summaries
from b3.airflow.dag_defaults import QUERY_TIMEOUT
from b3.airflow.skipping import skip

_UPLOADS = ("upload", "indexes.upload", "sectors.upload")


@task(
    task_id="summary",
    # Skipped tasks are fine. If a task failed, this one and the run fail too.
    trigger_rule="none_failed",
    templates_dict={"sql": "findings_by_rule.sql"},
    templates_exts=[".sql"],
    execution_timeout=QUERY_TIMEOUT,
    outlets=[assets.LAKE],
)
def summary(dag_run: Any, ti: Any, templates_dict: dict[str, str], outlet_events: Any) -> dict[str, Any]:
    """List what is odd in the run's quotes: in the log, as XCom and on the alert topic. Record the run.

    That is its row of run_metrics, and an event for each table that it wrote.

    Returns:
        `summary`, the text; and `findings`, their number by rule.
    """
    from b3.airflow import findings_summary as words

    # b3_history has the first alone; of the others it pulls None.
    pulled = {name: ti.xcom_pull(task_ids=name) for name in _UPLOADS}
    if pulled["upload"] is None:
        raise skip("no quotes were written", ti)
    rules = [words.RuleFindings(**row) for row in aws.ask(templates_dict["sql"])]
    what = f"{dag_run.dag_id}{alerts.of_run(dag_run)}"
    text = words.message(what, rules) if rules else words.subject(what, rules)
    summaries.tell(ti, text)
    if rules:
        alerts.inform(words.subject(what, rules), text)
    findings = sum(each.findings for each in rules)
    # First the events: the tables are written, whatever becomes of the run's own row.
    assets.announce(outlet_events, pulled, findings)
    written = run_metrics.record(dag_run, pulled["upload"]["partitions"], findings)
    if written:
        lineage.record(ti, read=[settings.read().lake.all_findings], written=written)
    return {"summary": text, "findings": {each.rule: each.findings for each in rules}}
