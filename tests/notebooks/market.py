"""The notebook of the market, and a lake of simulated sessions that it runs on.

`python -m tests.notebooks.market` executes it there, and writes it with its output.
"""

import datetime as dt
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3

from b3.calendar import sessions
from local import setup
from local.aws import launch
from local.lake import home, provision
from local.lake.servers import Lake
from tests.include.sql import lab
from tests.places import ROOT

NOTEBOOK = ROOT / "notebooks" / "market.ipynb"
LAST = dt.date(2024, 3, 14)
# As many as the notebook's longest window.
DAYS = sessions.sessions(dt.date(2024, 1, 12), LAST)
# As a new terminal has it.
_KEPT = ("PATH", "HOME", "LANG", "TMPDIR")


class _Every:
    """A set that holds everything."""

    def __contains__(self, item: object) -> bool:
        return True


@contextmanager
def lake(folder: Path) -> Iterator[Lake]:
    """A local lake with every share, fund and BDR of the simulated sessions, and a sector classification."""
    where = home.Home(home.SIMULATED, folder)
    with launch.start(where.aws) as server:
        former = dict(os.environ)
        os.environ.update(server.environment())
        boto3.DEFAULT_SESSION = None
        try:
            found = Lake(where, server.endpoint, provision.provision(server.endpoint, where.bucket))
            written = lab.Lab(found.endpoint, found.outputs)
            for day in DAYS:
                written.put("quotes", lab.quotes(day, _Every(), options=False), str(day))
            written.put("raw_sectors", lab.classification(LAST, without=""), str(LAST))
            written.crawl()
        finally:
            os.environ.clear()
            os.environ.update(former)
            boto3.DEFAULT_SESSION = None
        yield found


def execute(notebook: Path, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Execute a notebook with nothing but these variables; standard output is the notebook with its outputs."""
    return subprocess.run(
        [setup.NOTEBOOK.python, Path(__file__).with_name("execute.py"), notebook, NOTEBOOK.parent],
        env={name: os.environ[name] for name in _KEPT if name in os.environ} | dict(variables),
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip


def cells(notebook: str) -> list[dict[str, Any]]:
    """Return the code cells of a notebook."""
    return [cell for cell in json.loads(notebook)["cells"] if cell["cell_type"] == "code"]


def main() -> None:
    """Write the notebook with its output."""
    from local.commands import connect

    with tempfile.TemporaryDirectory() as folder, lake(Path(folder)) as found:
        done = execute(NOTEBOOK, connect.variables(found))
    if done.returncode:
        raise SystemExit(done.stderr)
    NOTEBOOK.write_text(done.stdout, encoding="utf-8")
    print(f"{NOTEBOOK.relative_to(ROOT)}: {len(done.stdout):,} characters")


if __name__ == "__main__":
    main()
