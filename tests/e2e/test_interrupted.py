"""`make run` told to stop, or killed, in the middle of its DAG: what it started ends with it."""

import datetime as dt
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from infra.checkout import ROOT
from local import setup
from local.commands import clean
from local.exchange.files import cotahist_file
from tests.processes import working_on

DATE = dt.date(2024, 3, 14)


@pytest.fixture(scope="module")
def lakes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made by the first run, and gone once it is cleaned."""
    return tmp_path_factory.mktemp("interrupted") / "lakes"


@pytest.fixture
def run(lakes: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """`make run`, at the point where the first task of its DAG has ended."""
    exchange = tmp_path / "exchange"
    exchange.mkdir()
    (exchange / f"COTAHIST_D{DATE:%d%m%Y}.ZIP").write_bytes(cotahist_file.session_file(DATE))
    process = subprocess.Popen(
        [setup.AIRFLOW.python, "-m", "local.commands.run", "--date", str(DATE), "--exchange", str(exchange)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": "plugins", "B3_LOCAL_HOME": str(lakes)},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout
        assert any("success" in line or "skipped" in line for line in process.stdout)
        yield process
    finally:
        process.kill()
        process.wait()


def test_terminated_it_leaves_no_process(run, lakes):
    assert any("local.lake.dag_runner" in process.cmdline() for process in working_on(lakes))

    run.terminate()

    assert run.wait(60) == 130
    assert working_on(lakes) == []


def test_killed_it_leaves_its_database_alone_which_clean_ends(run, lakes, tmp_path, monkeypatch):
    others = [process for process in working_on(lakes) if "postgres" not in process.name()]
    run.send_signal(signal.SIGKILL)
    run.wait()

    assert psutil.wait_procs(others, timeout=30)[1] == []
    assert {process.name() for process in working_on(lakes)} == {"postgres"}

    monkeypatch.setenv("B3_LOCAL_HOME", str(lakes))
    monkeypatch.setattr(clean, "ROOT", tmp_path / "no checkout")
    assert clean.main() == 0
    assert not lakes.exists()
    assert working_on(lakes) == []
