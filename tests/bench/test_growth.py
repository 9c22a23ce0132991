"""The lake that costs are measured in is the one that was asked for, or there is no measurement."""

import os
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import boto3
import pytest

from bench import growth
from bench.growth import TABLES, TICKERS, Grown, measure
from local.aws import launch
from local.lake import provision
from local.lake.home import SIMULATED, Home
from local.lake.servers import Lake
from tests.dags.test_b3_daily import DAGS, parse
from tests.places import SQL


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lake]:
    """On an AWS of its own: the catalog's database has the name of everybody's."""
    with launch.start(tmp_path / "aws") as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield Lake(Home(SIMULATED, tmp_path), server.endpoint, provision.provision(server.endpoint, "grown"))


def test_a_history_has_every_object_of_every_day(lake):
    Grown(lake, days=3)

    found = boto3.client("s3").list_objects_v2(Bucket="grown")["Contents"]
    written = [entry["Key"] for entry in found if entry["Key"].startswith(("raw/", "refined/"))]
    assert len(written) == 3 * (len(TABLES) - 1 + len(TICKERS))


def test_an_object_that_cannot_be_written_ends_the_measurement(lake, monkeypatch):
    put = Grown._put

    def fail_once(self: Grown, key: str, body: bytes) -> None:
        if "2024-03-02" in key:
            raise ConnectionError(f"cannot write {key}")
        put(self, key, body)

    monkeypatch.setattr(Grown, "_put", fail_once)

    with pytest.raises(ConnectionError, match=r"cannot write .*trade_date=2024-03-02"):
        Grown(lake, days=3)


def test_one_more_day_is_crawled_and_passes_the_checks_of_the_daily_dag(monkeypatch):
    monkeypatch.setattr(growth, "LISTED_DAYS", 1)
    # It sets variables for its own lakes.
    with patch.dict(os.environ):
        (costs,) = measure((1,), 1)

    of_daily = [path for name in ("quotes", "indexes", "sectors") for path in (SQL / "validate" / name).glob("*.sql")]
    assert costs.scanned.keys() == {path.stem for path in of_daily}
    of_the_dag = {
        task.removeprefix("validate.") for task in parse(DAGS).dags["b3_daily"].task_ids if "validate." in task
    }
    assert costs.scanned.keys() == of_the_dag
    assert costs.scanned["key_is_unique"] > 0
    assert {"crawl_raw", "crawl_refined", "instead: crawl_raw by listing"} <= costs.seconds.keys()
