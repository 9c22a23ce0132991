"""How the runs of arrivals are started: one at a time, so that the nightly run of b3_daily gets in between."""

from __future__ import annotations

from typing import Any

import airflow
from packaging.version import Version

from b3.airflow.run_dates import BY_LOGICAL_DATE

# Airflow counts a deferred task for max_active_tis_per_dag from this release on.
_COUNTS_DEFERRED = Version("3.3")


def waiting(dag_run: Any) -> dict[str, bool]:
    """Return TriggerDagRunOperator's arguments on waiting until the started run has ended.

    A waiting task is deferred if Airflow then starts no other of its kind; before 3.3 it keeps its slot. What a person
    triggers does not wait: `dag.test` runs the started runs after this one.
    """
    waits = dag_run.run_type in BY_LOGICAL_DATE
    return {"wait_for_completion": waits, "deferrable": waits and Version(airflow.__version__) >= _COUNTS_DEFERRED}
