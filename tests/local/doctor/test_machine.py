import shutil
import socket
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from local import setup
from local.aws.glue import spark
from local.doctor import machine
from tests.plugins.b3.exchange import Answer, Exchange

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def environments(tmp_path, monkeypatch):
    """The environments that set-up makes: one, of which `is_made` says what the test wants."""
    (tmp_path / "requirements.txt").write_text("pyarrow==25.0.1\n")
    environment = setup.Environment("test", tmp_path / ".venv", ("3.99", "3.98"), (tmp_path / "requirements.txt",))
    monkeypatch.setattr(setup, "DEFAULT", (environment,))

    def are(made: bool) -> setup.Environment:
        monkeypatch.setattr(setup, "is_made", lambda of: made)
        return environment

    are(False)
    return are


@pytest.fixture
def index(monkeypatch):
    """A package index."""
    server = Exchange()
    server.will(Answer(200))
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"{server.url}/simple")
    yield server
    server.close()


@pytest.fixture
def pip(tmp_path, monkeypatch):
    """A pip with no setting of this machine, as set-up makes one for itself; gives the path of its settings."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "with-pip"], check=True)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "with-pip" / "bin" / "python"))
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    settings = tmp_path / "pip.conf"
    monkeypatch.setenv("PIP_CONFIG_FILE", str(settings))
    return settings


def found(subject, needs=None):
    """What is found of one need."""
    (only,) = [each for each in needs or machine.for_setup() if each.subject == subject]
    return only


def run_need(subject):
    return found(subject, machine.for_runs())


class TestPython:
    def test_is_the_one_that_runs(self, environments, index):
        assert found("Python").answer == ".".join(map(str, sys.version_info[:3]))
        assert found("Python").note == sys.executable

    def test_is_too_old(self, environments, index, monkeypatch):
        monkeypatch.setattr(machine, "OLDEST_PYTHON", (9, 99))

        assert found("Python").expected == "9.99 or later"
        assert "make PYTHON3=python9.99" in found("Python").advice

    @pytest.mark.parametrize("missing", ["venv", "ensurepip"])
    def test_lacks_what_debian_has_in_a_package_of_its_own(self, environments, index, monkeypatch, missing):
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == missing else name)

        assert "python3-venv" in found("Python's venv").advice

    def test_has_venv(self, environments, index):
        assert found("Python's venv").as_expected


class TestAnEnvironment:
    def test_that_is_made_has_a_version(self, environments):
        environment = environments(True)
        environment.python.parent.mkdir(parents=True)
        environment.python.symlink_to(sys.executable)

        assert found("Python for test").answer == f"{sys.version_info.major}.{sys.version_info.minor}"
        assert found("Python for test").as_expected

    def test_whose_python_was_uninstalled_is_told(self, environments):
        environment = environments(True)
        environment.python.parent.mkdir(parents=True)
        environment.python.symlink_to("/no/such/python")

        assert found("Python for test").found == "one that does not"
        assert "delete .venv, and run make setup" in found("Python for test").advice

    def test_that_is_to_be_made_says_of_what(self, environments, index, monkeypatch):
        monkeypatch.setattr(setup, "find_python", lambda versions: "/opt/python3.99")

        assert found("Python for test").verdict == "as expected: with /opt/python3.99"

    def test_for_which_there_is_no_python_says_where_one_comes_from(self, environments, index, monkeypatch):
        monkeypatch.setenv("PATH", "/nowhere")
        monkeypatch.setenv("PYENV_ROOT", "/nowhere")

        assert found("Python for test").verdict == "as expected: no Python 3.99 here: uv fetches one from GitHub"


class TestThePackages:
    @pytest.mark.parametrize("status", [200, 401, 404])
    def test_can_be_fetched_where_their_index_answers_anything(self, environments, index, status):
        index.will(Answer(status))

        assert found("Python packages").verdict == f"as expected: {index.url}/simple answers"
        assert [request.path for request in index.requests] == ["/simple/uv/"]

    def test_cannot_be_fetched_where_it_does_not(self, environments, index):
        index.close()

        assert found("Python packages").expected == f"an answer of {index.url}/simple, for .venv"
        assert "refused" in found("Python packages").found

    def test_are_not_asked_for_where_they_are_installed(self, environments, index):
        environments(True)

        assert found("Python packages").note == "nothing to fetch"
        assert index.requests == []

    def test_no_password_of_their_index_is_shown(self, environments, index, monkeypatch):
        monkeypatch.setenv("UV_DEFAULT_INDEX", index.url.replace("http://", "http://me:secret@") + "/simple")

        assert "secret" not in str(found("Python packages"))
        index.close()
        assert "secret" not in str(found("Python packages"))
        assert len(index.requests) == 1

    def test_come_from_where_pip_is_set_to_unless_uv_is_set_to_another(self, pip, monkeypatch):
        """By a file, by a variable of pip's, by one of uv's, each before the former."""
        by_itself = machine._package_index()
        assert by_itself and by_itself.startswith("http")

        pip.write_text("[global]\nindex-url = https://in-a-file.example/a-long-path-with-hyphens/simple\n")
        assert machine._package_index() == "https://in-a-file.example/a-long-path-with-hyphens/simple"

        monkeypatch.setenv("PIP_INDEX_URL", "https://me:secret@of-pip.example/simple")
        assert machine._package_index() == "https://of-pip.example/simple"

        monkeypatch.setenv("UV_DEFAULT_INDEX", "https://of-uv.example/simple")
        assert machine._package_index() == "https://of-uv.example/simple"

    def test_are_not_asked_for_where_nothing_names_their_index(self, environments, pip, monkeypatch):
        monkeypatch.setattr(sys, "executable", "/bin/false")

        assert found("Python packages").verdict == (
            "as expected: from the index that pip is set to, which no pip here names"
        )


class TestTheDisk:
    @pytest.mark.parametrize(
        ("made", "gigabytes", "enough"),
        [(False, 3.1, True), (False, 2.9, False), (True, 1.1, True), (True, 0.9, False)],
    )
    def test_has_room_for_the_environments_or_only_for_lakes(
        self, environments, index, monkeypatch, made, gigabytes, enough
    ):
        environments(made)
        monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(0, 0, int(gigabytes * 10**9)))

        assert found("free disk").as_expected is enough
        assert found("free disk").answer == f"{gigabytes} GB"

    def test_is_the_fuller_one_of_checkout_and_lakes(self, environments, index, monkeypatch, tmp_path):
        monkeypatch.setenv("B3_LOCAL_HOME", str(tmp_path / "not" / "there"))
        free = {machine.ROOT: 9 * 10**9, tmp_path: 1_500_000_000}
        monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(0, 0, free[folder]))

        assert found("free disk").expected == f"3.0 GB for the environments and a lake, in {tmp_path}"


class TestTheMemory:
    @pytest.fixture(autouse=True)
    def linux(self, tmp_path, monkeypatch):
        monkeypatch.setattr(machine, "_MEMORY_INFO", tmp_path / "meminfo")
        monkeypatch.setattr(machine, "_MEMORY_LIMIT", tmp_path / "memory.max")
        (tmp_path / "meminfo").write_text("MemTotal:       4000000 kB\nMemAvailable:   3000000 kB\n")
        return tmp_path

    def test_is_what_linux_calls_available(self):
        assert run_need("free memory").verdict == "as expected: 2.0 GB are needed for a run"
        assert run_need("free memory").answer == "3.1 GB"

    def test_is_bounded_by_the_containers(self, linux):
        (linux / "memory.max").write_text("1000000000\n")

        assert run_need("free memory").found == "1.0 GB"

    def test_of_a_container_without_a_bound_is_the_machines(self, linux):
        (linux / "memory.max").write_text("max\n")

        assert run_need("free memory").answer == "3.1 GB"

    def test_may_be_unknown(self, linux):
        (linux / "meminfo").unlink()

        assert run_need("free memory").answer == "unknown"
        assert run_need("free memory").as_expected


class TestJava:
    @pytest.mark.parametrize(
        ("home", "made", "verdict"),
        [
            (Path("/opt/java"), False, "as expected: /opt/java"),
            (None, False, "as expected: no Java 17 here: comes as a Python package"),
            (None, True, "DIFFERS: found none any more, expected Java 17, from which .venv-spark was made"),
        ],
        ids=["there", "to be set up", "gone"],
    )
    def test_is_there_or_comes_with_set_up(self, environments, monkeypatch, home, made, verdict):
        environments(made)
        monkeypatch.setattr(spark, "find_java", lambda folder: home)

        assert run_need("Java").verdict == verdict


class TestAPort:
    @pytest.fixture
    def port(self, monkeypatch):
        """A port that is free when the test begins."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            number = probe.getsockname()[1]
        monkeypatch.setenv("B3_UI_PORT", str(number))
        return number

    def test_that_is_free(self, port):
        assert run_need("B3_UI_PORT").answer == f"{port}, free"
        assert run_need("B3_UI_PORT").as_expected

    def test_that_is_taken(self, port):
        with socket.create_server(("127.0.0.1", port)):
            taken = run_need("B3_UI_PORT")

        assert taken.answer == f"{port}, taken"
        assert taken.found == "Address already in use"

    @pytest.mark.parametrize("text", ["http", "70000", "-1"])
    def test_that_is_none(self, monkeypatch, text):
        monkeypatch.setenv("B3_AWS_PORT", text)

        assert run_need("B3_AWS_PORT").found == repr(text)

    def test_that_may_be_any_is_not_looked_at(self, port, monkeypatch):
        monkeypatch.setenv("B3_EXCHANGE_PORT", "0")
        monkeypatch.delenv("B3_AWS_PORT", raising=False)

        subjects = [each.subject for each in machine.for_runs()]

        assert [subject for subject in subjects if "PORT" in subject] == ["B3_UI_PORT"]


def test_make_is_looked_for_on_path(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "make" else f"/usr/bin/{name}")

    assert "apt install make" in run_need("make").advice


def test_a_look_that_fails_is_told_as_such(environments, index, monkeypatch):
    def fail(folder):
        raise PermissionError("not for you")

    monkeypatch.setattr(shutil, "disk_usage", fail)

    assert found("free disk").found == "PermissionError: not for you"
    assert found("Python").as_expected
