"""`make clean` removes what the commands made, waits for what they left running, and touches nothing else."""

import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import psutil
import pytest

from infra.checkout import ROOT
from local.commands import clean
from local.lake import home
from local.processes import file_locks
from tests.processes import working_on

DATABASE = """
    import sys
    from pathlib import Path
    from local.lake import servers

    with servers.database(Path(sys.argv[1])):
        print("up", flush=True)
        sys.stdin.readline()
"""


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """In the checkout's place: its environments are not the tests' own."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    monkeypatch.setattr(clean, "ROOT", folder)
    return folder


@pytest.fixture
def lakes(tmp_path, monkeypatch, checkout):
    monkeypatch.setenv("B3_LOCAL_HOME", str(tmp_path / "lakes"))
    home.remember(home.find(home.REAL))
    home.find(home.SIMULATED)
    return tmp_path / "lakes"


def killed(code: str, folder: Path) -> None:
    """Run `code` on `folder` until it is up, then kill it."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(folder)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": "plugins"}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout.readline() == "up\n"
    process.kill()
    process.wait()


def test_nothing_is_left_of_the_lakes_and_the_environments(lakes, checkout):
    (checkout / ".venv").mkdir()
    (checkout / "dist").mkdir()
    (checkout / ".venv-lock").touch()
    (checkout / "README.md").touch()
    (lakes / "bench").mkdir()
    (lakes / "bench" / "COTAHIST_A2022.ZIP").touch()

    assert clean.main() == 0

    assert not lakes.exists()
    assert [path.name for path in checkout.iterdir()] == ["README.md"]


def test_files_of_others_beside_the_lakes_are_left_alone(lakes):
    (lakes / "letter.txt").write_text("mine")
    (lakes / "bench").mkdir()
    (lakes / "bench" / "parsers.py").touch()
    (lakes / "bench" / "COTAHIST_A2022.ZIP").touch()

    assert clean.main() == 0

    assert sorted(path.name for path in lakes.rglob("*")) == ["bench", "letter.txt", "parsers.py"]
    assert (lakes / "letter.txt").read_text() == "mine"


def test_a_lake_in_use_stops_it_before_anything_is_removed(lakes, capsys):
    with file_locks.exclusive(lakes / "real" / "aws.owner"):
        assert clean.main() == 1

    assert "a command still uses" in capsys.readouterr().err
    assert (lakes / "simulated" / "airflow").is_dir() and (lakes / "last").exists()


def test_the_postgresql_of_a_killed_command_is_ended_first(lakes):
    killed(DATABASE, lakes / "real" / "postgres-run")

    assert clean.main() == 0

    _, left = psutil.wait_procs(working_on(lakes), timeout=10)
    assert not left
    assert not lakes.exists()


def test_the_aws_of_a_killed_command_has_time_to_end(lakes):
    """It goes by itself, and its lock with it."""
    state = lakes / "real" / "aws" / "buckets.json"
    holding, let_go = threading.Event(), threading.Event()
    seen = []

    def serve() -> None:
        with file_locks.exclusive(lakes / "real" / "aws" / "lock"):
            state.touch()
            holding.set()
            let_go.wait(1)
            seen.append(state.exists())

    server = threading.Thread(target=serve)
    server.start()
    holding.wait()
    assert clean.main() == 0
    server.join()

    assert seen == [True]
    assert not lakes.exists()


def test_a_note_of_postgresql_whose_number_is_another_process_ends_nobody(lakes):
    other = subprocess.Popen(["sleep", "60"])
    try:
        data = lakes / "real" / "postgres-run"
        data.mkdir()
        (data / "postmaster.pid").write_text(f"{other.pid}\n{data}\n")

        assert clean.main() == 0

        assert other.poll() is None and not lakes.exists()
    finally:
        other.kill()
        other.wait()


@pytest.mark.parametrize("note", ["", "\n"])
def test_a_note_that_a_power_cut_left_empty_is_no_obstacle(lakes, note):
    data = lakes / "real" / "postgres-run"
    data.mkdir()
    (data / "postmaster.pid").write_text(note)

    assert clean.main() == 0
    assert not lakes.exists()
