"""`make package`: the code bucket's objects as files in dist/, for tools that sync a folder to S3."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from infra.checkout import ROOT
from infra.deploy import bundle
from infra.deploy.errors import DeployError

FOLDER = ROOT / "dist"


def main(arguments: list[str] | None = None) -> int:
    """Write the folder: 0, or 1 if the checkout lacks something."""
    parser = argparse.ArgumentParser(prog="make package", description=__doc__)
    parser.add_argument("--airflow", default="", help="version of Airflow on MWAA, by default the newest")
    options = parser.parse_args(arguments)
    try:
        written = write(ROOT, FOLDER, options.airflow or None)
    except DeployError as error:
        print(f"package: failed: {error}", file=sys.stderr)
        return 1
    print(f"package: {written} files in {FOLDER.name}/: requirements.txt, plugins.zip, and the DAG folder in dags/")
    return 0


def write(root: Path, folder: Path, airflow: str | None = None) -> int:
    """Write a checkout's code bucket below `folder`, in place of a former one; return the number of files.

    Every file is written anew. `aws s3 sync` compares sizes and times, and sends a file that is newer than its object.

    Args:
        root: the checkout.
        folder: where the files go, by the keys of their objects.
        airflow: the version of Airflow that they are for; None takes the constraints as they are.

    Raises:
        DeployError: a file is missing, or there are no constraints for that version.
    """
    objects = bundle.make(root, airflow).objects
    shutil.rmtree(folder / bundle.DAGS, ignore_errors=True)
    for key, body in objects.items():
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return len(objects)


if __name__ == "__main__":
    raise SystemExit(main())
