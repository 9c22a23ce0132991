"""Servers as processes: when they are ready, why they are not, and when they end."""

import os
import signal
import subprocess
import sys
import textwrap

import psutil
import pytest

from infra.checkout import ROOT
from local.processes.launch import Server
from tests.processes import cut_power

READY = "echo starting; echo ready http://127.0.0.1:1; exec sleep 300"


def start(script: str, **more: float) -> Server:
    return Server("the server", ["sh", "-c", script], os.environ, stop_seconds=0.5, **more)


def test_a_server_is_there_once_it_says_that_it_is_ready():
    with start(READY) as server:
        assert server.endpoint == "http://127.0.0.1:1"
        assert server.process.poll() is None
    assert server.process.returncode is not None


def test_its_status_is_that_of_a_clean_stop():
    with start("trap 'exit 0' TERM; echo ready http://127.0.0.1:1; while :; do sleep 0.05; done") as server:
        pass
    assert server.process.returncode == 0


def test_one_that_ends_before_it_is_ready_is_an_error_with_its_status_and_its_own_words(capfd):
    with pytest.raises(RuntimeError, match=r"expected the server to be ready within 60 s, found .* status 3"):
        start("echo no such folder >&2; exit 3")
    assert "no such folder" in capfd.readouterr().err


def test_one_that_says_nothing_in_time_is_ended():
    with pytest.raises(RuntimeError, match=r"within 0\.5 s, found no word of it"):
        start("exec sleep 3456.5", ready_seconds=0.5)
    assert not [one for one in psutil.process_iter(["cmdline"]) if "3456.5" in (one.info["cmdline"] or [])]


def test_one_that_does_not_listen_is_killed():
    server = start("trap '' TERM; echo ready http://127.0.0.1:1; sleep 300")
    served = psutil.Process(server.process.pid).children(recursive=True)

    server.stop()

    _, left = psutil.wait_procs(served, timeout=5)
    assert served and not left
    server.stop()


def test_a_power_cut_leaves_no_tether():
    server = start(READY)

    cut_power(server)

    assert server.process.returncode == 256 - signal.SIGKILL


@pytest.mark.parametrize(
    "started",
    [
        "from local.aws.launch import start; server = start(Path(sys.argv[1]))",
        "from local.exchange.launch import start; server = start(folder=Path(sys.argv[1]))",
    ],
    ids=["aws", "exchange"],
)
def test_ours_end_cleanly_with_the_process_that_started_them(started, tmp_path):
    code = (
        f"import sys, time\nfrom pathlib import Path\n{started}\nprint(server.process.pid, flush=True)\ntime.sleep(300)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": "plugins"}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    tether = psutil.Process(int(parent.stdout.readline()))
    ours = [tether, *tether.children(recursive=True)]

    parent.kill()
    parent.wait()

    _, left = psutil.wait_procs(ours, timeout=20)
    assert len(ours) >= 2 and not left
