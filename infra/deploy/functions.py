"""The optional stacks of Lambda functions, infra/arrivals.yaml and infra/stream.yaml, and the code of the functions.

A stack is deployed if it is asked for, and from then on with every deploy, until one says no.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from infra.deploy import bundle

NAMES = ("arrivals", "stream")
# Prefix of the functions' code in the lake's bucket.
CODE = "code/lambdas/"
# What the handlers import of plugins/, without a library that Lambda does not have.
PLUGINS = ("b3/__init__.py", "b3/lake/layout.py", "b3/site/addresses.py")
# Writes a file of the package, and needs the calendar.
_LEFT_OUT = "calendar_file.py"


def package(root: Path) -> bytes:
    """Return the ZIP of all functions of the checkout at `root`.

    Raises:
        DeployError: a file is missing.
    """
    handlers = bundle.files(root / "infra" / "lambdas")
    plugins = bundle.files(root / "plugins")
    return bundle.zipped(
        {"infra/__init__.py": (root / "infra" / "__init__.py").read_bytes()}
        | {f"infra/lambdas/{path}": body for path, body in handlers.items() if path != _LEFT_OUT}
        | {path: plugins[path] for path in PLUGINS}
    )


def objects(package: bytes) -> dict[str, bytes]:
    """Return the object of the lake's bucket, by its key: another content has another one."""
    return {f"{CODE}{bundle.digest(package)}.zip": package}


def wanted(asked: Mapping[str, str], there: Iterable[str]) -> tuple[str, ...]:
    """Return which of NAMES are to be: those that are asked for, and those that are there and not refused."""
    present = set(there)
    return tuple(name for name in NAMES if asked.get(name) == "yes" or (name in present and asked.get(name) != "no"))


def refused(asked: Mapping[str, str], there: Iterable[str]) -> tuple[str, ...]:
    """Return which of NAMES are there, and are to go."""
    present = set(there)
    return tuple(name for name in NAMES if name in present and asked.get(name) == "no")
