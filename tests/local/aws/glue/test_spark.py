from pathlib import Path

import pytest

from local.aws.glue import spark


@pytest.mark.parametrize(("long_jobs", "level"), [("", 1), ("1", 4)])
def test_javas_second_compiler_is_for_long_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, long_jobs: str, level: int
) -> None:
    monkeypatch.setenv(spark.LONG_JOBS, long_jobs)
    spark.environment(Path(".venv-spark"), tmp_path, "http://127.0.0.1:9")
    assert f"-XX:TieredStopAtLevel={level} " in (tmp_path / "spark.conf").read_text()
