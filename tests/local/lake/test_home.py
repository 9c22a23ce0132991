import pytest

from infra.checkout import ROOT
from local.lake import home


@pytest.fixture(autouse=True)
def base(tmp_path, monkeypatch):
    monkeypatch.setenv("B3_LOCAL_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def test_real_and_simulated_data_share_nothing(base):
    real, simulated = home.find(home.REAL), home.find(home.SIMULATED)

    assert (real.folder, simulated.folder) == (base / "real", base / "simulated")
    assert (real.bucket, simulated.bucket) == ("b3-lake-real", "b3-lake-simulated")
    for of_real, of_simulated in zip(
        (real.aws, real.airflow, real.ui_database, real.run_database, real.logs),
        (simulated.aws, simulated.airflow, simulated.ui_database, simulated.run_database, simulated.logs),
        strict=True,
    ):
        assert real.folder in of_real.parents
        assert simulated.folder in of_simulated.parents


def test_a_home_has_its_folders():
    found = home.find(home.REAL)

    assert found.airflow.is_dir()
    assert found.logs.is_dir()


def test_lies_in_the_checkout_by_default(monkeypatch):
    monkeypatch.delenv("B3_LOCAL_HOME")

    assert home.base() == ROOT / ".local"
    assert (ROOT / "dags" / "b3_daily.py").exists()


def test_a_relative_folder_counts_from_where_the_command_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("B3_LOCAL_HOME", "elsewhere")

    assert home.base() == tmp_path / "elsewhere"


def test_the_lake_used_last_is_remembered():
    assert home.last_used() is None

    home.remember(home.find(home.SIMULATED))
    assert home.last_used() == home.find(home.SIMULATED)

    home.remember(home.find(home.REAL))
    assert home.last_used() == home.find(home.REAL)
