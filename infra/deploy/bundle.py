"""What a checkout deploys, as bytes by name: the same content gives the same bytes on every machine."""

from __future__ import annotations

import fnmatch
import hashlib
import io
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from infra import checkout
from infra.deploy.errors import DeployError

# What tools leave behind; everything else below a folder is deployed.
LEFTOVERS = ("__pycache__", "*.pyc", "*.pyo", ".*_cache", ".DS_Store", "*.swp", "*~", ".git*")
# Prefix of the Glue job's code in the lake's bucket.
GLUE_CODE = "code/glue/"
# Keys of the code bucket.
REQUIREMENTS, PLUGINS, DAGS = "requirements.txt", "plugins.zip", "dags/"
_CONSTRAINTS_LINE = re.compile(rb'^(--constraint "/usr/local/airflow/dags/)constraints\.txt(?="$)', re.MULTILINE)
_EARLIEST = (1980, 1, 1, 0, 0, 0)
_ORDINARY_FILE = 0o100644
_UNIX = 3


@dataclass(frozen=True)
class GlueCode:
    """The script of the Glue job, and the ZIP of the jobs' packages; in S3, another content has another key."""

    script: bytes
    package: bytes

    @property
    def script_key(self) -> str:
        """Return the key of the script in the lake's bucket."""
        return f"{GLUE_CODE}refine-{digest(self.script)}.py"

    @property
    def package_key(self) -> str:
        """Return the key of the package in the lake's bucket."""
        return f"{GLUE_CODE}refine-{digest(self.package)}.zip"

    @property
    def objects(self) -> dict[str, bytes]:
        """Return the objects of the lake's bucket by key."""
        return {self.script_key: self.script, self.package_key: self.package}

    @property
    def parameters(self) -> dict[str, str]:
        """Return the parameters of infra/lake.yaml that name these objects."""
        return {"RefineScriptKey": self.script_key, "RefinePackageKey": self.package_key}


@dataclass(frozen=True)
class Bundle:
    """Everything but the templates.

    Attributes:
        glue: the code of the Glue job.
        requirements: requirements.txt, which names the constraints.
        plugins: plugins.zip.
        dags: the DAG folder as MWAA gets it, by path below it: the DAGs, include/ and the constraints.
        constraints: path of the constraints below the DAG folder; others have another one, so that the requirements
            that an environment was told keep theirs until it is told of new ones.
    """

    glue: GlueCode
    requirements: bytes
    plugins: bytes
    dags: dict[str, bytes]
    constraints: str

    @property
    def packages(self) -> dict[str, bytes]:
        """Return what MWAA installs, by key in the code bucket: its constraints, its requirements, plugins.zip."""
        return {
            DAGS + self.constraints: self.dags[self.constraints],
            REQUIREMENTS: self.requirements,
            PLUGINS: self.plugins,
        }

    @property
    def objects(self) -> dict[str, bytes]:
        """Return all objects of the code bucket by key."""
        return self.packages | {DAGS + path: body for path, body in self.dags.items()}


def make(root: Path, airflow: str | None = None) -> Bundle:
    """The bundle of the checkout at `root`.

    Args:
        root: the repository.
        airflow: the version of Airflow that it is for; None takes the constraints as they are.

    Raises:
        DeployError: a file is missing, or there are no constraints for that version.
    """
    dags = {path: body for path, body in files(root / "dags").items() if path.partition("/")[0] != "include"}
    dags |= {f"include/{path}": body for path, body in files(root / "include").items()}
    pinned = constraints(root, airflow)
    name = f"constraints-{digest(pinned)}.txt"
    dags[name] = pinned
    return Bundle(
        glue=glue_code(root),
        requirements=requirements(root, name),
        plugins=plugins_zip(root / "plugins"),
        dags=dict(sorted(dags.items())),
        constraints=name,
    )


def glue_code(root: Path, script: Path | None = None) -> GlueCode:
    """Return the code of the Glue job of the checkout at `root`, or its package beside another script.

    Raises:
        DeployError: a file is missing.
    """
    usual = checkout.refine_script(root)
    package = {
        f"{folder}/{path}": body
        for folder in ("refine", "visual")
        for path, body in files(usual.parent / folder).items()
        if path.endswith(".py")
    }
    return GlueCode(_read(script or usual), zipped(package))


def files(folder: Path) -> dict[str, bytes]:
    """The files below a folder by their path in it, in order, without what tools leave behind.

    Raises:
        DeployError: the folder is not there, or has no file.
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not any(fnmatch.fnmatch(part, left) for part in name.parts for left in LEFTOVERS):
            found[name.as_posix()] = path.read_bytes()
    if not found:
        raise DeployError(f"expected files to deploy in {folder}, found none: deploy from a whole checkout")
    return dict(sorted(found.items()))


def plugins_zip(folder: Path) -> bytes:
    """The contents of a folder as a ZIP without an outer folder."""
    return zipped(files(folder))


def zipped(contents: Mapping[str, bytes]) -> bytes:
    """Return a ZIP whose bytes depend on nothing but the contents, which are files by path.

    Stored, not deflated: zlib's output differs between its builds.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, body in contents.items():
            entry = zipfile.ZipInfo(name, _EARLIEST)
            entry.external_attr = _ORDINARY_FILE << 16
            entry.create_system = _UNIX
            archive.writestr(entry, body)
    return buffer.getvalue()


def constraints(root: Path, airflow: str | None) -> bytes:
    """The constraints for a version of Airflow: those of constraints-VERSION.txt, or else constraints.txt if it fits.

    Raises:
        DeployError: neither pins that version.
    """
    tried = []
    for path in (root / f"constraints-{airflow}.txt", root / "constraints.txt"):
        if path.is_file():
            body = path.read_bytes()
            lines = body.decode().splitlines()
            if airflow is None or f"apache-airflow=={airflow}" in lines or f"apache-airflow-core=={airflow}" in lines:
                return body
            pinned = [line for line in lines if line.startswith("apache-airflow==")]
            tried.append(f"{path.name} with {pinned[0] if pinned else 'no version of Airflow'}")
    raise DeployError(
        f"expected constraints for Airflow {airflow}, found {' and '.join(tried) or 'no constraints.txt'} in {root}: "
        f"put those of that version in constraints-{airflow}.txt, or deploy the version that is pinned"
    )


def requirements(root: Path, constraints: str) -> bytes:
    """requirements.txt, its line on constraints naming the file `constraints` of the DAG folder.

    Raises:
        DeployError: it has no such line: MWAA would install by constraints of its own.
    """
    body = _read(root / "requirements.txt")
    named = _CONSTRAINTS_LINE.sub(rb"\g<1>" + constraints.encode(), body)
    if named == body:
        raise DeployError(
            f'expected a line --constraint "/usr/local/airflow/dags/constraints.txt" in {root / "requirements.txt"}, '
            "found none: MWAA would install by its own"
        )
    return named


def digest(body: bytes) -> str:
    """Return what the name of a file's object has of its content."""
    return hashlib.sha256(body).hexdigest()[:16]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DeployError(f"expected {path}, found nothing: deploy from a whole checkout") from None
