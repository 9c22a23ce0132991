"""The base images of docker-compose.yaml, or, where they cannot be pulled, stand-ins made of Debian and PyPI.

A stand-in has what the real image has and our files rely on: user, folders, environment, entry point.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from infra.checkout import ROOT
from local import setup
from tests.compose.engine import Engine, NoEngine

FILES = Path(__file__).parent / "standin"
# Python's packages are there for the libraries that any Python needs.
PACKAGES = "ca-certificates,dumb-init,python3,python3-venv,postgresql"
AIRFLOW_PYTHON, SPARK_PYTHON = "3.12", "3.11"


def images(engine: Engine, defaults: dict[str, str], ca_bundle: str | None) -> dict[str, str]:
    """The base image to use for each variable of `defaults`; stand-ins only for what cannot be had.

    Raises:
        NoEngine: a stand-in is needed and cannot be made here.
    """
    chosen = {}
    for variable, image in defaults.items():
        if not (engine.succeeds("image", "inspect", image) or _pull(engine, image)):
            image = f"standin-{variable.removesuffix('_IMAGE').lower()}"
            if not engine.succeeds("image", "inspect", image):
                _make(engine, image, ca_bundle)
        chosen[variable] = image
    return chosen


def _pull(engine: Engine, image: str) -> bool:
    # The registry is asked first: a pull may rightly take many minutes, and this may not.
    return engine.succeeds("manifest", "inspect", image) and bool(engine.docker("pull", image))


def _make(engine: Engine, image: str, ca_bundle: str | None) -> None:
    if not engine.succeeds("image", "inspect", "standin-debian"):
        _make_debian(engine)
    if image == "standin-python":
        _make_python(engine, SPARK_PYTHON, image)
        return
    if image == "standin-airflow":
        _make_python(engine, AIRFLOW_PYTHON, "standin-airflow-python")
    with tempfile.TemporaryDirectory(prefix="standin-") as folder:
        context = Path(folder)
        shutil.copytree(FILES, context, dirs_exist_ok=True)
        shutil.copy(ROOT / "constraints.txt", context)
        _build(engine, image, context, f"{image.removeprefix('standin-')}.Dockerfile", ca_bundle)


def _make_debian(engine: Engine) -> None:
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)', Path("/etc/os-release").read_text(), re.MULTILINE))
    if release.get("ID") != "debian" or not shutil.which("debootstrap") or os.geteuid() != 0:
        raise NoEngine("base images cannot be pulled, and stand-ins take Debian, its package debootstrap, and root")
    with tempfile.TemporaryDirectory(prefix="debian-") as folder:
        root = Path(folder) / "root"
        # The release of this machine, whose Pythons are then at home in it.
        name = release["VERSION_CODENAME"]
        options = ["--variant=minbase", f"--include={PACKAGES}", name, root, *_package_site(name)]
        done = subprocess.run(["debootstrap", *options], capture_output=True, text=True, check=False)
        if done.returncode:
            raise NoEngine(f"base images cannot be pulled, and debootstrap failed: {done.stdout.strip()[-300:]}")
        left_out = ["--exclude=./var/cache/apt/archives/*.deb", "--exclude=./var/lib/apt/lists/*"]
        archive = Path(folder) / "root.tar"
        subprocess.run(["tar", "-C", root, *left_out, "-cf", archive, "."], check=True)
        engine.docker("import", archive, "standin-debian")


def _package_site(release: str) -> list[str]:
    """The address from which this machine's apt takes a release; none leaves it to debootstrap."""
    asked = ["apt-get", "indextargets", "--no-release-info", "--format", "$(RELEASE) $(REPO_URI)"]
    lines = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.splitlines()
    return [site for name, site in map(str.split, lines) if name == release][:1]


def _make_python(engine: Engine, version: str, image: str) -> None:
    python = setup.find_python((version,))
    if not Path(python).exists():
        raise NoEngine(f"base images cannot be pulled, and a stand-in takes a Python {version}, of which there is none")
    asked = [python, "-c", "import sys; print(sys.base_prefix)"]
    prefix = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    with tempfile.TemporaryDirectory(prefix="standin-") as folder:
        context = Path(folder)
        shutil.copy(FILES / "python.Dockerfile", context)
        (context / "python").mkdir()
        # Debian's own is in the image already.
        if prefix != "/usr":
            for part in ("bin", "lib"):
                ignored = shutil.ignore_patterns("__pycache__", "test", "tests", "site-packages")
                shutil.copytree(Path(prefix) / part, context / "python" / part, symlinks=True, ignore=ignored)
        _build(engine, image, context, "python.Dockerfile", None)


def _build(engine: Engine, image: str, context: Path, file: str, ca_bundle: str | None) -> None:
    secret = ("--secret", f"id=ca,src={ca_bundle}") if ca_bundle else ()
    engine.docker("build", *secret, "--tag", image, "--file", context / file, context, DOCKER_BUILDKIT="1")
