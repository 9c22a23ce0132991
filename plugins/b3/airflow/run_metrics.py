"""Record what a run brought: a row of run_metrics, metrics of Airflow, and metrics of CloudWatch.

docs/metrics.md has the names.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from b3 import settings
from b3.airflow import aws, clients
from b3.calendar import publication

if TYPE_CHECKING:
    from b3.monitoring.run_metrics import RunMetrics

log = logging.getLogger(__name__)

# A backfill's lag is years, and would hide that of the last sessions.
MOST_LAG = dt.timedelta(days=7)

NAMESPACE = "B3Lake"
# The metrics of a run, by column of run_metrics, and the unit that CloudWatch shows.
FIGURES = {"rows": "Count", "bytes": "Bytes", "findings": "Count", "seconds": "Seconds", "lag_seconds": "Seconds"}


def record(dag_run: Any, partitions: Sequence[Mapping[str, Any]], findings: int) -> list[str]:
    """Write a run's row of run_metrics, register its partition, and send its metrics.

    Args:
        dag_run: the run, whose checks have passed.
        partitions: the XCom of its `upload`.
        findings: number of findings.

    Returns:
        The URI of the row's object; none if the run wrote no partition.

    Raises:
        ClientError: S3 or Glue refused the row. Metrics that cannot be sent are only logged.
    """
    if not partitions:
        return []
    from b3.lake import layout
    from b3.lake import partitions as catalog
    from b3.monitoring import run_metrics

    chosen, s3 = settings.read(), aws.s3_client()
    metrics = run_metrics.measure(s3, chosen.lake, dag_run, partitions, findings, publication.now())
    key = run_metrics.write(s3, chosen.lake, metrics)
    # No crawler looks here: a crawl costs more than the call.
    catalog.register(aws.glue_client(), chosen.glue_database, chosen.lake, layout.RUN_METRICS_TABLE, [key])
    send(metrics)
    return [chosen.lake.uri(key)]


def send(metrics: RunMetrics) -> None:
    """Send a run's figures to Airflow's metrics as `b3.<figure>`, and to CloudWatch. Log it if that fails.

    A lag beyond MOST_LAG is not sent.
    """
    figures = {name: getattr(metrics, name) for name in FIGURES}
    if metrics.lag_seconds > MOST_LAG.total_seconds():
        del figures["lag_seconds"]
    try:
        _gauges({f"b3.{name}": value for name, value in figures.items()}, {"dag_id": metrics.dag_id})
    except Exception:  # metrics are no reason to fail a run
        log.exception("could not send Airflow's metrics of %s", metrics.run_id)
    to_cloudwatch(
        [
            {"MetricName": name, "Value": value, "Unit": FIGURES[name], "Dimensions": {"DAG": metrics.dag_id}}
            for name, value in figures.items()
        ]
    )


def to_cloudwatch(data: Sequence[dict[str, Any]]) -> bool:
    """Put metrics of the lake, with its database as a dimension. Log it and return False if CloudWatch refuses.

    Args:
        data: as of PutMetricData, but Dimensions as a dict.
    """
    try:
        from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook

        config = clients.over_connection(clients.brief())
        client = AwsBaseHook(clients.CONNECTION, client_type="cloudwatch", config=config).get_conn()
        of_lake = {"Database": settings.read().glue_database}
        now = dt.datetime.now(dt.UTC)
        client.put_metric_data(
            Namespace=NAMESPACE,
            MetricData=[
                {**each, "Timestamp": now, "Dimensions": _named(of_lake | each["Dimensions"])} for each in data
            ],
        )
    except Exception:  # metrics are no reason to fail a run
        log.exception("could not put metrics to CloudWatch: %s", ", ".join(each["MetricName"] for each in data))
        return False
    return True


def _named(dimensions: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in dimensions.items()]


def _gauges(figures: Mapping[str, float], tags: dict[str, str]) -> None:
    try:
        from airflow.sdk.observability import stats
    except ImportError:  # Airflow 3.0
        from airflow import stats  # type: ignore[no-redef]
    # Airflow 3.3 has functions, former releases a class.
    gauge = getattr(stats, "gauge", None) or stats.Stats.gauge
    for name, value in figures.items():
        gauge(name, value, tags=tags)
