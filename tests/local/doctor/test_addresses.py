import datetime as dt
import os
import subprocess
import sys

import pytest

from infra.checkout import ROOT
from local.doctor import addresses
from local.lake import source
from local.lake.source import Source
from tests.plugins.b3.simulated import healthy

NOW = dt.datetime(2026, 11, 28, 15, tzinfo=dt.UTC)


def run(tmp_path, exchange):
    """The command, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "local.doctor.addresses", "--exchange", exchange],
        env={**os.environ, "PYTHONPATH": str(ROOT / "plugins"), "B3_LOCAL_HOME": str(tmp_path / "home")},
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


class TestThePresent:
    def test_of_b3_is_now(self):
        assert addresses.at_its_present(Source("live"), NOW) == (Source("live"), NOW)

    def test_of_a_folder_is_the_evening_of_its_last_session(self, tmp_path):
        (tmp_path / "COTAHIST_D05052020.ZIP").touch()
        chosen = Source("replay", tmp_path)

        assert addresses.at_its_present(chosen, NOW) == (chosen, dt.datetime(2020, 5, 6, 1, 45, tzinfo=dt.UTC))

    @pytest.mark.parametrize(("now", "today"), [("2026-11-28", "2026-01-08"), ("2026-01-06", "2026-01-05")])
    def test_of_the_simulated_exchange_is_early_in_the_year(self, now, today):
        chosen, at = addresses.at_its_present(Source("simulated"), dt.datetime.fromisoformat(f"{now}T12:00Z"))

        assert chosen == Source("simulated", today=dt.date.fromisoformat(today))
        assert source.last_session(chosen, at) == chosen.today


def test_the_simulated_exchange_is_as_expected(tmp_path):
    ran = run(tmp_path, "simulated")

    assert ran.returncode == 0, ran.stdout + ran.stderr
    lines = ran.stdout.splitlines()
    assert lines[0] == "asking each address once, 0.5 s apart, source: SIMULATED exchange, no real prices"
    assert lines[-1] == "all 8 addresses answer as expected"
    assert sum("  as expected: " in line for line in lines) == 8
    assert max(map(len, lines)) <= 120


def test_a_folder_that_lacks_files_differs_by_them(tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    for name in ("COTAHIST_D08012026.ZIP", "COTAHIST_M012026.ZIP"):
        (folder / name).write_bytes(healthy(f"/InstDados/SerHist/{name}").body)

    ran = run(tmp_path, str(folder))

    assert ran.returncode == 1, ran.stderr
    assert "2 of 4 addresses of B3 differ: COTAHIST_A2026.ZIP, page of trading holidays\n" in ran.stdout
    assert "6,396 records of 2026-01-08" in ran.stdout


def test_a_folder_without_a_session_is_refused(tmp_path):
    (tmp_path / "files").mkdir()

    ran = run(tmp_path, str(tmp_path / "files"))

    assert ran.returncode == 2
    assert ran.stderr.startswith("doctor: expected files named COTAHIST_D<ddmmyyyy>.ZIP")
