import subprocess
import sys
from pathlib import Path

from infra.checkout import ROOT

READ = """
import importlib, sys
from local.lake import ui_scheduler
for name in ui_scheduler.READ_BY_TASKS:
    importlib.import_module(name)
print(*(getattr(module, "__file__", None) or "" for module in list(sys.modules.values())), sep="\\n")
"""


def test_what_it_reads_for_tasks_is_no_dag_and_no_plugin():
    """Else a task would go on with the code that there was when `make ui` started."""
    command = [sys.executable, "-c", READ]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    read = {Path(line) for line in answer.stdout.splitlines() if line}

    assert any(path.match("airflow/sdk/execution_time/task_runner.py") for path in read)
    assert any(path.match("airflow/providers/amazon/aws/operators/glue.py") for path in read)
    ours = {
        path.relative_to(ROOT).parts[0]
        for path in read
        if path.is_relative_to(ROOT) and "site-packages" not in path.parts
    }
    assert ours == {"local"}
