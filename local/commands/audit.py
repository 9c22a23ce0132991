"""`make audit`: known vulnerabilities of every locked version, as the OSV database lists them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from infra.checkout import ROOT
from local.mwaa.versions import VERSIONS
from local.setup import find_uv

PIP_AUDIT = "pip-audit==2.9.0"
_OTHERS = ("local/aws/requirements.txt", "local/aws/spark-requirements.txt", "notebooks/requirements.txt")


def locked_sets() -> list[Path]:
    """Return the files with the versions that run on MWAA or on a laptop."""
    return [*(version.constraints for version in VERSIONS), *(ROOT / name for name in _OTHERS)]


def main() -> int:
    """Audit each set: 0 if nothing is known, 1 if something is or the database could not be asked."""
    failed = [path for path in locked_sets() if not _is_clean(path)]
    for path in failed:
        print(f"audit: {path.relative_to(ROOT)} has known vulnerabilities, or could not be audited: see above")
    return 1 if failed else 0


def _is_clean(path: Path) -> bool:
    print(f"== {path.relative_to(ROOT)}", flush=True)
    command = [str(find_uv()), "tool", "run", "--from", PIP_AUDIT, "pip-audit", "--requirement", str(path)]
    # OSV, and not the package index: a mirror of that has no such data, and then every package passes unseen.
    command += ["--vulnerability-service", "osv", "--strict", "--no-deps", "--disable-pip", "--progress-spinner", "off"]
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
