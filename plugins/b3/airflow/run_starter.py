"""How the runs of arrivals are started: one at a time, so that the nightly run of b3_daily gets in between."""

from __future__ import annotations

from typing import Any

from b3.airflow.run_dates import conf_of

# In the conf of a run of b3_arrivals: start all runs, and wait for none.
AT_ONCE = "at_once"
# Airflow counts a deferred task for max_active_tis_per_dag from this release on.
_COUNTS_DEFERRED = "3.3"


def waiting(dag_run: Any) -> dict[str, bool]:
    """Return TriggerDagRunOperator's arguments on waiting until the started run has ended.

    A waiting task is deferred if Airflow then starts no other of its kind; before 3.3 it keeps its slot. A run waits
    whoever started it: a schedule, a person, or the function of infra/arrivals.yaml. Where no scheduler runs what is
    started, as in `dag.test`, the conf has AT_ONCE.
    """
    import airflow
    from packaging.version import Version

    waits = conf_of(dag_run).get(AT_ONCE) is not True
    counts_deferred = Version(airflow.__version__) >= Version(_COUNTS_DEFERRED)
    return {"wait_for_completion": waits, "deferrable": waits and counts_deferred}
