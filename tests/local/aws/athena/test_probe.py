import subprocess
from pathlib import Path

from local.aws import launch
from tests.places import ROOT

FAILED_FOR_GOOD = """
import functools, sys
import duckdb
from local.aws.athena import probe

failed = duckdb.connect(sys.argv[1])
failed.execute("CREATE TABLE t AS SELECT 1 AS i")
failed.execute("SET debug_checkpoint_abort = 'before_header'")
try:
    failed.execute("CHECKPOINT")
except duckdb.FatalException:
    opened = iter([failed, duckdb.connect()])
    probe._database = functools.cache(lambda: next(opened))
    for _ in range(2):
        with probe.scratch() as connection:
            print(connection.execute("SELECT current_setting('TimeZone')").fetchone()[0])
"""


def test_a_database_that_failed_for_good_is_left_for_another(tmp_path: Path) -> None:
    python = launch.ENVIRONMENT / "bin" / "python"
    done = subprocess.run(
        [str(python), "-c", FAILED_FOR_GOOD, str(tmp_path / "failed")],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip

    assert done.stdout.split() == ["UTC", "UTC"], done.stderr
