"""What a run may publish although it looks wrong: a person says so in the trigger form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from b3.airflow.run_dates import BY_LOGICAL_DATE

# The fields of the trigger form.
FORM = {
    "accept_flood": {
        "title": "Accept odd rows",
        "description": "Publish a session of which most rows break a rule. Compare the file with B3's layout before.",
    },
    "accept_loss": {
        "title": "Accept lost records",
        "description": "Publish a correction that lacks more than a tenth of a session's records, or whole sessions.",
    },
}


@dataclass(frozen=True)
class Accepted:
    """What a run publishes although it looks wrong.

    Attributes:
        flood: sessions of which most rows break a rule.
        loss: corrections that lack more than a tenth of a session's rows, or whole sessions.
    """

    flood: bool = False
    loss: bool = False


NOTHING = Accepted()


def of_run(dag_run: Any) -> Accepted:
    """Return what the conf of a DAG run accepts; scheduled and backfilled runs accept nothing.

    Raises:
        ValueError: `accept_flood` or `accept_loss` of the conf is neither true nor false.
    """
    if dag_run.run_type in BY_LOGICAL_DATE:
        return NOTHING
    return Accepted(flood=_flag(dag_run, "accept_flood"), loss=_flag(dag_run, "accept_loss"))


def _flag(dag_run: Any, name: str) -> bool:
    given = (dag_run.conf or {}).get(name)
    if given not in (None, True, False):
        raise ValueError(f"expected {name} in the run's conf as true or false, found {given!r}: trigger it again")
    return bool(given)
