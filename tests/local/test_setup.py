import dataclasses
import fcntl
import os
import sys
import threading
from pathlib import Path

import pytest

from local import setup

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


def script(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


class TestFindPython:
    """Interpreters are scripts that tell a version; 3.98 and 3.99 are on no machine."""

    @pytest.fixture(autouse=True)
    def path(self, tmp_path, monkeypatch):
        """The only folder that is searched."""
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
        monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
        return tmp_path / "bin"

    def test_takes_the_best_version_there_is(self, path):
        worse = script(path / "python3.98", "echo 3.98")
        assert setup.find_python(("3.99", "3.98")) == str(worse)

        best = script(path / "python3.99", "echo 3.99")
        assert setup.find_python(("3.99", "3.98")) == str(best)
        assert setup.find_python(("3.98", "3.99")) == str(worse)

    def test_believes_the_interpreter_and_not_its_name(self, path):
        script(path / "python3.99", "echo 3.11")
        python3 = script(path / "python3", "echo 3.99")

        assert setup.find_python(("3.99",)) == str(python3)

    def test_passes_over_pyenvs_shim_to_the_version_itself(self, path, tmp_path):
        script(path / "python3.99", "echo 'pyenv: python3.99: command not found' >&2; exit 127")
        script(tmp_path / "pyenv/versions/3.98.1/bin/python3.98", "echo 3.98")
        python = script(tmp_path / "pyenv/versions/3.99.2/bin/python3.99", "echo 3.99")

        assert setup.find_python(("3.99",)) == str(python)

    def test_knows_the_interpreter_that_runs(self):
        assert setup.find_python((HERE,)) == sys.executable

    def test_leaves_it_to_uv_where_there_is_none(self):
        assert setup.find_python(("3.99", "3.98")) == "3.99"


class TestMake:
    @pytest.fixture
    def uv(self, tmp_path, monkeypatch):
        """In uv's place: it notes what it is called for, and makes the folder."""
        script(
            tmp_path / ".venv-uv" / "bin" / "uv",
            f"""
            for last; do :; done
            case $1 in
              --version) echo uv {setup.UV_VERSION}; exit ;;
            esac
            echo "$@" >> {tmp_path}/calls
            case $1 in
              venv) mkdir -p "$last" ;;
              pip) cat "$last" > {tmp_path}/installed; test ! -e {tmp_path}/offline ;;
            esac
            """,
        )
        monkeypatch.setattr(setup, "ROOT", tmp_path)
        return tmp_path

    @pytest.fixture
    def environment(self, tmp_path):
        (tmp_path / "requirements.txt").write_text("--constraint /usr/local/airflow/constraints.txt\npyarrow==25.0.1\n")
        (tmp_path / "tests.txt").write_text("pytest\n")
        (tmp_path / "constraints.txt").write_text("pytest==9.1.1\n")
        return setup.Environment(
            "test",
            tmp_path / ".venv",
            (HERE,),
            (tmp_path / "requirements.txt", tmp_path / "tests.txt"),
            tmp_path / "constraints.txt",
        )

    @pytest.fixture
    def calls(self, tmp_path):
        return lambda: (tmp_path / "calls").read_text().splitlines()

    def test_makes_it_from_its_requirements_and_constraints(self, uv, environment, calls):
        setup.make(environment)

        venv, install = calls()
        assert venv == f"venv --quiet --clear --python {sys.executable} {environment.folder}"
        assert install.startswith("pip install ")
        assert f"--python {environment.python} --constraint {environment.constraints} " in install
        assert (uv / "installed").read_text() == "pyarrow==25.0.1\npytest\n"

    def test_makes_several_side_by_side(self, uv, environment, calls):
        """The installation of one goes on only while that of the other has begun."""
        script(
            uv / ".venv-uv" / "bin" / "uv",
            f"""
            test "$1" != --version || {{ echo uv {setup.UV_VERSION}; exit; }}
            for last; do :; done
            test "$1" != venv || {{ mkdir -p "$last"; exit; }}
            echo "$1" >> {uv}/calls
            for second in 1 2 3 4 5 6 7 8 9 10; do
              test "$(wc -l < {uv}/calls)" = 2 && exit 0
              sleep 1
            done
            exit 1
            """,
        )
        other = dataclasses.replace(environment, name="other", folder=uv / ".venv-other")

        setup.make(environment, other)

        assert calls() == ["pip", "pip"]
        assert setup.is_made(environment)
        assert setup.is_made(other)

    def test_does_nothing_the_second_time(self, uv, environment, calls, capfd):
        setup.make(environment)
        first = calls()
        capfd.readouterr()

        setup.make(environment)

        assert calls() == first
        assert capfd.readouterr().out == ""

    @pytest.mark.parametrize("changed", ["requirements.txt", "tests.txt", "constraints.txt"])
    def test_makes_it_anew_of_changed_requirements(self, uv, environment, calls, tmp_path, changed):
        setup.make(environment)
        (tmp_path / changed).write_text("pyarrow==26\n")

        setup.make(environment)

        assert len(calls()) == 4

    def test_makes_it_anew_after_it_failed(self, uv, environment, calls):
        (uv / "offline").touch()
        with pytest.raises(SystemExit, match=r"pip install .* failed with status 1"):
            setup.make(environment)
        (uv / "offline").unlink()

        setup.make(environment)

        assert len(calls()) == 4

    def test_waits_while_another_command_makes_one(self, uv, environment, calls, monkeypatch):
        monkeypatch.setattr(setup, "find_python", lambda versions: sys.executable)  # at once
        with (uv / ".venv-lock").open("a") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            making = threading.Thread(target=setup.make, args=[environment])
            making.start()
            making.join(1)
            assert not (uv / "calls").exists()
        making.join()

        assert len(calls()) == 2


class TestFindUv:
    @pytest.fixture
    def root(self, tmp_path, monkeypatch):
        """In the checkout's place; Python is a script that notes what it is called for, and lays out uv."""
        monkeypatch.setattr(setup, "ROOT", tmp_path)
        uv = tmp_path / ".venv-uv" / "bin" / "uv"
        python = script(
            tmp_path / "python",
            f"""
            echo "$2" >> {tmp_path}/calls
            mkdir -p {uv.parent}
            ln -sf {tmp_path}/python {uv.parent}/python
            printf '#!/bin/sh\necho uv {setup.UV_VERSION}' > {uv}
            chmod +x {uv}
            """,
        )
        monkeypatch.setattr(sys, "executable", str(python))
        return tmp_path

    def test_installs_it_once(self, root):
        assert setup.find_uv() == setup.find_uv() == root / ".venv-uv" / "bin" / "uv"

        assert (root / "calls").read_text().split() == ["venv", "pip"]

    def test_waits_while_another_command_installs_it(self, root):
        with (root / ".venv-lock").open("a") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            finding = threading.Thread(target=setup.find_uv)
            finding.start()
            finding.join(1)
            assert not (root / "calls").exists()
        finding.join()

        assert (root / "calls").exists()


def test_the_environments_are_those_of_mwaa_and_glue():
    assert setup.AIRFLOW.pythons[0] == "3.12"
    assert setup.SPARK.pythons[0] == "3.11"
    assert setup.AIRFLOW.folder.name == ".venv"
    for environment in setup.ENVIRONMENTS.values():
        for path in environment.requirements:
            assert path.is_file()
    assert os.access(setup.AIRFLOW.constraints, os.R_OK)
