"""The visual job on the local Glue: its figures computed again by pandas, and what its runs leave in the lake."""

import datetime as dt
import io
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import boto3
import pandas as pd
import pyarrow.parquet as pq
import pytest

from infra.deploy import visual_job
from local.aws import launch
from local.lake import provision
from tests.include.sql import lab as sql_lab
from tests.include.sql.lab import Lab

BUCKET = "lake-of-the-visual-job"
BEFORE, DAY = dt.date(2024, 5, 3), dt.date(2024, 5, 6)  # a Friday, and the Monday on which portfolios change
UNKNOWN = dt.date(2024, 5, 7)
TABLE = "visual_index_stocks"
LAYOUT = "refined_visual/index_stocks"
Row = dict[str, Any]


class Visual(Lab):
    """A lake, and runs of its visual job."""

    def run(self, sessions: str) -> tuple[str, str]:
        """Run the job; returns its state, and its log or its error."""
        started = self.glue.start_job_run(JobName="b3-visual", Arguments={"--sessions": sessions})["JobRunId"]
        while True:
            run = self.glue.get_job_run(JobName="b3-visual", RunId=started)["JobRun"]
            if run["JobRunState"] not in ("STARTING", "RUNNING"):
                break
            time.sleep(0.1)
        if run["JobRunState"] != "SUCCEEDED":
            return run["JobRunState"], run["ErrorMessage"]
        logs = boto3.client("logs", endpoint_url=self.s3.meta.endpoint_url)
        events = logs.get_log_events(logGroupName=f"{run['LogGroupName']}/output", logStreamName=started)["events"]
        return "SUCCEEDED", "\n".join(event["message"] for event in events)

    def versions(self, day: dt.date) -> dict[str, str]:
        """Version ids of the objects of a session that are there, by key."""
        pages = self.s3.get_paginator("list_object_versions").paginate(
            Bucket=BUCKET, Prefix=f"{LAYOUT}/trade_date={day}/"
        )
        return {
            each["Key"]: each["VersionId"] for page in pages for each in page.get("Versions", []) if each["IsLatest"]
        }

    def partitions(self, day: dt.date) -> dict[str, str]:
        """Locations of a session's partitions in the catalog, by ticker."""
        pages = self.glue.get_paginator("get_partitions").paginate(DatabaseName="b3", TableName=TABLE)
        return {
            each["Values"][1]: each["StorageDescriptor"]["Location"]
            for page in pages
            for each in page["Partitions"]
            if each["Values"][0] == str(day)
        }


def portfolio_of(day: dt.date) -> list[Row]:
    """Two indexes, with a row of another endpoint that no sum may count."""
    rows = [row for index in ("IBOV", "SMLL") for row in sql_lab.portfolio(index, day)]
    return [*rows, {**rows[0], "endpoint": "theoretical", "weight_pct": Decimal("99.999")}]


def quotes_of(day: dt.date, portfolio: list[Row]) -> list[Row]:
    """The constituents' quotes, but for one that did not trade; forwards of one, which no sum may count; one twice.

    A market that stands twice is one market.
    """
    silent = portfolio[0]["ticker"]
    rows = sql_lab.quotes(day, {row["ticker"][:4] for row in portfolio}, options=True)
    rows = [row for row in rows if row["ticker"] not in (silent, f"{silent}F", f"{silent}L")]
    twice = next(row for row in rows if row["ticker"] == portfolio[1]["ticker"] and row["market_type"] == "010")
    return [*rows, {**rows[0], "market_type": "030", "forward_days": 30}, {**twice, "distribution_number": 999}]


def first_monday(day: dt.date) -> dt.date:
    """The first Monday of January, May or September that is not after a day."""
    firsts = [dt.date(year, month, 1) for year in (day.year - 1, day.year) for month in (1, 5, 9)]
    return max(monday for first in firsts if (monday := first + dt.timedelta(days=-first.weekday() % 7)) <= day)


def by_pandas(portfolio: list[Row], quotes: list[Row], day: dt.date) -> pd.DataFrame:
    """What the job should make of these rows, by index and ticker."""
    traded = pd.DataFrame(quotes)
    suffix = traded.market_type.map({"010": "", "020": "F", "017": "L"})
    traded = traded[suffix.notna()].assign(suffix=suffix)
    traded = traded[[ticker.endswith(end) for ticker, end in zip(traded.ticker, traded.suffix, strict=True)]]
    stems = [
        ticker.removesuffix(end) if end else ticker for ticker, end in zip(traded.ticker, traded.suffix, strict=True)
    ]
    sums = traded.assign(ticker=stems).groupby("ticker").agg(
        total_quantity=("quantity", "sum"),
        total_financial_volume=("financial_volume", "sum"),
        market_count=("market_type", "nunique"),
    )  # fmt: skip
    wanted = pd.DataFrame([row for row in portfolio if row["endpoint"] == "portfolio_day"])
    wanted = wanted.rename(columns={"index": "index_code", "company": "company_name"})
    columns = ["index_code", "ticker", "company_name", "weight_pct", "theoretical_quantity"]
    found = wanted[columns].join(sums, on="ticker")
    found["market_count"] = found.market_count.fillna(0).astype(int)
    found["period_start"] = first_monday(day)
    found["days_since_period_start"] = (day - first_monday(day)).days
    return found.sort_values(["index_code", "ticker"]).reset_index(drop=True)


def as_text(frame: pd.DataFrame) -> list[dict[str, str | None]]:
    """Rows as Athena gives them."""

    def text(name: str, value: Any) -> str | None:
        if pd.isna(value):
            return None
        return str(int(value)) if name == "total_quantity" else str(value)

    return [{name: text(name, value) for name, value in row.items()} for row in frame.to_dict("records")]


@pytest.fixture(scope="module")
def portfolios() -> dict[dt.date, list[Row]]:
    return {day: portfolio_of(day) for day in (BEFORE, DAY)}


@pytest.fixture(scope="module")
def quotes(portfolios) -> dict[dt.date, list[Row]]:
    return {day: quotes_of(day, portfolio) for day, portfolio in portfolios.items()}


@pytest.fixture(scope="module")
def lake(tmp_path_factory, portfolios, quotes) -> Iterator[Visual]:
    """A lake with two raw sessions, before the job ran."""
    with launch.start(tmp_path_factory.mktemp("aws")) as server, pytest.MonkeyPatch.context() as environment:
        for name, value in server.environment().items():
            environment.setenv(name, value)
        lake = Visual(server.endpoint, provision.provision(server.endpoint, BUCKET))
        for day, rows in portfolios.items():
            lake.put("raw_index_portfolio", rows, str(day))
            lake.put("raw_quotes", quotes[day], str(day))
        lake.crawl()
        yield lake


@pytest.fixture(scope="module")
def ran(lake) -> tuple[str, str]:
    """A run for both sessions."""
    return lake.run(f"{BEFORE},{DAY}")


@pytest.fixture(scope="module")
def left(lake, ran) -> dict[dt.date, dict[str, str]]:
    """What the first run left, by session."""
    return {day: lake.versions(day) for day in (BEFORE, DAY)}


@pytest.mark.parametrize("day", [BEFORE, DAY])
def test_its_figures_are_those_that_pandas_computes(lake, ran, portfolios, quotes, day):
    assert ran[0] == "SUCCEEDED", ran
    found = lake.ask(
        "SELECT index_code, ticker, company_name, weight_pct, theoretical_quantity, total_quantity, "
        "total_financial_volume, market_count, period_start, days_since_period_start "
        f"FROM {TABLE} WHERE trade_date = date '{day}' ORDER BY index_code, ticker"
    ).rows

    wanted = as_text(by_pandas(portfolios[day], quotes[day], day))
    assert len(wanted) > 100 and any(row["total_quantity"] is None for row in wanted)
    assert found == wanted
    assert {row["period_start"] for row in found} == {"2024-01-01" if day == BEFORE else "2024-05-06"}


def test_each_ticker_of_a_session_is_an_object_and_a_partition(lake, left, portfolios):
    tickers = {row["ticker"] for row in portfolios[DAY]}
    prefix = f"{LAYOUT}/trade_date={DAY}"

    assert left[DAY].keys() == {f"{prefix}/ticker={ticker}/index_stocks.parquet" for ticker in tickers}
    assert lake.partitions(DAY) == {ticker: f"s3://{BUCKET}/{prefix}/ticker={ticker}/" for ticker in tickers}


def test_files_have_the_columns_of_the_table_and_not_its_keys(lake, left):
    body = lake.s3.get_object(Bucket=BUCKET, Key=next(iter(left[DAY])))["Body"].read()

    assert pq.read_schema(io.BytesIO(body)).equals(lake.schemas[TABLE])


def test_run_again_it_leaves_the_same_objects_without_a_new_version(lake, left):
    state, log = lake.run(str(DAY))

    assert state == "SUCCEEDED"
    assert log.startswith(f"unchanged s3://{BUCKET}/{LAYOUT}/trade_date={DAY}/: ")
    assert lake.versions(DAY) == left[DAY]


def test_a_run_mends_what_a_kill_or_glue_studios_script_left(lake, left, portfolios):
    """A constituent that is gone, a partition not registered yet, an object not put, and a stray file."""
    (kept, lost, *_) = tickers = sorted({row["ticker"] for row in portfolios[DAY]})
    gone = tickers[-1]
    prefix = f"{LAYOUT}/trade_date={DAY}"
    lake.put("raw_index_portfolio", [row for row in portfolios[DAY] if row["ticker"] != gone], str(DAY))
    lake.glue.delete_partition(DatabaseName="b3", TableName=TABLE, PartitionValues=[str(DAY), kept])
    lake.s3.delete_object(Bucket=BUCKET, Key=f"{prefix}/ticker={lost}/index_stocks.parquet")
    stray = f"{prefix}/ticker={kept}/run-1-part-block-0-r-00000-snappy.parquet"
    lake.s3.put_object(Bucket=BUCKET, Key=stray, Body=b"")

    state, log = lake.run(str(DAY))

    assert state == "SUCCEEDED", log
    assert "1 put, 1 registered, 2 deleted" in log
    after = lake.versions(DAY)
    same = {key: version for key, version in left[DAY].items() if f"={gone}/" not in key and f"={lost}/" not in key}
    assert after.items() >= same.items()
    assert {key.split("ticker=")[1] for key in after} == {f"{ticker}/index_stocks.parquet" for ticker in tickers[:-1]}
    assert sorted(lake.partitions(DAY)) == tickers[:-1]
    assert lake.versions(BEFORE) == left[BEFORE]


def test_a_session_that_the_catalog_lacks_fails_with_its_sentence_and_writes_nothing(lake, ran):
    state, error = lake.run(f"{DAY},{UNKNOWN}")

    assert state == "FAILED"
    assert error.startswith(
        f"MissingSource: expected partition trade_date={UNKNOWN} of table raw_quotes in the catalog, found none: run "
        "b3_daily for that date first"
    )
    assert lake.versions(UNKNOWN) == {}


def test_the_job_is_one_of_visual_nodes(lake):
    job = lake.glue.get_job(JobName="b3-visual")["Job"]

    assert job["JobMode"] == "VISUAL"
    wanted = visual_job.VisualJob(BUCKET, "b3", "").nodes
    assert visual_job.are_same_nodes(job["CodeGenConfigurationNodes"], wanted)
    assert len(wanted) == 8
