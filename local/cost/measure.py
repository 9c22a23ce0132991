"""Counts what one session's run uses: `python -m local.cost.measure DATE`.

On a simulated exchange and a lake of its own. The run is that of `make run`, without the report at its end; what it
used is asked of the local AWS afterwards, by the calls that AWS has for it.
"""

from __future__ import annotations

import collections
import datetime as dt
import json
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import boto3

from infra.checkout import ROOT
from local.lake import home, servers
from local.lake import query_client as queries
from local.lake.servers import Lake

FILE = Path(__file__).with_name("measured.json")
_TEMPLATE_MADE = "code/"


@dataclass(frozen=True)
class Measured:
    """A session's use.

    Attributes:
        session: its trade date.
        measured_on: the day of the measurement.
        machine: where.
        job_seconds: of the Glue job's run, here.
        workers: of the job, as the template says.
        crawls: crawler runs.
        query_bytes: bytes that each of the run's Athena queries scanned.
        objects: versions in the bucket afterwards by their first folder; each was one PUT.
        stored_bytes: their size.
        s3_reads: different GET and HEAD requests that the run made: repeated ones are not counted.
        s3_lists: different LIST requests.
        catalog_calls: different calls of the Data Catalog.
        partitions: of each table.
        quotes: rows of the quotes.
    """

    session: str
    measured_on: str
    machine: str
    job_seconds: int
    workers: int
    crawls: int
    query_bytes: list[int]
    objects: dict[str, int]
    stored_bytes: dict[str, int]
    s3_reads: int
    s3_lists: int
    catalog_calls: int
    partitions: dict[str, int]
    quotes: int


def read(file: Path = FILE) -> Measured:
    """The figures of a file."""
    return Measured(**json.loads(file.read_text(encoding="utf-8")))


def main(session: str) -> int:
    """Run, count, and write measured.json; 1 if the run fails."""
    with tempfile.TemporaryDirectory(prefix="b3-cost-") as folder:
        calls = Path(folder, "calls.jsonl")
        os.environ["B3_LOCAL_HOME"] = folder
        environ = {**os.environ, "B3_AWS_CALLS": str(calls)}
        command = [
            sys.executable,
            "-m",
            "local.commands.run",
            "--date",
            session,
            "--exchange",
            "simulated",
            "--no-report",
        ]
        if subprocess.run(command, cwd=ROOT, env=environ, check=False).returncode:
            print("cost: the run failed, so there is nothing to count: see its output above", file=sys.stderr)
            return 1
        with servers.lake_as_it_is(home.find(home.SIMULATED)) as lake:
            measured = count(lake, session, calls)
    FILE.write_text(json.dumps(asdict(measured), indent=2) + "\n", encoding="utf-8")
    print(f"cost: measured {session} into {FILE.relative_to(ROOT)}")
    return 0


def count(lake: Lake, session: str, calls: Path) -> Measured:
    """What the only run of a lake used.

    Args:
        lake: running, with one run behind it.
        session: the run's trade date.
        calls: the recording of the run's calls; without one, none are counted.
    """
    glue, athena, s3 = (boto3.client(service, endpoint_url=lake.endpoint) for service in ("glue", "athena", "s3"))
    runs = glue.get_job_runs(JobName=lake.outputs["GlueJob"])["JobRuns"]
    crawlers = glue.get_crawlers()["Crawlers"]
    objects, stored = _objects(s3, lake.outputs["LakeBucket"])
    scanned = _query_bytes(athena, lake.outputs["AthenaWorkgroup"])
    recorded = [json.loads(line) for line in calls.read_text().splitlines()] if calls.exists() else []
    operations = collections.Counter((call["service"], call["operation"]) for call in recorded)
    return Measured(
        session=session,
        measured_on=dt.datetime.now(dt.UTC).date().isoformat(),
        machine=f"{os.cpu_count()} cores, {platform.machine()}",
        job_seconds=sum(run["ExecutionTime"] for run in runs),
        workers=max(run["NumberOfWorkers"] for run in runs),
        crawls=sum("LastCrawl" in crawler for crawler in crawlers),
        query_bytes=scanned,
        objects=objects,
        stored_bytes=stored,
        s3_reads=sum(n for (service, name), n in operations.items() if service == "s3" and name in _S3_READS),
        s3_lists=sum(n for (service, name), n in operations.items() if service == "s3" and name.startswith("List")),
        catalog_calls=sum(n for (service, name), n in operations.items() if service == "glue" and _is_catalogs(name)),
        partitions=_partitions(glue, lake.outputs["GlueDatabase"]),
        quotes=int(queries.query(lake, "SELECT count(*) FROM quotes").rows[0][0] or 0),
    )


_S3_READS = ("GetObject", "HeadObject", "HeadBucket", "GetObjectVersion")


def _is_catalogs(operation: str) -> bool:
    return any(word in operation for word in ("Partition", "Table", "Database"))


def _partitions(glue: Any, database: str) -> dict[str, int]:
    tables = glue.get_tables(DatabaseName=database)["TableList"]
    pages = glue.get_paginator("get_partitions")
    return {
        table["Name"]: sum(
            len(page["Partitions"]) for page in pages.paginate(DatabaseName=database, TableName=table["Name"])
        )
        for table in tables
        if table.get("PartitionKeys")
    }


def _query_bytes(athena: Any, workgroup: str) -> list[int]:
    pages = athena.get_paginator("list_query_executions").paginate(WorkGroup=workgroup)
    ids = [identity for page in pages for identity in page["QueryExecutionIds"]]
    executions = [athena.get_query_execution(QueryExecutionId=identity)["QueryExecution"] for identity in ids]
    return sorted(execution["Statistics"]["DataScannedInBytes"] for execution in executions)


def _objects(s3: Any, bucket: str) -> tuple[dict[str, int], dict[str, int]]:
    objects: collections.Counter[str] = collections.Counter()
    stored: collections.Counter[str] = collections.Counter()
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for version in page.get("Versions", []):
            if version["Key"].startswith(_TEMPLATE_MADE):
                continue
            folder = "/".join(version["Key"].split("/")[: 2 if version["Key"].startswith(("raw/", "refined/")) else 1])
            objects[folder] += 1
            stored[folder] += version["Size"]
    return dict(sorted(objects.items())), dict(sorted(stored.items()))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
