import io
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq

from local.aws import launch

ACCOUNT_ROLE = "arn:aws:iam::000000000000:role/glue"
PARQUET = {
    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"},
}
INHERIT = {"Version": 1.0, "CrawlerOutput": {"Partitions": {"AddOrUpdateBehavior": "InheritFromTable"}}}
QUOTES = [
    ("ticker", "string"),
    ("close", "decimal(13,2)"),
    ("quantity", "bigint"),
    ("trades", "int"),
    ("ratio", "double"),
]
SCHEMA = pa.schema(
    [("ticker", pa.string()), ("close", pa.decimal128(13, 2)), ("quantity", pa.int64()), ("trades", pa.int32()),
     ("ratio", pa.float64())]
)  # fmt: skip


def wait_until(condition: Any, seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("waited too long")


def parquet(rows: Sequence[tuple[Any, ...]], schema: pa.Schema = SCHEMA) -> bytes:
    columns = list(zip(*rows, strict=True)) if rows else [() for _ in schema]
    table = pa.table([pa.array(list(c), f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)
    out = io.BytesIO()
    pq.write_table(table, out, compression="zstd")
    return out.getvalue()


def quote(ticker: str, close: str, quantity: int, trades: int = 1, ratio: float = 0.5) -> tuple[Any, ...]:
    return (ticker, Decimal(close), quantity, trades, ratio)


@dataclass
class Aws:
    """Clients of one server, and the steps that tests share."""

    server: launch.Server
    bucket: str = "lake"
    clients: dict[str, Any] = field(default_factory=dict)

    def client(self, name: str) -> Any:
        if name not in self.clients:
            self.clients[name] = boto3.client(
                name, endpoint_url=self.server.endpoint, region_name="us-east-1", aws_access_key_id="test",
                aws_secret_access_key=self.server.secret,
            )  # fmt: skip
        return self.clients[name]

    @property
    def s3(self) -> Any:
        return self.client("s3")

    @property
    def glue(self) -> Any:
        return self.client("glue")

    @property
    def athena(self) -> Any:
        return self.client("athena")

    def put(self, key: str, body: bytes, **more: Any) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, **more)

    def database(self, name: str) -> None:
        self.glue.create_database(DatabaseInput={"Name": name})

    def table(self, database: str, name: str, columns: Sequence[tuple[str, str]] = QUOTES,
              keys: Sequence[tuple[str, str]] = (("trade_date", "date"),)) -> str:  # fmt: skip
        location = f"s3://{self.bucket}/{database}/{name}/"
        self.glue.create_table(
            DatabaseName=database,
            TableInput={
                "Name": name, "TableType": "EXTERNAL_TABLE", "Parameters": {"classification": "parquet"},
                "PartitionKeys": [{"Name": k, "Type": t} for k, t in keys],
                "StorageDescriptor": {
                    **PARQUET, "Location": location, "Columns": [{"Name": k, "Type": t} for k, t in columns],
                },
            },
        )  # fmt: skip
        return location

    def partitions(self, database: str, table: str, **more: Any) -> list[list[str]]:
        found = self.glue.get_partitions(DatabaseName=database, TableName=table, **more)["Partitions"]
        return sorted(partition["Values"] for partition in found)

    def register(self, database: str, table: str, *values: str) -> None:
        """Add a partition, with the table's schema, at its usual place."""
        found = self.glue.get_table(DatabaseName=database, Name=table)["Table"]
        folders = "/".join(f"{key['Name']}={value}" for key, value in zip(found["PartitionKeys"], values, strict=True))
        storage = {**found["StorageDescriptor"], "Location": f"{found['StorageDescriptor']['Location']}{folders}/"}
        self.glue.create_partition(
            DatabaseName=database, TableName=table,
            PartitionInput={"Values": list(values), "StorageDescriptor": storage},
        )  # fmt: skip

    def crawler(self, name: str, database: str, *tables: str, **more: Any) -> None:
        self.glue.create_crawler(
            Name=name, Role=ACCOUNT_ROLE,
            Targets={"CatalogTargets": [{"DatabaseName": database, "Tables": list(tables)}]},
            SchemaChangePolicy={"UpdateBehavior": "LOG", "DeleteBehavior": "LOG"},
            Configuration=json.dumps(INHERIT),
            **more,
        )  # fmt: skip

    def crawl(self, name: str) -> dict[str, Any]:
        self.glue.start_crawler(Name=name)
        wait_until(lambda: self.glue.get_crawler(Name=name)["Crawler"]["State"] == "READY")
        last: dict[str, Any] = self.glue.get_crawler(Name=name)["Crawler"]["LastCrawl"]
        return last

    def job(self, name: str, script: str, **more: Any) -> None:
        self.put(f"code/{name}.py", script.encode())
        self.glue.create_job(
            Name=name, Role=ACCOUNT_ROLE, GlueVersion="5.1",
            Command={"Name": "glueetl", "ScriptLocation": f"s3://{self.bucket}/code/{name}.py"}, **more,
        )  # fmt: skip

    def run_job(self, name: str, arguments: dict[str, str] | None = None) -> dict[str, Any]:
        run = self.glue.start_job_run(JobName=name, Arguments=arguments or {})["JobRunId"]
        return self.finished_run(name, run)

    def finished_run(self, name: str, run: str) -> dict[str, Any]:
        def ended() -> dict[str, Any] | None:
            found: dict[str, Any] = self.glue.get_job_run(JobName=name, RunId=run)["JobRun"]
            return None if found["JobRunState"] in ("STARTING", "RUNNING", "STOPPING") else found

        result: dict[str, Any] = wait_until(ended, 120)
        return result

    def log(self, group: str, stream: str) -> str:
        events = self.client("logs").get_log_events(logGroupName=group, logStreamName=stream)["events"]
        return "\n".join(event["message"] for event in events)

    def execute(self, sql: str, database: str = "b3", **more: Any) -> dict[str, Any]:
        settings = {"ResultConfiguration": {"OutputLocation": f"s3://{self.bucket}/athena/"}, **more}
        identity = self.athena.start_query_execution(
            QueryString=sql, QueryExecutionContext={"Database": database}, **settings
        )["QueryExecutionId"]

        def ended() -> dict[str, Any] | None:
            found: dict[str, Any] = self.athena.get_query_execution(QueryExecutionId=identity)["QueryExecution"]
            return None if found["Status"]["State"] in ("QUEUED", "RUNNING") else found

        result: dict[str, Any] = wait_until(ended)
        return result

    def rows(self, sql: str, database: str = "b3") -> list[list[str | None]]:
        """The rows of a query that must succeed, without the header."""
        execution = self.execute(sql, database)
        assert execution["Status"]["State"] == "SUCCEEDED", execution["Status"]
        answer = self.athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])
        rows = [[cell.get("VarCharValue") for cell in row["Data"]] for row in answer["ResultSet"]["Rows"]]
        return rows[1:] if execution["StatementType"] == "DML" else rows

    def reason(self, sql: str, database: str = "b3") -> str:
        """Why a query that must fail did."""
        execution = self.execute(sql, database)
        assert execution["Status"]["State"] == "FAILED", execution["Status"]
        return str(execution["Status"]["StateChangeReason"])
