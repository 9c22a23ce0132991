"""`make constraints`: resolves every version, as of a date, into the files that the environments are made from.

    python3 -m local.commands.constraints AIRFLOW_DATE LOCAL_DATE

Airflow's set is resolved as of shortly after its release: undated, a later release of some dependency breaks it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from infra.checkout import ROOT
from local.setup import AIRFLOW, find_uv, requirements_of

HEADER = "# Made by `make constraints`, every version as of {date}. Do not edit.\n"


def main(airflow_date: str, local_date: str) -> int:
    """Write constraints.txt and the requirement files of the other environments."""
    with tempfile.NamedTemporaryFile("w", suffix=".in") as airflow:
        airflow.write(requirements_of(AIRFLOW))
        airflow.flush()
        _resolve(Path(airflow.name), ROOT / "constraints.txt", airflow_date)
    aws = ROOT / "local" / "aws"
    _resolve(aws / "requirements.in", aws / "requirements.txt", local_date)
    _resolve(aws / "spark-requirements.in", aws / "spark-requirements.txt", local_date)
    _resolve(ROOT / "infra" / "checkov-requirements.in", ROOT / "infra" / "checkov-requirements.txt", local_date)
    awscli = ROOT / "tests" / "infra"
    _resolve(awscli / "awscli-requirements.in", awscli / "awscli-requirements.txt", local_date)
    browser = ROOT / "tests" / "browser"
    _resolve(browser / "requirements.in", browser / "requirements.txt", local_date)
    _resolve(ROOT / "notebooks" / "requirements.in", ROOT / "notebooks" / "requirements.txt", local_date)
    for name in ("requirements", "b3fileparser-requirements"):
        _resolve(ROOT / "bench" / f"{name}.in", ROOT / "bench" / f"{name}.txt", local_date)
    return 0


def _resolve(wanted: Path, locked: Path, date: str) -> None:
    command = [str(find_uv()), "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--universal"]
    command += ["--python-version", "3.11", "--exclude-newer", date, str(wanted)]
    resolved = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout
    locked.write_text(HEADER.format(date=date) + resolved)
    print(f"{locked.relative_to(ROOT)}: {len(resolved.splitlines())} packages as of {date}")


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
