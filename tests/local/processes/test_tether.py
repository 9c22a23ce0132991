"""Processes that must not outlive the one that started them."""

import fcntl
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from infra.checkout import ROOT
from local.processes import tether

PARENT = """
    import os, subprocess, sys
    from local.processes import tether

    process = tether.start(["sh", "-c", sys.argv[1]], dict(os.environ), stdout=subprocess.PIPE)
    print(process.pid, process.stdout.readline().decode(), end="", flush=True)
    process.wait()
"""
# The command and a child of its own.
TWO = "sleep 300 & echo $$ $!; wait"


def environ() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT / "plugins")}


def parent(command: str) -> tuple[subprocess.Popen[str], list[psutil.Process]]:
    """A process that started `command`, and the processes that this one says it has, with the tether itself."""
    started = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PARENT), command],
        cwd=ROOT, env=environ(), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    return started, [psutil.Process(int(pid)) for pid in started.stdout.readline().split()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_command_ends_with_all_its_children_when_its_parent_is_killed(number):
    started, processes = parent(TWO)
    started.send_signal(number)
    started.wait()

    _, left = psutil.wait_procs(processes, timeout=15)
    assert len(processes) == 3 and not left


def test_a_command_whose_parent_is_gone_already_is_not_started(tmp_path):
    gone = subprocess.Popen(["true"])
    gone.wait()

    command = [
        sys.executable,
        "-m",
        "local.processes.tether",
        str(gone.pid),
        "1",
        "",
        "touch",
        str(tmp_path / "started"),
    ]
    status = subprocess.run(command, cwd=ROOT, env=environ(), check=False, start_new_session=True).returncode

    assert status == 1
    assert not (tmp_path / "started").exists()


def test_a_command_that_does_not_listen_is_killed_in_the_end():
    process = tether.start(["sh", "-c", "trap '' TERM; echo $$; sleep 300"], environ(), stdout=subprocess.PIPE)
    deaf = psutil.Process(int(process.stdout.readline()))

    tether.end([process], 0.5)

    assert process.returncode == -signal.SIGKILL
    _, left = psutil.wait_procs([deaf], timeout=5)
    assert not left


def test_the_status_is_the_commands():
    process = tether.start(["sh", "-c", "exit 7"], environ(), stdout=subprocess.DEVNULL)

    assert process.wait(30) == 7


def test_the_components_of_the_ui_are_started_from_the_checkout(tmp_path: Path):
    process = tether.start(["pwd"], environ(), stdout=subprocess.PIPE)

    assert process.communicate(timeout=30)[0].decode().strip() == str(ROOT)


def test_a_shared_command_outlives_its_parent_until_its_last_user_is_gone(tmp_path):
    users = tmp_path / "users"
    code = """
        import fcntl, os, subprocess, sys
        from pathlib import Path
        from local.processes import tether

        used = open(sys.argv[1], "a")
        fcntl.flock(used, fcntl.LOCK_SH)
        process = tether.start(
            ["sh", "-c", "echo $$; exec sleep 300"], dict(os.environ), stdout=subprocess.PIPE, users=Path(sys.argv[1])
        )
        print(process.pid, process.stdout.readline().decode(), end="", flush=True)
        sys.stdin.readline()
    """
    started = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(users)],
        cwd=ROOT, env=environ(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    processes = [psutil.Process(int(pid)) for pid in started.stdout.readline().split()]
    with users.open("a") as used:
        fcntl.flock(used, fcntl.LOCK_SH)
        started.kill()
        started.wait()
        assert not psutil.wait_procs(processes, timeout=1.5)[0], "another user is there"

    assert not psutil.wait_procs(processes, timeout=15)[1]
