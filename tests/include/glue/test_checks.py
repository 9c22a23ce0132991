"""What the Glue job holds against the files that it made of a session, where no raw file can bring it about."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.include.glue.lake import GLUE, SPARK

MADE = {"rows": 2, "stray_rows": 0, "stray_dates": "", "sha256": "0a"}


def check(made: dict[str, Any] | None, again: dict[str, Any]) -> str | None:
    done = subprocess.run(
        [SPARK / "bin/python", Path(__file__).with_name("checks.py")],
        input=json.dumps({"rows": 2, "made": made, "again": again}),
        env={**os.environ, "PYTHONPATH": str(GLUE)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return json.loads(done.stdout)


def test_files_with_the_rows_of_the_raw_object_pass() -> None:
    assert check(MADE, MADE) is None


@pytest.mark.parametrize(("made", "found"), [(MADE | {"rows": 1}, 1), (MADE | {"rows": 3}, 3), (None, 0)])
def test_rows_that_are_lost_or_doubled_on_the_way_are_found(made: dict[str, Any] | None, found: int) -> None:
    said = check(made, MADE)
    assert said == (
        f"RowsLost: expected 2 refined rows, as in s3://lake/raw/quotes.parquet, found {found}: run the job again"
    )


def test_files_that_spark_made_again_after_the_check_must_be_the_same() -> None:
    said = check(MADE, MADE | {"sha256": "0b"})
    assert said is not None
    assert said.startswith("ChangedSource: expected the files that were checked, found new ones from s3://lake/raw/")
