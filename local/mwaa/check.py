"""`make test-mwaa`: the deployed DAGs under each version of Airflow that MWAA has.

    python -m local.mwaa.check [VERSION …]

Each version has an environment of its own, in which requirements.txt is installed as MWAA does it, and sees the
deployed files where MWAA puts them and nothing else of the checkout; tests/mwaa then runs there.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from infra.checkout import ROOT
from infra.deploy.errors import DeployError
from local.mwaa import environments, layout, rules
from local.mwaa.versions import VERSIONS, Version
from local.processes import file_locks

TESTS = ROOT / "tests" / "mwaa" / "test_integrity.py"


def main(names: list[str]) -> int:
    """Check the named versions, by default all; 0 only if each passes."""
    known = {version.airflow: version for version in VERSIONS}
    if strange := [name for name in names if name not in known]:
        print(f"test-mwaa: expected versions among {', '.join(known)}, found {', '.join(strange)}", file=sys.stderr)
        return 2
    chosen = [known[name] for name in names] or list(VERSIONS)
    with file_locks.exclusive(ROOT / ".venv-mwaa-lock", waiting_for="another make test-mwaa"):
        failed = [version.airflow for version in chosen if not check(version)]
    if failed:
        print(f"test-mwaa: FAILED on Airflow {', '.join(failed)}", file=sys.stderr)
        return 1
    print(f"test-mwaa: passed on Airflow {', '.join(version.airflow for version in chosen)}")
    return 0


def check(version: Version) -> bool:
    """Whether what is deployed installs and passes its tests under a version; says why not."""
    print(f"\n== Airflow {version.airflow} on MWAA", flush=True)
    with tempfile.TemporaryDirectory(prefix="b3-mwaa-") as folder:
        home = Path(folder, "airflow")
        try:
            brought = layout.deployed(version)
            wrong = rules.violations(
                brought.requirements.decode(), brought.dags.keys(), brought.dags[brought.constraints].decode()
            )
            if wrong:
                print(*(f"{version.airflow}: {sentence}" for sentence in wrong), sep="\n", file=sys.stderr)
                return False
            laid_out = layout.lay_out(brought, home)
            python = environments.make(version, laid_out)
        except (DeployError, environments.InstallFailed) as error:
            print(f"{version.airflow}: {error}", file=sys.stderr)
            return False
        return _passes(python, laid_out, Path(folder, "tests"))


def _passes(python: Path, laid_out: layout.Layout, tests: Path) -> bool:
    tests.mkdir()
    shutil.copy(TESTS, tests)
    (tests / "pytest.ini").write_text("[pytest]\naddopts = -ra --strict-markers --import-mode=importlib\n")
    command = [
        str(python),
        "-P",
        "-m",
        "pytest",
        "--quiet",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tests),
        TESTS.name,
    ]
    return subprocess.run(command, cwd=tests, env=environments.environ(laid_out.home), check=False).returncode == 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
