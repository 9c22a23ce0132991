"""A lake that commands find by B3_LOCAL_HOME, and commands in a process of their own, as a shell starts them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.lake import home, servers
from tests.places import ROOT

# Set by a running lake for its process.
_SIGNING = (
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE", "AWS_EC2_METADATA_DISABLED",
)  # fmt: skip


def command(name: str, *arguments: str) -> list[str]:
    """Return the words that run a module of local/commands/."""
    return [sys.executable, "-m", f"local.commands.{name}", *arguments]


def run_command(name: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run a module of local/commands/ to its end, without a terminal."""
    return subprocess.run(command(name, *arguments), cwd=ROOT, capture_output=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def held_lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Lake]:
    """An empty lake of real data, which was used last and stays up."""
    with pytest.MonkeyPatch.context() as environment:
        for name in _SIGNING:
            environment.setenv(name, os.environ.get(name, ""))
        environment.setenv("B3_LOCAL_HOME", str(tmp_path_factory.mktemp("lakes")))
        environment.setenv("PYTHONPATH", str(Path(ROOT, "plugins")))
        where = home.find(home.REAL)
        home.remember(where)
        with servers.lake(where) as lake:
            yield lake
