from collections.abc import Iterator
from pathlib import Path

import pytest

from local.aws import launch
from tests.local.aws.harness import Aws, parquet, quote


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    """One server for the tests that do not stop it."""
    with launch.start(tmp_path_factory.mktemp("aws")) as server:
        made = Aws(server)
        made.s3.create_bucket(Bucket=made.bucket)
        yield made


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture(scope="session")
def b3(aws: Aws) -> Aws:
    """A database b3 with a table of two registered days and one that no crawl has seen."""
    aws.database("b3")
    aws.table("b3", "quotes")
    days = {
        "2020-04-29": [quote("PETR4", "17.10", 100, 7, 7.0), quote("VALE3", "45.00", 200, 2, 2.0)],
        "2020-04-30": [quote("PETR4", "18.05", 300, 3, 3.0), quote("VALE3", "44.95", 0, -7, 1e10)],
    }
    for day, rows in days.items():
        aws.put(f"b3/quotes/trade_date={day}/part-0.parquet", parquet(rows))
    aws.crawler("b3-quotes", "b3", "quotes")
    assert aws.crawl("b3-quotes")["Status"] == "SUCCEEDED"
    aws.put("b3/quotes/trade_date=2020-05-04/part-0.parquet", parquet([quote("PETR4", "1.00", 1)]))
    return aws
