"""Resolves the constraints of the older versions of Airflow on MWAA: `python3 -m local.mwaa.lock`.

Those of the newest are constraints.txt, which `make constraints` makes.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from infra.checkout import ROOT
from local.mwaa.versions import IMAGE, NEWEST, PYTHON, VERSIONS, Version
from local.setup import find_uv

HEADER = "# For Airflow {airflow} on MWAA, made by `python3 -m local.mwaa.lock` as of {date}. Do not edit.\n"


def main() -> int:
    """Write constraints-VERSION.txt for each version but the newest."""
    for version in VERSIONS:
        if version is not NEWEST:
            resolved = resolve(version)
            header = HEADER.format(airflow=version.airflow, date=version.date)
            version.constraints.write_text(header + resolved)
            print(f"{version.constraints.name}: {len(resolved.splitlines())} packages as of {version.date}")
    return 0


def resolve(version: Version) -> str:
    """The image's packages and those of requirements.txt, each with its version, a line each."""
    ours = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if not line.startswith("--")]
    with tempfile.TemporaryDirectory() as folder:
        wanted, pins = Path(folder, "wanted.in"), Path(folder, "pins.txt")
        wanted.write_text("\n".join([*IMAGE, *ours]) + "\n")
        pins.write_text("".join(f"{package}=={pin}\n" for package, pin in version.pins.items()))
        command = [str(find_uv()), "pip", "compile", "--quiet", "--no-header", "--no-annotate"]
        command += ["--python-version", PYTHON, "--exclude-newer", version.date, "--constraint", str(pins), str(wanted)]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT).stdout


if __name__ == "__main__":
    raise SystemExit(main())
