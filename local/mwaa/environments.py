"""An environment for each version: the image's packages, and then requirements.txt by pip, as MWAA does it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

from local import setup
from local.mwaa import rules
from local.mwaa.layout import Layout
from local.mwaa.versions import ABSENT, IMAGE, PYTHON, Version
from local.setup import Environment

_LINES_SHOWN = 25


class InstallFailed(Exception):
    """MWAA would log this, and start without the packages."""


def make(version: Version, layout: Layout) -> Path:
    """The version's interpreter, with all that MWAA would have; made once, and anew when what it is made from changes.

    Raises:
        InstallFailed: pip failed on requirements.txt, took longer than MWAA waits, or changed what the image has.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".in") as image:
        image.write("".join(f"{package}\n" for package in IMAGE))
        image.flush()
        environment = Environment(
            f"mwaa-{version.airflow}", version.folder, (PYTHON,), (Path(image.name),), layout.constraints
        )
        wanted = _fingerprint(layout)
        stamp = version.folder / ".installed-from"
        if not (stamp.exists() and stamp.read_text() == wanted):
            # What pip left of other requirements must not help these.
            (version.folder / ".made-from").unlink(missing_ok=True)
        setup.make(environment)
    if not stamp.exists():
        seconds = _install(version, environment.python, layout)
        print(f"{version.airflow}: requirements.txt installed in {seconds:.0f} s", flush=True)
        stamp.write_text(wanted)
    return environment.python


def _install(version: Version, python: Path, layout: Layout) -> float:
    before = _packages(python)
    present = {package for package in ABSENT if package.replace("_", "-") in before}
    if present:
        raise InstallFailed(f"expected {', '.join(sorted(present))} not to be in the image of {version.airflow}")
    started = time.monotonic()
    try:
        done = subprocess.run(
            [python, "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "-r", layout.requirements],
            cwd=layout.home, env=environ(layout.home), timeout=rules.INSTALL_SECONDS, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise InstallFailed(
            f"expected requirements.txt to install within the {rules.INSTALL_SECONDS // 60} minutes that MWAA gives "
            "it, found pip still at it: ask for less"
        ) from None
    seconds = time.monotonic() - started
    if done.returncode:
        said = "\n".join(f"    {line}" for line in done.stdout.splitlines()[-_LINES_SHOWN:])
        raise InstallFailed(
            f"expected requirements.txt to install on Airflow {version.airflow}, found that pip fails with status "
            f"{done.returncode}; MWAA would only log it and start without the packages:\n{said}"
        )
    after = _packages(python)
    changed = [
        f"{name} {was} to {after.get(name, 'nothing')}" for name, was in before.items() if after.get(name) != was
    ]
    if changed:
        raise InstallFailed(
            f"expected requirements.txt to leave the image of {version.airflow} as it is, found that it changes "
            f"{', '.join(changed)}: pin the image's versions in {version.constraints.name}"
        )
    return seconds


def environ(home: Path) -> dict[str, str]:
    """The variables of a process on MWAA: nothing of the caller's but what reaches the package index."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in ("PATH", "LANG", "TMPDIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NO_PROXY", "no_proxy")
        or name.lower().endswith("_proxy")
        or name.startswith("PIP_")
    }
    # pip reads its configuration below HOME.
    return {"HOME": os.environ.get("HOME", str(home))} | kept | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(home / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }  # fmt: skip


def _packages(python: Path) -> dict[str, str]:
    listed = subprocess.run(
        [python, "-m", "pip", "list", "--format", "json", "--disable-pip-version-check"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return {entry["name"].lower().replace("_", "-"): entry["version"] for entry in json.loads(listed.stdout)}


def _fingerprint(layout: Layout) -> str:
    digest = hashlib.sha256("\n".join((*IMAGE, PYTHON)).encode())
    for path in (layout.requirements, layout.constraints):
        digest.update(rules.anchored(path.read_text(), str(layout.home)).encode())
    return digest.hexdigest()
