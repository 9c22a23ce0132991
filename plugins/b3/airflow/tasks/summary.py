"""The last task of a run: it tells what was odd, and ends green only if what came before did."""

from __future__ import annotations

from typing import Any

from airflow.sdk import task

from b3.airflow import alerts, aws
from b3.airflow.skipping import skip


@task(
    task_id="summary",
    # What was skipped is no failure; anything that failed ends here, and with it the run.
    trigger_rule="none_failed",
    templates_dict={"sql": "findings_by_rule.sql"},
    templates_exts=[".sql"],
)
def summary(dag_run: Any, ti: Any, templates_dict: dict[str, str]) -> dict[str, Any]:
    """Tell what was odd in the quotes of the run, in the log, as XCom and to the alert topic.

    Returns:
        `summary` in words, and `findings`, how many there are by rule.
    """
    from b3.airflow import findings_summary as words

    if ti.xcom_pull(task_ids="upload") is None:
        raise skip("no quotes were written", ti)
    rules = [words.RuleFindings.of(row) for row in aws.ask(templates_dict["sql"])]
    what = f"{dag_run.dag_id}{alerts.of_run(dag_run)}"
    text = words.message(what, rules) if rules else words.subject(what, rules)
    print(text)
    if rules:
        alerts.inform(words.subject(what, rules), text)
    return {"summary": text, "findings": {each.rule: each.findings for each in rules}}
