"""What is looked at before anything is deployed: the templates, and that every DAG imports where MWAA puts it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from infra.deploy import bundle, queries
from infra.deploy.arguments import Options
from infra.deploy.errors import DeployError

# The verdict goes to a file: Airflow logs to standard output.
_IMPORT = """
import pathlib, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.argv[1])
wrong = [f"{path}: {error}" for path, error in sorted(bag.import_errors.items())]
if not bag.dags and not wrong:
    wrong = ["there is no DAG"]
pathlib.Path(sys.argv[2]).write_text("\\n".join(wrong))
"""


def check(options: Options, say: Callable[[str], None]) -> None:
    """Look at all of it.

    Raises:
        DeployError: something is wrong; the message holds the tool's own words.
    """
    with tempfile.TemporaryDirectory(prefix="deploy-") as scratch:
        templates(options, Path(scratch))
        say("templates: cfn-lint finds nothing")
        dags(options, Path(scratch))
        say("DAGs: all import, laid out as on MWAA")


def templates(options: Options, scratch: Path) -> None:
    """cfn-lint over every template, the generated one too."""
    paths = [*sorted((options.root / "infra").glob("*.yaml")), options.template("code")]
    made = queries.template(options.sql) if options.queries else None
    if made:
        paths.append(scratch / "queries.json")
        paths[-1].write_text(queries.text(made), encoding="utf-8")
    _run("cfn-lint finds something", [Path(sys.executable).parent / "cfn-lint", *paths], os.environ)


def dags(options: Options, scratch: Path) -> None:
    """Import every DAG file, from a DAG folder and a plugins folder that hold what MWAA gets, and nothing else."""
    made = bundle.make(options.root)
    folder = scratch / "dags"
    for path, body in made.dags.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(body)
    zipfile.ZipFile(io.BytesIO(made.plugins)).extractall(scratch / "plugins")
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW", "AWS_", "B3_")) and name != "PYTHONPATH"
    }
    environ |= {
        "AIRFLOW_HOME": str(scratch / "home"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(scratch / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }
    verdict = scratch / "verdict"
    # -P: what lies in the working directory is not there on MWAA.
    _run("the DAGs cannot be looked at", [sys.executable, "-P", "-c", _IMPORT, folder, verdict], environ, cwd=scratch)
    if wrong := verdict.read_text():
        raise DeployError(f"expected every DAG to import where MWAA puts it; nothing was deployed:\n{wrong}")


def _run(failure: str, command: list[str | Path], environ: Mapping[str, str], cwd: Path | None = None) -> None:
    done = subprocess.run(command, env=environ, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        words = done.stdout.strip() or done.stderr.strip()
        raise DeployError(f"{failure}; nothing was deployed:\n{words[-4000:]}")
