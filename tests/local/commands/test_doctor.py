"""`make doctor` up to the addresses; what it asks of them is in test_addresses.py."""

import json
import os
import subprocess
import sys

import pytest

from b3.doctor.diagnosis import Diagnosis
from infra.checkout import ROOT
from local import setup
from local.commands import doctor
from local.doctor import machine
from tests.plugins.b3.exchange import Answer, Exchange

RIGHT = Diagnosis("Python", "3.12.1")
WRONG = Diagnosis("free disk", "1.0 GB", expected="3.0 GB", found="1.0 GB", advice="Free some space.")


@pytest.fixture
def b3(monkeypatch):
    """What answers in B3's place whether it is in reach."""
    server = Exchange()
    monkeypatch.setattr("local.lake.source.QUOTES_HOST", server.url)
    monkeypatch.setattr("local.commands.doctor.QUOTES_HOST", server.url)
    server.will(Answer(404))
    yield server
    server.close()


@pytest.fixture
def calls(monkeypatch, tmp_path):
    """What set-up makes, and how the addresses are asked: the environment's Python is a script that notes it."""
    made = []
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\nexit ${{STATUS:-0}}\n')
    python.chmod(0o755)
    monkeypatch.setattr(setup, "AIRFLOW", setup.Environment("airflow", tmp_path, ("3.12",), ()))
    monkeypatch.setattr(setup, "make", made.append)

    def read():
        asked = tmp_path / "asked"
        return [environment.name for environment in made], asked.read_text().splitlines() if asked.exists() else []

    return read


@pytest.fixture
def this_machine(monkeypatch):
    """A machine that has all it needs, or lacks what a test says."""

    def has(for_setup=RIGHT, for_runs=RIGHT, made=True):
        monkeypatch.setattr(machine, "for_setup", lambda: [for_setup])
        monkeypatch.setattr(machine, "for_runs", lambda: [for_runs])
        monkeypatch.setattr(setup, "is_made", lambda environment: made)

    has()
    return has


ASKED = "-m local.doctor.addresses --exchange {}"


class TestWhereB3Answers:
    @pytest.mark.parametrize("exchange", ["", "auto", "live"])
    def test_its_addresses_are_asked(self, b3, calls, this_machine, exchange, capfd):
        assert doctor.main(["--exchange", exchange]) == 0

        assert calls() == (["airflow"], [ASKED.format("live")])
        assert f"as expected: {b3.url}" in capfd.readouterr().out

    @pytest.mark.parametrize("exchange", ["auto", "live"])
    def test_whether_it_does_is_asked_once(self, b3, calls, this_machine, exchange):
        doctor.main(["--exchange", exchange])

        assert len(b3.requests) == 1

    def test_an_address_that_differs_fails_the_command(self, b3, calls, this_machine, monkeypatch):
        monkeypatch.setenv("STATUS", "1")

        assert doctor.main(["--exchange", "live"]) == 1

    def test_what_the_machine_lacks_fails_it_too_but_the_addresses_are_asked(self, b3, calls, this_machine, capfd):
        this_machine(for_runs=WRONG)

        assert doctor.main(["--exchange", "live"]) == 1

        assert calls()[1] == [ASKED.format("live")]
        assert "Free some space." in capfd.readouterr().out


class TestWhereB3IsOutOfReach:
    @pytest.mark.parametrize("exchange", ["auto", "live"])
    def test_that_is_said_once_and_nothing_is_asked(self, b3, calls, this_machine, exchange, capfd):
        b3.close()

        assert doctor.main(["--exchange", exchange]) == 1

        out = capfd.readouterr().out
        assert out.count("Connection refused") == 2  # in the table's line and below it
        assert out.endswith("B3's addresses are not asked: nothing of B3 answers from here.\n")
        assert calls() == ([], [])

    def test_auto_says_that_the_simulated_exchange_will_do(self, b3, calls, this_machine, capfd):
        b3.close()

        doctor.main(["--exchange", "auto"])

        assert "takes the simulated exchange, which is fine for a laptop" in capfd.readouterr().out

    def test_live_says_what_to_look_at(self, b3, calls, this_machine, capfd):
        b3.close()

        doctor.main(["--exchange", "live"])

        out = capfd.readouterr().out
        assert "B3_CA_BUNDLE" in out
        assert "simulated" not in out


class TestAnotherExchange:
    def test_is_asked_without_a_word_to_b3(self, b3, calls, this_machine, tmp_path, capfd):
        assert doctor.main(["--exchange", "simulated"]) == 0
        assert doctor.main(["--exchange", str(tmp_path)]) == 0

        assert calls()[1] == [ASKED.format("simulated"), ASKED.format(tmp_path)]
        assert b3.requests == []
        assert "access to B3" not in capfd.readouterr().out

    def test_that_does_not_exist_is_refused(self, b3, calls, this_machine, capfd):
        assert doctor.main(["--exchange", "/no/such/folder"]) == 2

        assert "doctor: expected EXCHANGE=auto, live, simulated or a folder" in capfd.readouterr().err


class TestBeforeSetUp:
    def test_a_machine_that_lacks_what_set_up_needs_is_told_so_and_nothing_is_made(
        self, b3, calls, this_machine, capfd
    ):
        this_machine(for_setup=WRONG, made=False)

        assert doctor.main(["--exchange", "simulated"]) == 1

        assert calls() == ([], [])
        assert "this machine lacks what makes one" in capfd.readouterr().out

    def test_what_is_made_already_is_used_all_the_same(self, b3, calls, this_machine):
        this_machine(for_setup=WRONG, made=True)

        assert doctor.main(["--exchange", "simulated"]) == 1

        assert calls()[1] == [ASKED.format("simulated")]

    def test_an_old_python_is_told_before_anything_that_is_not_written_for_it(
        self, b3, calls, this_machine, monkeypatch, capfd
    ):
        monkeypatch.setattr(machine, "OLDEST_PYTHON", (9, 99))

        assert doctor.main(["--exchange", "simulated"]) == 1

        assert calls() == ([], [])
        assert "needs another Python" in capfd.readouterr().out

    def test_the_machine_is_looked_at_with_the_standard_library_alone(self, tmp_path):
        ran = subprocess.run(
            [sys.executable, "-S", "-c", STANDARD_LIBRARY],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "plugins"), "UV_DEFAULT_INDEX": "http://127.0.0.1:9"},
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip

        assert ran.returncode in (0, 1), ran.stderr
        *table, modules = ran.stdout.splitlines()
        assert table[0].startswith("this machine")
        assert {"local.doctor.machine", "b3.doctor.diagnosis"} <= set(json.loads(modules))


STANDARD_LIBRARY = """
import json, sys
from local.commands import doctor
status = doctor.main(["--machine", "--exchange", "simulated"])
print(json.dumps(sorted(name for name in sys.modules if name.startswith(("local.", "b3.")))))
sys.exit(status)
"""


class TestTheMachineAlone:
    @pytest.mark.parametrize(("lacking", "status"), [(RIGHT, 0), (WRONG, 1)])
    def test_is_looked_at_and_nothing_is_made_or_asked(self, b3, calls, this_machine, lacking, status):
        this_machine(for_runs=lacking)

        assert doctor.main(["--machine", "--exchange", "simulated"]) == status

        assert calls() == ([], [])
