"""What MWAA asks of requirements.txt, beyond what pip asks."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import PurePosixPath

HOME = "/usr/local/airflow"
DAGS = f"{HOME}/dags"
INSTALL_SECONDS = 9 * 60
# MWAA's own pattern: it matches comments, too.
_CONSTRAINT_FLAG = re.compile(r"-c |--constraint ")
_CONSTRAINT = re.compile(r"""^(?:-c|--constraint)\s+(["']?)(?P<path>[^"'\s]+)\1\s*$""")
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==")


def violations(requirements: str, dags: Collection[str], constraints: str) -> list[str]:
    """What in requirements.txt MWAA would not do as it says, a sentence each.

    Args:
        requirements: text of requirements.txt.
        dags: the deployed files, by their path below the DAG folder.
        constraints: text of the deployed constraints.
    """
    lines = [line.strip() for line in requirements.splitlines()]
    paths = [match["path"] for line in lines if (match := _CONSTRAINT.match(line))]
    found: list[str] = []
    if not paths:
        commented = any(_CONSTRAINT_FLAG.search(line) for line in lines)
        found.append(
            f'expected a line --constraint "{DAGS}/constraints.txt" in requirements.txt, found '
            + (
                "only a comment that names it: MWAA takes that for one, and installs without constraints"
                if commented
                else "none: MWAA would put its own constraints in its place"
            )
        )
    for path in paths:
        if not path.startswith(f"{DAGS}/") or str(PurePosixPath(path).relative_to(DAGS)) not in dags:
            found.append(
                f"expected --constraint to name a file that is deployed to {DAGS}, found {path}: pip would stop there, "
                "and MWAA start without the packages"
            )
    pinned = {_plain(match[1]) for line in constraints.splitlines() if (match := _PINNED.match(line))}
    for line in lines:
        if not line or line.startswith(("#", "-")):
            continue
        package = re.split(r"[\[<>=!~; ]", line, maxsplit=1)[0]
        if _plain(package) not in pinned:
            found.append(
                f"expected the constraints to pin {package} of requirements.txt, found nothing: its newest version "
                "would be installed, another each time"
            )
    return found


def relocated(requirements: str, home: str) -> str:
    """requirements.txt for a machine on which MWAA's home lies elsewhere."""
    return requirements.replace(f"{HOME}/", f"{home}/")


def anchored(requirements: str, home: str) -> str:
    """The opposite of `relocated`."""
    return requirements.replace(f"{home}/", f"{HOME}/")


def _plain(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()
