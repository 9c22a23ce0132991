"""The table run_metrics: what a run brought, how long it took, and how late it was; one row for a DAG and a session.

metrics/run_metrics/trade_date=2020-04-30/b3_daily.parquet

The row is that of the run that brought the session's data. A rerun that brings the same leaves the object as it is; a
run that brings other rows or findings, as after a correction, replaces it.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from b3.calendar import publication
from b3.lake import layout
from b3.lake.commit import head, heads, keys_below, put, until_committed
from b3.lake.layout import Lake
from b3.lake.parquet import encode

log = logging.getLogger(__name__)

# Metadata of a row's object.
FIRST_SESSION = "first-session"
SCHEMA = pa.schema(
    [
        ("dag_id", pa.string()),
        ("run_id", pa.string()),
        ("run_type", pa.string()),
        ("first_session", pa.date32()),
        ("sessions", pa.int32()),
        ("rows", pa.int64()),
        ("bytes", pa.int64()),
        ("findings", pa.int64()),
        ("seconds", pa.int64()),
        ("lag_seconds", pa.int64()),
        ("ended_at", pa.string()),
    ]
)


@dataclass(frozen=True)
class RunMetrics:
    """What a run brought. The names are those of the columns; `last_session` is the partition.

    Attributes:
        dag_id: the DAG.
        run_id: the run.
        run_type: scheduled, manual or backfill.
        first_session: the first session that it wrote.
        last_session: the last one.
        sessions: their number.
        rows: rows of raw quotes.
        bytes: size of B3's files that they come from.
        findings: findings in them.
        seconds: from the run's start until its checks had passed, waiting for B3 included.
        lag_seconds: from the time by which B3 usually has published the last session until the checks had passed.
        ended_at: when they had passed, in UTC.
    """

    dag_id: str
    run_id: str
    run_type: str
    first_session: dt.date
    last_session: dt.date
    sessions: int
    rows: int
    bytes: int
    findings: int
    seconds: int
    lag_seconds: int
    ended_at: str

    @property
    def brought(self) -> dict[str, str]:
        """The figures of the data, which a rerun does not change, as metadata.

        The bytes are of a file: a year's file brings the same session in more of them.
        """
        figures = {name: str(getattr(self, name)) for name in ("sessions", "rows", "findings")}
        return {FIRST_SESSION: self.first_session.isoformat(), **figures}


def measure(
    s3: Any,
    lake: Lake,
    run: Any,
    partitions: Sequence[Mapping[str, Any]],
    findings: int,
    now: dt.datetime,
) -> RunMetrics:
    """Return the metrics of a run whose checks have just passed.

    Args:
        s3: a boto3 S3 client.
        lake: the lake.
        run: Airflow's run.
        partitions: of `b3.quotes.raw.RawQuotes` as dicts; one or more.
        findings: number of findings.
        now: the present instant.
    """
    dates = [dt.date.fromisoformat(each["trade_date"]) for each in partitions]
    # `dag.test` takes the logical date for the start; a backfill's run was due years ago.
    began = max(run.run_after, run.start_date or run.run_after)
    files = heads(s3, lake, sorted({lake.key(each["source"]) for each in partitions}))
    return RunMetrics(
        dag_id=run.dag_id,
        run_id=run.run_id,
        run_type=str(getattr(run.run_type, "value", run.run_type)),
        first_session=min(dates),
        last_session=max(dates),
        sessions=len(dates),
        rows=sum(each["rows"] for each in partitions),
        bytes=sum(answer["ContentLength"] for answer in files.values()),
        findings=findings,
        seconds=round((now - began).total_seconds()),
        lag_seconds=round((now - publication.due(max(dates))).total_seconds()),
        ended_at=now.isoformat(timespec="seconds"),
    )


def write(s3: Any, lake: Lake, metrics: RunMetrics) -> str:
    """Write the row of a DAG and a session, unless the one that is there is of the same data; return its key.

    Raises:
        SourceError: other runs of that session replaced it in each try.
    """
    key = layout.run_metrics_key(metrics.last_session, metrics.dag_id)

    def commit() -> None:
        former = head(s3, lake, key)
        if former and former["Metadata"] == metrics.brought:
            log.info("%s has the metrics of the run that brought this data", lake.uri(key))
            return
        row = {name: value for name, value in asdict(metrics).items() if name != "last_session"}
        put(s3, lake, key, encode(pa.Table.from_pylist([row], SCHEMA)), metrics.brought, former)

    until_committed(commit, lake.uri(key))
    return key


def good_sessions(s3: Any, lake: Lake, sessions: Sequence[dt.date]) -> set[dt.date]:
    """Return the sessions that a run has brought, and whose checks have passed.

    A run of b3_history has one row, under its last session, for all since its first one.

    Args:
        s3: a boto3 S3 client.
        lake: the lake.
        sessions: those that are asked for.
    """
    # Keys are in order of trade dates. The row of a run of years may lie after the sessions that are asked for.
    before = layout.run_metrics_key(min(sessions), "").rpartition("/")[0]
    keys = keys_below(s3, lake, layout.RUN_METRICS_PREFIX, after=before)
    good = {layout.date_of(key) for key in keys}
    of_years = [key for key in keys if key.endswith("/b3_history.parquet")]
    for key, answer in heads(s3, lake, of_years).items():
        first = answer["Metadata"].get(FIRST_SESSION)
        if first:
            good |= {each for each in sessions if dt.date.fromisoformat(first) <= each <= layout.date_of(key)}
    return good.intersection(sessions)
