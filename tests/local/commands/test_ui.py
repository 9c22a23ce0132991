"""What Airflow's components are told of their lake. tests/e2e/test_ui.py runs them on a lake of this machine."""

import pytest

from local.commands import ui
from local.lake import home, servers
from local.lake.account import AccountLake
from local.lake.source import Source

ON_AWS = AccountLake("b3-lake", home.REAL, "123456789012", "sa-east-1", {}, "crawler")
PAUSED, SCHEDULED = "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION", "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE"


@pytest.fixture
def here(tmp_path) -> servers.Lake:
    """A lake of this machine."""
    return servers.Lake(home.Home(home.SIMULATED, tmp_path), "http://127.0.0.1:1", {})


def test_on_aws_dags_arrive_paused_and_run_by_their_schedule_as_on_mwaa():
    told = ui.environment_of(ON_AWS, Source("live"))

    assert (told[PAUSED], told[SCHEDULED]) == ("True", "True")


def test_on_this_machine_a_dag_runs_when_it_is_asked_for(here):
    told = ui.environment_of(here, Source("simulated"))

    assert (told[PAUSED], told[SCHEDULED]) == ("False", "False")


def test_the_head_of_each_page_names_the_lake(here):
    names = [
        ui.environment_of(lake, chosen)["AIRFLOW__API__INSTANCE_NAME"]
        for lake, chosen in ((ON_AWS, Source("live")), (here, Source("simulated")))
    ]

    assert names == [
        "B3 lake, real data, stack b3-lake in account 123456789012, sa-east-1",
        "B3 lake, SIMULATED data",
    ]
