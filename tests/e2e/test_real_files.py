"""The DAG of whole years on a real month of the exchange, whose files are not part of this repository."""

import shutil
import zipfile
from decimal import Decimal
from pathlib import Path

import pytest

from local.commands import history
from local.lake.source import Source
from tests.e2e.conftest import Outcome
from tests.places import REAL_FILES

FOLDER = REAL_FILES / "cotahist"

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"no real files of the exchange in {FOLDER}; B3_REAL_FILES names another folder"
)


def records_of(path: Path) -> list[bytes]:
    with zipfile.ZipFile(path) as archive:
        lines = archive.read(archive.namelist()[0]).splitlines()
    return [line for line in lines if line.startswith(b"01")]


def test_a_real_month_arrives_whole_by_the_way_of_a_year(lab, tmp_path):
    month = FOLDER / "COTAHIST_M012021.ZIP"
    records = records_of(month)
    volume = sum(Decimal(int(record[170:188])) for record in records) / 100
    shutil.copy(month, tmp_path / "COTAHIST_A2021.ZIP")  # a year that has gone on to January

    outcome = Outcome.of(lambda: history.run(Source("replay", tmp_path), 2021, 2021))

    assert outcome.status == 0, outcome.printed
    for table in ("raw_quotes", "quotes"):
        (row,) = lab.query(
            f"SELECT count(DISTINCT trade_date), count(*), sum(financial_volume) FROM {table} "
            "WHERE trade_date BETWEEN date '2021-01-01' AND date '2021-12-31'"
        )
        assert row == ["19", "129292", str(volume)]
    assert len(records) == 129_292
