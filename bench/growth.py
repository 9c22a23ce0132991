"""What one more day costs in a lake that grows: crawls and checks, in seconds and bytes scanned.

    PYTHONPATH=plugins .venv/bin/python -m bench.growth

Each lake lies on a local AWS of its own, made from infra/lake.yaml. Its history is small copies of one day, registered
with BatchCreatePartition; the days after it are written, crawled and checked as b3_daily does. What is done instead of
these crawls is measured too: registering the day's partitions by a call, and crawlers that list.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import io
import itertools
import os
import secrets
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import jinja2
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from b3.airflow.run_dates import Period
from b3.calendar import sessions
from b3.lake import layout
from infra.checkout import ROOT
from local.aws import credentials, launch
from local.lake import provision, query_client
from local.lake.home import SIMULATED, Home
from local.lake.servers import Lake

FIRST_NEW_DAY = dt.date(2024, 3, 4)
LISTED_DAYS = 3
DAYS = (1, 250, 2500)
TICKERS = ("ABCD3", "EFGH4", "IJKL3", "MNOP11", "QRST3")
CHECKS = ROOT / "include" / "sql" / "validate"
# What b3_daily checks.
DATA_SETS = ("quotes", "indexes", "sectors")
TABLES = (
    layout.RAW_QUOTES_TABLE, layout.RAW_INDEX_PORTFOLIO_TABLE, layout.RAW_SECTORS_TABLE, layout.QUOTES_TABLE,
    layout.FINDINGS_TABLE, layout.INDEX_STOCKS_TABLE,
)  # fmt: skip
TYPES = {
    "string": pa.string(), "date": pa.date32(), "int": pa.int32(), "smallint": pa.int16(), "bigint": pa.int64(),
}  # fmt: skip
# One for all the lakes: boto3 keeps the first that it finds.
SECRET = secrets.token_urlsafe(32)
PRICE, QUANTITY = Decimal("10.00"), 100


@dataclass
class Costs:
    """What the new days of one lake took, by step: seconds, CPU seconds of its server, and bytes scanned."""

    days: int
    server: psutil.Process
    seconds: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    scanned: dict[str, int] = field(default_factory=dict)

    @contextlib.contextmanager
    def of(self, step: str) -> Iterator[None]:
        """Measure what is done in the context."""
        clock, cpu = time.perf_counter(), self._cpu()
        yield
        taken = (time.perf_counter() - clock, self._cpu() - cpu)
        self.seconds.setdefault(step, []).append(taken)

    def typical(self, step: str) -> tuple[float, float]:
        """The medians over the days."""
        clock, cpu = zip(*self.seconds[step], strict=True)
        return statistics.median(clock), statistics.median(cpu)

    def _cpu(self) -> float:
        times = self.server.cpu_times()
        return times.user + times.system


class Grown:
    """A lake with `days` days of history."""

    def __init__(self, running: Lake, days: int) -> None:
        self._lake = running
        self._bucket = running.outputs["LakeBucket"]
        self._database = running.outputs["GlueDatabase"]
        self._s3 = boto3.client("s3", endpoint_url=running.endpoint)
        self._glue = boto3.client("glue", endpoint_url=running.endpoint)
        self.tables = {name: self._glue.get_table(DatabaseName=self._database, Name=name)["Table"] for name in TABLES}
        self._crawlers = {"raw": running.outputs["RawCrawler"], "refined": running.outputs["RefinedCrawler"]}
        self._remember(days)

    def _remember(self, days: int) -> None:
        """Write the history and register it, without a word to the crawlers."""
        past = [FIRST_NEW_DAY - dt.timedelta(days=1 + n) for n in range(days)]
        told = self._s3.get_bucket_notification_configuration(Bucket=self._bucket)
        told.pop("ResponseMetadata", None)
        self._s3.put_bucket_notification_configuration(Bucket=self._bucket, NotificationConfiguration={})
        objects = {where: body for _, where, body in self._objects(past[0])}
        with ThreadPoolExecutor(4) as pool:
            puts = [
                pool.submit(self._put, where.replace(str(past[0]), str(day)), body)
                for day in past
                for where, body in objects.items()
            ]
            for put in puts:
                put.result()
        for table in TABLES:
            self._register(table, past)
        self._s3.put_bucket_notification_configuration(Bucket=self._bucket, NotificationConfiguration=told)

    def _register(self, table: str, days: Sequence[dt.date]) -> None:
        wanted = [item for day in days for item in self._partitions(table, day)]
        for start in range(0, len(wanted), 100):
            answer = self._glue.batch_create_partition(
                DatabaseName=self._database, TableName=table, PartitionInputList=wanted[start : start + 100]
            )
            assert not answer["Errors"], answer["Errors"]

    def register(self, day: dt.date, layer: str) -> None:
        """Register one day's partitions of a layer, raw or refined, without a crawler."""
        for table in self._tables_of(layer):
            self._register(table, [day])

    def unregister(self, day: dt.date, layer: str) -> None:
        """Take one day's partitions of a layer out of the catalog."""
        for table in self._tables_of(layer):
            values = [{"Values": partition["Values"]} for partition in self._partitions(table, day)]
            self._glue.batch_delete_partition(DatabaseName=self._database, TableName=table, PartitionsToDelete=values)

    def _tables_of(self, layer: str) -> list[str]:
        return [name for name, table in self.tables.items() if f"/{layer}/" in table["StorageDescriptor"]["Location"]]

    def crawl_by_listing(self) -> None:
        """Let the crawlers look at whole tables, as with CrawlBy=LISTING."""
        for name in ("raw", "refined"):
            self._glue.update_crawler(Name=self._crawlers[name], RecrawlPolicy={"RecrawlBehavior": "CRAWL_EVERYTHING"})

    def _put(self, key: str, body: bytes) -> None:
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=body)

    def _partitions(self, table: str, day: dt.date) -> Iterator[dict[str, Any]]:
        storage = self.tables[table]["StorageDescriptor"]
        for values in _values(table, day):
            names = ("trade_date", "ticker")
            folders = "".join(f"{name}={value}/" for name, value in zip(names, values, strict=False))
            yield {
                "Values": values,
                "StorageDescriptor": {**storage, "Location": storage["Location"] + folders},
                "Parameters": {"classification": "parquet"},
            }

    def _objects(self, day: dt.date) -> Iterator[tuple[str, str, bytes]]:
        """Each object of one day: table, key, bytes."""
        for table in TABLES:
            columns = self.tables[table]["StorageDescriptor"]["Columns"]
            for partition in self._partitions(table, day):
                rows = _rows(table, day, partition["Values"])
                location = partition["StorageDescriptor"]["Location"]
                yield table, location.partition(f"{self._bucket}/")[2] + f"{table}.parquet", _parquet(columns, rows)

    def write(self, day: dt.date, layer: str) -> None:
        """Put one day's objects of a layer, raw or refined."""
        for _, key, body in self._objects(day):
            if key.startswith(f"{layer}/"):
                self._put(key, body)

    def crawl(self, name: str) -> None:
        """Run a crawler to its end. Raises RuntimeError if it fails."""
        self._glue.start_crawler(Name=self._crawlers[name])
        while True:
            crawler = self._glue.get_crawler(Name=self._crawlers[name])["Crawler"]
            if crawler["State"] == "READY":
                break
            time.sleep(0.005)
        if crawler["LastCrawl"]["Status"] != "SUCCEEDED":
            raise RuntimeError(f"crawler {name} did not succeed: {crawler['LastCrawl']}")

    def check(self, path: Path, day: dt.date) -> int:
        """Run a file of validate/ for one day; returns the bytes scanned. Raises athena.QueryFailed."""
        loader = jinja2.FileSystemLoader(CHECKS.parent)
        environment = jinja2.Environment(undefined=jinja2.StrictUndefined, loader=loader)
        sql = environment.get_template(f"{CHECKS.name}/{path.parent.name}/{path.name}").render(
            trade_date=lambda run: day, period=lambda run, ti: Period(day, day), dag_run=None, ti=_Written(day)
        )
        return query_client.query(self._lake, sql).bytes_scanned


class _Written:
    """What the day's tasks said that they wrote."""

    def __init__(self, day: dt.date) -> None:
        self._day = day

    def xcom_pull(self, task_ids: str) -> dict[str, Any]:
        """As of a task instance."""
        rows = {"upload": 1, "indexes.upload": len(TICKERS), "sectors.upload": 1}[task_ids]
        quotes = {"trade_date": self._day, "rows": rows, "financial_volume": PRICE * QUANTITY}
        return {"rows": rows, "partitions": [quotes]}


def _values(table: str, day: dt.date) -> list[list[str]]:
    """The partition values that a day has of a table."""
    if table == layout.INDEX_STOCKS_TABLE:
        return [[str(day), ticker] for ticker in TICKERS]
    return [[str(day)]]


def _rows(table: str, day: dt.date, values: list[str]) -> list[dict[str, Any]]:
    weight = Decimal(100) / len(TICKERS)
    if table == layout.RAW_INDEX_PORTFOLIO_TABLE:
        constituent = {"index": "IBOV", "endpoint": "portfolio_day", "source_date": day, "weight_pct": weight}
        return [{**constituent, "ticker": ticker, "theoretical_quantity": 1} for ticker in TICKERS]
    if table == layout.RAW_SECTORS_TABLE:
        return [{"root": "ABCD", "sector": "Energy"}]
    if table == layout.FINDINGS_TABLE:
        return []
    if table == layout.INDEX_STOCKS_TABLE:
        traded = {"total_quantity": QUANTITY, "total_financial_volume": PRICE * QUANTITY}
        constituent = {"index_code": "IBOV", "weight_pct": weight, "theoretical_quantity": 1, "generation": "0"}
        constituent["constituent_count"] = len(TICKERS)
        return [{**constituent, **(traded if values[-1] == TICKERS[0] else {})}]
    prices = dict.fromkeys(("open", "high", "low", "average", "close", "best_bid", "best_ask"), PRICE)
    units = {f"unit_{name}": value for name, value in prices.items()}
    sale = {"ticker": TICKERS[0], "market_type": "010", "quote_factor": 1, "trade_count": 1, "quantity": QUANTITY}
    sale["finding_count"] = 0
    return [{**sale, **prices, **units, "source_date": day, "financial_volume": PRICE * QUANTITY}]


def _parquet(columns: list[dict[str, str]], rows: list[dict[str, Any]]) -> bytes:
    schema = pa.schema([(column["Name"], _arrow(column["Type"])) for column in columns])
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema), out)
    return out.getvalue()


def _arrow(glue: str) -> pa.DataType:
    if glue.startswith("decimal"):
        precision, scale = glue.removeprefix("decimal").strip("()").split(",")
        return pa.decimal128(int(precision), int(scale))
    return TYPES[glue]


def measure(days: Sequence[int], new_days: int) -> list[Costs]:
    """What each of `new_days` days more takes in lakes of so many days, taken in turns: other load hits all alike."""
    span = dt.timedelta(days=2 * (new_days + LISTED_DAYS) + 14)
    following = iter(sessions.sessions(FIRST_NEW_DAY, FIRST_NEW_DAY + span))
    with contextlib.ExitStack() as running:
        lakes = [running.enter_context(_grown(number)) for number in days]
        for number, day in enumerate(itertools.islice(following, new_days + 1)):
            for grown, costs in lakes:
                # The first day warms up what the servers load only once.
                _one_more_day(grown, day, costs if number else Costs(costs.days, costs.server))
        for grown, _ in lakes:
            grown.crawl_by_listing()
        for day in itertools.islice(following, LISTED_DAYS):
            for grown, costs in lakes:
                _one_more_day_by_listing(grown, day, costs)
    return [costs for _, costs in lakes]


@contextlib.contextmanager
def _grown(days: int) -> Iterator[tuple[Grown, Costs]]:
    with tempfile.TemporaryDirectory(prefix="b3-growth-") as folder:
        aws = Path(folder) / "aws"
        credentials.make(aws, SECRET)
        with launch.start(aws) as server:
            os.environ.update(server.environment())
            yield _grow(folder, server, days)


def _grow(folder: str, server: launch.Server, days: int) -> tuple[Grown, Costs]:
    outputs = provision.provision(server.endpoint, "lake")
    grown = Grown(Lake(Home(SIMULATED, Path(folder)), server.endpoint, outputs), days)
    costs = Costs(days, psutil.Process(server.process.pid).children()[0])
    for name in ("raw", "refined"):
        with costs.of(f"first crawl_{name}"):
            grown.crawl(name)
    return grown, costs


def _one_more_day(grown: Grown, day: dt.date, costs: Costs) -> None:
    for name in ("raw", "refined"):
        with costs.of(f"write {name}"):
            grown.write(day, name)
        with costs.of(f"crawl_{name}"):
            grown.crawl(name)
    for path in sorted(path for data_set in DATA_SETS for path in (CHECKS / data_set).glob("*.sql")):
        with costs.of(f"validate.{path.stem}"):
            costs.scanned[path.stem] = grown.check(path, day)
    for name in ("raw", "refined"):
        grown.unregister(day, name)
        with costs.of(f"instead: register {name}"):
            grown.register(day, name)


def _one_more_day_by_listing(grown: Grown, day: dt.date, costs: Costs) -> None:
    for name in ("raw", "refined"):
        grown.write(day, name)
        with costs.of(f"instead: crawl_{name} by listing"):
            grown.crawl(name)


def report(lakes: Sequence[Costs]) -> str:
    """The costs side by side, each with its ratio to that of the first lake."""
    first = lakes[0]
    steps = list(first.seconds)
    daily = [step for step in steps if not step.startswith(("first", "write", "instead"))]
    lines = [f"{'one more day, medians':45}" + "".join(f"{costs.days:>14,} days     " for costs in lakes)]

    def line(name: str, form: str, values: Sequence[float]) -> str:
        cells = (f"{value:>15{form}} ({value / max(values[0], 1e-9):5.2f})" for value in values)
        return f"{name:45}" + "".join(cells)

    def block(which: int, unit: str) -> list[str]:
        typical = {step: [costs.typical(step)[which] for costs in lakes] for step in steps}
        total = [sum(typical[step][number] for step in daily) for number in range(len(lakes))]
        rows = [line(step, ".3f", values) for step, values in typical.items()]
        return ["", unit, *rows, line("crawls and checks", ".3f", total)]

    lines += block(0, "seconds") + block(1, "seconds of CPU in the server") + ["", "bytes scanned"]
    lines += [line(f"validate.{name}", ",.0f", [costs.scanned[name] for costs in lakes]) for name in first.scanned]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("--days", type=int, nargs="+", default=DAYS, help="days of history of each lake")
    parser.add_argument("--new-days", type=int, default=7, help="how many days more to measure in each")
    options = parser.parse_args(arguments)
    print(report(measure(options.days, options.new_days)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
