"""A container engine to test with: the one that answers, or else a dockerd of our own for the time of a test."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from local.processes.end import end

_START_SECONDS = 60
_STOP_SECONDS = 60


class NoEngine(Exception):
    """No engine can be had here; the message says what is missing."""


class Engine:
    """Runs `docker` commands with the environment that reaches the engine."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = dict(environ)

    def docker(self, *command: str | Path, check: bool = True, **more: str) -> str:
        """What `docker …` prints; `more` are variables of its environment.

        Raises:
            AssertionError: it failed; the message holds what it said.
        """
        done = subprocess.run(
            ["docker", *map(str, command)], env=self.environ | more, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0 or not check, f"docker {command}: {done.stdout[-2000:]}\n{done.stderr[-6000:]}"
        return done.stdout

    def succeeds(self, *command: str) -> bool:
        """Whether `docker …` ends with status 0."""
        return _succeeds("docker", *command, environ=self.environ)


@contextmanager
def running(folder: Path) -> Iterator[Engine]:
    """An engine for the time of the context; `folder` takes all that one of our own writes.

    Raises:
        NoEngine: there is none, and none can be started.
    """
    if not shutil.which("docker"):
        raise NoEngine("no `docker` command; Debian's packages are docker.io and docker-compose")
    if not _succeeds("docker", "compose", "version"):
        raise NoEngine("`docker compose` is no command here; Debian has it from trixie on, package docker-compose")
    if _succeeds("docker", "info"):
        yield Engine(os.environ)
        return
    if not shutil.which("dockerd"):
        raise NoEngine("no engine answers, and there is no `dockerd` to start one; Debian's package is docker.io")
    if os.geteuid() != 0:
        raise NoEngine("no engine answers, and only root can start one")
    with _own(folder) as environ:
        yield Engine(environ)


@contextmanager
def _own(folder: Path) -> Iterator[dict[str, str]]:
    # Short: the path of a Unix socket has 107 bytes, and dockerd puts more names behind this one.
    host, log = f"unix://{folder}/docker.sock", folder / "dockerd.log"
    command = ["dockerd", "--host", host, "--pidfile", folder / "pid"]
    command += ["--data-root", folder / "data", "--exec-root", folder / "exec"]
    had_bridge = _succeeds("ip", "link", "show", "docker0")
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
    environ = {**os.environ, "DOCKER_HOST": host}
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not _succeeds("docker", "info", environ=environ):
            if process.poll() is not None or time.monotonic() > deadline:
                raise NoEngine(f"dockerd does not start: {log.read_text()[-600:]}")
            time.sleep(0.5)
        yield environ
    finally:
        end(process, _STOP_SECONDS)
        if not had_bridge:
            _succeeds("ip", "link", "delete", "docker0")


def _succeeds(*command: str, environ: Mapping[str, str] | None = None) -> bool:
    try:
        return not subprocess.run(command, env=environ, capture_output=True, timeout=60, check=False).returncode
    except (OSError, subprocess.TimeoutExpired):
        return False
