"""`make reset` removes one lake, and nothing else."""

import io

import pytest

from local.commands import reset
from local.lake import home
from local.processes import file_locks


@pytest.fixture
def lakes(tmp_path, monkeypatch):
    monkeypatch.setenv("B3_LOCAL_HOME", str(tmp_path))
    for data in (home.REAL, home.SIMULATED):
        home.find(data).aws.mkdir()
    home.remember(home.find(home.SIMULATED))
    return tmp_path


@pytest.fixture
def typed(monkeypatch):
    return lambda text: monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_the_lake_that_was_used_last_goes_and_the_other_stays(lakes):
    assert reset.main([]) == 0

    assert not (lakes / "simulated").exists()
    assert (lakes / "real" / "aws").is_dir()


def test_real_data_goes_only_if_its_name_is_typed(lakes, typed, monkeypatch):
    monkeypatch.setattr("local.lake.source.why_out_of_reach", lambda: None)
    for text in ("", "yes\n"):
        typed(text)
        assert reset.main(["--exchange", "live"]) == 1
        assert (lakes / "real" / "aws").is_dir()

    typed("real\n")
    assert reset.main(["--exchange", "live"]) == 0

    assert not (lakes / "real").exists()
    assert (lakes / "simulated").is_dir()


def test_a_lake_in_use_stays(lakes, capsys):
    with file_locks.exclusive(lakes / "simulated" / "aws.owner"):
        assert reset.main([]) == 1

    assert "a command still uses" in capsys.readouterr().err
    assert (lakes / "simulated" / "aws").is_dir()


def test_no_lake_is_no_error(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("B3_LOCAL_HOME", str(tmp_path))

    assert reset.main([]) == 0

    assert capsys.readouterr().out == "reset: there is no lake\n"
