"""Start a run of the DAG that looks into inbox/, on MWAA, when a file comes there.

The DAG lists inbox/ itself, and lands each file exactly once. So a run too many does no harm, and files that come
together need one run.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from functools import cache
from typing import Any

from infra.lambdas import messages
from infra.lambdas.messages import Arrived, Event

_CONFLICT = 409


def handler(event: Event, context: object) -> dict[str, Any]:
    """Start one run for a batch of messages; Lambda calls this."""
    found, failed = messages.read_all(event)
    if found:
        try:
            run = start(found)
            messages.log(f"{run}: {', '.join(item.key for item in found)}")
        except Exception as error:
            messages.log(f"{type(error).__name__}: {error}")
            failed += [item.message for item in found]
    return messages.failures(failed)


def start(found: Iterable[Arrived]) -> str:
    """Start the run and return its id, which the same events always have.

    Raises:
        ClientError: MWAA or Airflow refuses. A run that is there already is no error.
    """
    items = list(found)
    events = hashlib.sha256("\n".join(sorted(item.event for item in items)).encode()).hexdigest()
    run = f"lambda__{events[:32]}"
    client = _mwaa()
    try:
        client.invoke_rest_api(
            Name=os.environ["ENVIRONMENT"],
            Method="POST",
            Path=f"/dags/{os.environ['DAG']}/dagRuns",
            # Airflow 3 wants the field, and takes null for a run that is of no date.
            Body={"dag_run_id": run, "logical_date": None},
        )
    except client.exceptions.RestApiClientException as error:
        # The status is Airflow's.
        if error.response.get("RestApiStatusCode") != _CONFLICT:
            raise RuntimeError(f"expected Airflow to start a run, found {error.response}") from error
    return run


@cache
def _mwaa() -> Any:
    import boto3

    return boto3.client("mwaa")
