from types import SimpleNamespace
from typing import Any

import pytest

from b3.airflow.run_source import from_landing


def a_run(run_type: str = "manual", **conf: Any) -> SimpleNamespace:
    return SimpleNamespace(run_type=run_type, conf=conf)


@pytest.mark.parametrize(("conf", "expected"), [({}, False), ({"source": "b3"}, False), ({"source": "landing"}, True)])
def test_a_run_takes_files_from_where_its_form_says(conf, expected):
    assert from_landing(a_run(**conf)) is expected
    assert from_landing(SimpleNamespace(run_type="manual", conf=None)) is False


@pytest.mark.parametrize("run_type", ["scheduled", "backfill"])
def test_a_run_that_nobody_triggered_asks_b3(run_type):
    assert from_landing(a_run(run_type, source="landing")) is False


@pytest.mark.parametrize("given", ["raw", True, 1])
def test_any_other_source_is_refused(given):
    with pytest.raises(ValueError, match="expected source in the run's conf as b3 or landing"):
        from_landing(a_run(source=given))
