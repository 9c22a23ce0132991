"""What this machine has of what the commands need. Nothing but Python is needed to ask, so it works before set-up."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from b3.doctor.diagnosis import Diagnosis
from infra.checkout import ROOT
from local import setup
from local.aws.glue import spark
from local.lake import home

HEADING = ("this machine", "has", "as the commands need it?")
OLDEST_PYTHON = (3, 11)
UI_PORT = 8080
_GB = 1_000_000_000
# The environments take 2.5 GB; a simulated or real year in the lake some hundred MB.
_DISK_FOR_SETUP = 3 * _GB
_DISK_FOR_RUNS = 1 * _GB
# A year's Glue job holds 0.9 GB, its other tasks 0.6, and the servers beside them the rest.
_MEMORY = 2 * _GB
_TIMEOUT = 10
_MEMORY_INFO = Path("/proc/meminfo")
_MEMORY_LIMIT = Path("/sys/fs/cgroup/memory.max")


def for_setup() -> list[Diagnosis]:
    """Return what making the environments needs."""
    return [
        _look("Python", _python),
        _look("Python's venv", _venv),
        *(_look(f"Python for {environment.name}", _python_of, environment) for environment in setup.DEFAULT),
        _look("Python packages", _packages),
        _look("free disk", _disk),
    ]


def for_runs() -> list[Diagnosis]:
    """Return what the commands need beside the environments."""
    found = [_look("make", _make), _look("Java", _java), _look("free memory", _memory)]
    ports = {"B3_UI_PORT": str(UI_PORT), "B3_AWS_PORT": "", "B3_EXCHANGE_PORT": ""}
    for variable, default in ports.items():
        port = os.environ.get(variable) or default
        if port not in ("", "0"):
            found.append(_look(variable, _port, port))
    return found


def why_taken(port: int) -> str | None:
    """Return why nothing can listen on a port of 127.0.0.1, None if it is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return error.strerror
    return None


def _look(subject: str, look: Callable[..., Diagnosis], *arguments: object) -> Diagnosis:
    """Return what `look` finds; a fault of its own is a diagnosis too."""
    try:
        return look(subject, *arguments)
    except Exception as error:
        return Diagnosis(
            subject, "?", expected="an answer of this machine", found=f"{type(error).__name__}: {error}",
            advice="Go on without it: the command that needs it says what is missing.",
        )  # fmt: skip


def _python(subject: str) -> Diagnosis:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= OLDEST_PYTHON:
        return Diagnosis(subject, version, sys.executable)
    oldest = ".".join(map(str, OLDEST_PYTHON))
    return Diagnosis(
        subject, version, expected=f"{oldest} or later", found=f"{version} at {sys.executable}",
        advice=f"Install Python {oldest} or later, and name it: make PYTHON3=python{oldest} …",
    )  # fmt: skip


def _venv(subject: str) -> Diagnosis:
    if all(map(importlib.util.find_spec, ("venv", "ensurepip"))):
        return Diagnosis(subject, "there")
    return Diagnosis(
        subject, "none", expected="the modules venv and ensurepip", found="a Python without them",
        advice="Install them: on Debian and Ubuntu, apt install python3-venv.",
    )  # fmt: skip


def _python_of(subject: str, environment: setup.Environment) -> Diagnosis:
    folder = environment.folder.name
    if setup.is_made(environment):
        version = setup.version_of(environment.python)
        if version:
            return Diagnosis(subject, version, f"set up in {folder}")
        return Diagnosis(
            subject, "none", expected=f"{folder} with a Python that runs", found="one that does not",
            advice=f"The Python that it was made from is gone: delete {folder}, and run make setup.",
        )  # fmt: skip
    python = setup.find_python(environment.pythons)
    if Path(python).is_absolute():
        return Diagnosis(subject, "to be set up", f"with {python}")
    return Diagnosis(subject, "to be set up", f"no Python {python} here: uv fetches one from GitHub")


def _packages(subject: str) -> Diagnosis:
    missing = [environment.folder.name for environment in setup.DEFAULT if not setup.is_made(environment)]
    if not missing:
        return Diagnosis(subject, "installed", "nothing to fetch")
    index = _package_index()
    if index is None:
        return Diagnosis(subject, "to be fetched", "from the index that pip is set to, which no pip here names")
    reason = _why_unreachable(f"{index.rstrip('/')}/uv/")
    if reason is None:
        return Diagnosis(subject, "to be fetched", f"{index} answers")
    return Diagnosis(
        subject, "none", expected=f"an answer of {index}, for {', '.join(missing)}", found=reason,
        advice="Set HTTPS_PROXY if there is a proxy, or UV_DEFAULT_INDEX and PIP_INDEX_URL for a mirror.",
    )  # fmt: skip


def _package_index() -> str | None:
    """Return the address that packages come from, without a name and a password in it; None if nothing here names it.

    It is the one that uv is set to, else the one that pip is set to by its variables, its files or by itself.
    """
    named = (os.environ.get(name) for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL"))
    index = next(filter(None, named), None) or _index_of_pip()
    if index is None:
        return None
    parts = urlsplit(index)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _index_of_pip() -> str | None:
    """Return the index that pip's help names as its default, None without a pip."""
    # The help's lines are folded to the width of the terminal, and a folded address could not be read.
    told = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--help"],
        env={**os.environ, "COLUMNS": "1000"}, capture_output=True, text=True, timeout=60, check=False,
    ).stdout  # fmt: skip
    found = re.search(r"--index-url .*\(default (\S+)\)", told)
    return found[1] if found else None


def _why_unreachable(url: str) -> str | None:
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT):
            return None
    except urllib.error.HTTPError:
        return None  # it answers
    except OSError as error:
        return str(getattr(error, "reason", error)) or type(error).__name__


def _disk(subject: str) -> Diagnosis:
    made = all(map(setup.is_made, setup.DEFAULT))
    needed, why = (_DISK_FOR_RUNS, "for the lakes") if made else (_DISK_FOR_SETUP, "for the environments and a lake")
    folders = [ROOT, next(folder for folder in (home.base(), *home.base().parents) if folder.exists())]
    folder = min(folders, key=lambda each: shutil.disk_usage(each).free)
    return _enough(subject, shutil.disk_usage(folder).free, needed, f"{why}, in {folder}", "Free some space there.")


def _memory(subject: str) -> Diagnosis:
    if not _MEMORY_INFO.exists():
        return Diagnosis(subject, "unknown", f"{_in_gb(_MEMORY)} are needed")
    lines = dict(line.split(":", 1) for line in _MEMORY_INFO.read_text().splitlines())
    free = int(lines["MemAvailable"].split()[0]) * 1024
    limit = _MEMORY_LIMIT.read_text().strip() if _MEMORY_LIMIT.exists() else "max"
    if limit.isdigit():
        free = min(free, int(limit))
    return _enough(subject, free, _MEMORY, "for a run", "End other programs, or give the container more.")


def _enough(subject: str, free: int, needed: int, why: str, advice: str) -> Diagnosis:
    if free >= needed:
        return Diagnosis(subject, _in_gb(free), f"{_in_gb(needed)} are needed {why}")
    return Diagnosis(
        subject, _in_gb(free), expected=f"{_in_gb(needed)} {why}", found=_in_gb(free), advice=advice
    )  # fmt: skip


def _in_gb(size: int) -> str:
    return f"{size / _GB:.1f} GB"


def _make(subject: str) -> Diagnosis:
    path = shutil.which("make")
    if path:
        return Diagnosis(subject, "there", path)
    return Diagnosis(
        subject, "none", expected="make on PATH", found="none",
        advice="Install it: on Debian and Ubuntu, apt install make.",
    )  # fmt: skip


def _java(subject: str) -> Diagnosis:
    java = spark.find_java(setup.SPARK.folder)
    if java is not None:
        return Diagnosis(subject, str(spark.JAVA_VERSION), str(java))
    if not setup.is_made(setup.SPARK):
        return Diagnosis(subject, "to be set up", f"no Java {spark.JAVA_VERSION} here: comes as a Python package")
    folder = setup.SPARK.folder.name
    return Diagnosis(
        subject, "none", expected=f"Java {spark.JAVA_VERSION}, from which {folder} was made", found="none any more",
        advice=f"Delete {folder}, and run make setup: it brings a Java of its own.",
    )  # fmt: skip


def _port(variable: str, port: str) -> Diagnosis:
    if not port.isdigit() or int(port) > 65535:
        return Diagnosis(
            variable, "no port", expected="the number of a port", found=repr(port), advice=f"Correct {variable}."
        )
    taken = why_taken(int(port))
    if taken is None:
        return Diagnosis(variable, f"{port}, free")
    return Diagnosis(
        variable, f"{port}, taken", expected=f"port {port} of 127.0.0.1 free", found=taken,
        advice=f"End what listens there, unless it is a command of this checkout; or set {variable} to another.",
    )  # fmt: skip
