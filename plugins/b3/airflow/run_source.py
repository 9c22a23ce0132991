"""Where a DAG run takes B3's files from."""

from __future__ import annotations

from typing import Any

from b3.airflow.run_dates import BY_LOGICAL_DATE

# Values of `source` in a run's conf.
B3, LANDING = "b3", "landing"


def from_landing(dag_run: Any) -> bool:
    """Return whether a run reads landing/ alone, without asking B3; scheduled and backfilled runs ask B3.

    Raises:
        ValueError: `source` of the conf is neither b3 nor landing.
    """
    given = (dag_run.conf or {}).get("source") or B3
    if given not in (B3, LANDING):
        raise ValueError(f"expected source in the run's conf as {B3} or {LANDING}, found {given!r}: trigger it again")
    return given == LANDING and dag_run.run_type not in BY_LOGICAL_DATE
