import pytest

from local.mwaa import layout, rules
from local.mwaa.versions import NEWEST, VERSIONS
from tests.places import ROOT

LINE = '--constraint "/usr/local/airflow/dags/constraints.txt"\n'
DEPLOYED = {"constraints.txt", "b3_daily.py"}
each_version = pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.airflow)


def test_ours_is_in_order_on_every_version():
    for version in VERSIONS:
        constraints = version.constraints.read_text()

        assert rules.violations((ROOT / "requirements.txt").read_text(), DEPLOYED, constraints) == []


@pytest.mark.parametrize(
    ("requirements", "said"),
    [
        ("pandas\n", "found none: MWAA would put its own"),
        (f"# {LINE}pandas\n", "only a comment that names it"),
        (LINE.replace("dags/c", "dags/other/c") + "pandas\n", "a file that is deployed to /usr/local/airflow/dags"),
        (LINE.replace("/usr/local/airflow/dags", "/home/me") + "pandas\n", "found /home/me/constraints.txt"),
        (LINE + "pandas\nno_such_package>=2\n", "to pin no_such_package"),
    ],
    ids=["no line", "a comment", "a file that is not deployed", "a path not on MWAA", "a package without a pin"],
)  # fmt: skip
def test_what_mwaa_would_not_do_as_it_says_is_a_sentence(requirements, said):
    (sentence,) = rules.violations(requirements, DEPLOYED, "pandas==3.0.5\n")

    assert said in sentence


def test_a_pin_is_found_however_the_name_is_spelt():
    assert rules.violations(LINE + "exchange_calendars\n", DEPLOYED, "exchange-calendars==4.13.2\n") == []


@each_version
def test_the_constraints_are_those_of_the_version(version):
    pinned = dict(
        line.split(" ;")[0].split("==") for line in version.constraints.read_text().splitlines() if "==" in line
    )

    assert {package: pinned[package] for package in version.pins} == version.pins


@each_version
def test_a_deploy_for_the_version_brings_its_constraints(version):
    brought = layout.deployed(version)

    assert brought.dags[brought.constraints] == version.constraints.read_bytes()


def test_the_files_lie_where_mwaa_puts_them(tmp_path):
    laid_out = layout.lay_out(layout.deployed(NEWEST), tmp_path / "airflow")

    assert (laid_out.dags / "b3_daily.py").is_file()
    assert (laid_out.dags / "include" / "sql" / "validate").is_dir()
    assert not (laid_out.dags / "include").is_symlink()
    name = "b3/lake/layout.py"
    assert (laid_out.plugins / name).read_bytes() == (ROOT / "plugins" / name).read_bytes()
    assert laid_out.constraints.read_bytes() == NEWEST.constraints.read_bytes()
    assert f'--constraint "{laid_out.constraints}"' in laid_out.requirements.read_text()
