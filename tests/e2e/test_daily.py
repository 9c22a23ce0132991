"""The daily DAG on the simulated exchange, which `make run` takes where B3 does not answer: green and repeatable.

It registers partitions by crawlers, and in a second lake by its tasks.
"""

import datetime as dt
import io
import json
import re
from dataclasses import dataclass
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from b3.airflow.run_dates import Period
from b3.quotes import cotahist
from b3.site import addresses
from local.aws import calls
from local.commands import bitcoin, report_bitcoin, run, visual
from local.exchange.files import cotahist_file
from local.exchange.market import indexes
from local.exchange.simulation import Simulation
from local.lake import home, query_client, servers
from tests.aws_models import document
from tests.e2e import lineage_collector
from tests.e2e.conftest import Lab, Outcome
from tests.infra import permissions
from tests.infra.templates import LAKE, load, policies
from tests.places import SQL

DATE = dt.date(2024, 5, 16)
QUOTES = ("scrape", "upload", "crawl_raw", "refine", "crawl_refined", "validate.raw_and_refined_agree")
BESIDE = ("indexes.scrape", "indexes.upload", "indexes.complete", "sectors.scrape", "sectors.upload", "calendar_agrees")
CRAWLS = ("crawl_raw", "crawl_refined")
# What names a lake, a moment or a run in the description of a partition.
OF_THE_RUN = ("CreationTime", "LastAccessTime", "LastAnalyzedTime", "CatalogId")


@dataclass
class Ran:
    """A run, what the lake holds after it, and what tasks have called by then."""

    outcome: Outcome
    objects: dict[str, str]
    versions: set[tuple[str, str]]
    called: set[str]

    @property
    def of_tables(self) -> dict[str, str]:
        return {key: etag for key, etag in self.objects.items() if key.startswith(("raw/", "refined/"))}


@dataclass
class ByTasks(Ran):
    """A run whose tasks register partitions, and these by table."""

    catalog: dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """Where each call of the runs is noted."""
    return tmp_path_factory.mktemp("calls") / "calls.jsonl"


@pytest.fixture(scope="module")
def collector():
    """What takes the lineage that the runs report."""
    with lineage_collector.collecting() as collector:
        yield collector


@pytest.fixture(scope="module")
def lab(lakes, recording, tmp_path_factory):
    """A lake of simulated data, with nothing in it."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("B3_LOCAL_HOME", str(tmp_path_factory.mktemp("daily")))
        environment.setenv("B3_AWS_CALLS", str(recording))
        environment.setattr("local.lake.source.why_out_of_reach", lambda: "no network here")
        with servers.lake(home.find(home.SIMULATED)) as lake:
            yield Lab(lake)


def run_daily(lab, recording):
    outcome = Outcome.of(lambda: run.main(["--date", DATE.isoformat()]))
    # The partition of the run's metrics is registered by its task in any case.
    called = {
        call.operation
        for call in calls.read(recording)
        if call.caller == "airflow" and call.names.get("TableName") != "run_metrics"
    }
    return Ran(outcome, lab.objects(), lab.versions(str(DATE)), called)


def catalog_of(lab) -> dict[str, list[dict[str, Any]]]:
    """Return the partitions of each table."""
    glue = boto3.client("glue", endpoint_url=lab.lake.endpoint)
    pages = glue.get_paginator("get_partitions").paginate
    return {
        table["Name"]: [
            {name: value for name, value in partition.items() if name not in OF_THE_RUN}
            for page in pages(DatabaseName="b3", TableName=table["Name"])
            for partition in page["Partitions"]
        ]
        for table in glue.get_tables(DatabaseName="b3")["TableList"]
        if table.get("PartitionKeys")
    }


@pytest.fixture(scope="module")
def first(lab, collector, recording):
    """The first run for DATE, which reports its lineage."""
    with collector.told():
        ran = run_daily(lab, recording)
    assert ran.outcome.status == 0, ran.outcome.printed
    return ran


@pytest.fixture(scope="module")
def again(lab, first, recording):
    """Another run for DATE, which reports to nobody."""
    return run_daily(lab, recording)


@pytest.fixture(scope="module")
def by_tasks(lakes, tmp_path_factory):
    """The first run for DATE in a lake of its own, where tasks register the partitions that they write."""
    folder = tmp_path_factory.mktemp("tasks")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("B3_LOCAL_HOME", str(folder))
        environment.setenv("B3_AWS_CALLS", str(folder / "calls.jsonl"))
        environment.setenv("B3_REGISTER", "tasks")
        environment.setattr("local.lake.source.why_out_of_reach", lambda: "no network here")
        with servers.lake(home.find(home.SIMULATED)) as lake:
            ran = run_daily(Lab(lake), folder / "calls.jsonl")
            catalog = catalog_of(Lab(lake))
    assert ran.outcome.status == 0, ran.outcome.printed
    return ByTasks(**vars(ran), catalog=catalog)


@pytest.fixture(scope="module")
def visual_run(lab, again, collector):
    """A run of the visual job for DATE."""
    with collector.told():
        return Outcome.of(lambda: visual.main(["--date", DATE.isoformat()]))


@pytest.fixture(scope="module")
def bitcoin_run(lab, again, collector):
    """The minutes of Bitcoin on DATE, up to the second hour of B3's session."""
    with collector.told():
        return Outcome.of(lambda: bitcoin.main(["--date", DATE.isoformat(), "--hours", "15"]))


@pytest.fixture(scope="module")
def quotes():
    return cotahist.read_table(cotahist_file.session_file(DATE))


@pytest.fixture(scope="module")
def portfolio():
    return indexes.portfolio("IBOV", DATE)


def test_without_b3_the_simulated_exchange_is_used_loudly_and_in_a_lake_of_its_own(lab, first):
    assert "B3 does not answer from here (no network here)" in first.outcome.printed
    assert "SIMULATED" in first.outcome.printed
    assert home.last_used() == home.find(home.SIMULATED) == lab.lake.home
    assert lab.lake.home.bucket == "b3-lake-simulated"
    for key in first.objects:
        if key.startswith(("landing/", "raw/", "refined/")):
            head = lab.s3.head_object(Bucket=lab.lake.home.bucket, Key=key)
            assert head["Metadata"]["source"] == "simulated", key


def test_every_task_succeeds(first):
    assert {task: first.outcome.state(task) for task in (*QUOTES, *BESIDE)} == dict.fromkeys(
        (*QUOTES, *BESIDE), "success"
    )
    checks = re.findall(r"^  (\w+) +validate\.", first.outcome.printed, re.MULTILINE)
    files = [path for path in (SQL / "validate").glob("**/*.sql") if path.parent.name not in ("bitcoin", "visual")]
    assert checks == ["success"] * len(files)


def test_every_row_and_cent_arrives(lab, first, quotes):
    volume = sum(quotes["financial_volume"].to_pylist(), Decimal(0))
    for table in ("raw_quotes", "quotes"):
        rows = lab.query(f"SELECT count(*), sum(financial_volume) FROM {table} WHERE trade_date = date '{DATE}'")
        assert rows == [[str(quotes.num_rows), str(volume)]]


def test_the_report_has_the_sessions_figures_and_knows_its_checks(lab, first, quotes):
    answer = lab.s3.get_object(Bucket=lab.lake.home.bucket, Key=f"reports/trade_date={DATE}/index.html")
    page = answer["Body"].read().decode()

    assert f"{quotes.num_rows:,}" in page and "SIMULATED" in page
    volume = sum(quotes["financial_volume"].to_pylist(), Decimal(0))
    assert f"{volume:,}" in page
    assert "No check of the run failed." in page


def test_the_file_of_quotes_is_kept_as_sent_with_its_origin(lab, first):
    answer = lab.s3.get_object(Bucket=lab.lake.home.bucket, Key=f"landing/quotes/COTAHIST_D{DATE:%d%m%Y}.ZIP")

    assert answer["Body"].read() == cotahist_file.session_file(DATE)
    assert set(answer["Metadata"]) == {"source", "source-url", "source-sha256", "fetched-at"}


def test_the_answers_about_the_index_are_kept_as_sent(lab, first):
    simulation = Simulation(lambda: DATE)
    for endpoint, method in addresses.INDEX_METHODS.items():
        parameters = addresses.index_path(method, index="IBOV").rpartition("/")[2]
        sent = simulation.index_call(method, parameters).body
        kept = lab.s3.get_object(Bucket=lab.lake.home.bucket, Key=f"landing/index/IBOV/{endpoint}/{DATE}.json")
        assert json.loads(kept["Body"].read()) == json.loads(sent)
    simulation.close()


def test_the_session_has_its_portfolios_and_constituents(lab, first, portfolio):
    portfolios = [
        ("portfolio_day", portfolio),
        ("preview", indexes.preview("IBOV", DATE)),
        ("theoretical", indexes.theoretical("IBOV", DATE)),
    ]
    assert lab.query(
        "SELECT endpoint, count(*), sum(theoretical_quantity) FROM raw_index_portfolio "
        f"WHERE trade_date = date '{DATE}' GROUP BY endpoint ORDER BY endpoint"
    ) == [[endpoint, str(len(of.constituents)), str(of.quantity)] for endpoint, of in portfolios]
    assert lab.query(
        f"SELECT ticker, weight_pct, theoretical_quantity FROM index_stocks WHERE trade_date = date '{DATE}' "
        "ORDER BY ticker"
    ) == [
        [one.ticker, str(Decimal(one.weight).scaleb(-3)), str(one.quantity)]
        for one in sorted(portfolio.constituents, key=lambda one: one.ticker)
    ]


def test_the_volume_of_a_constituent_is_that_of_its_three_markets(lab, first, portfolio, quotes):
    traded = quotes.select(["ticker", "market_type", "financial_volume"]).to_pylist()
    by_key = {(row["ticker"], row["market_type"]): row["financial_volume"] for row in traded}
    expected = []
    for one in sorted(portfolio.constituents, key=lambda one: one.ticker):
        lots = ((one.ticker, "010"), (one.ticker + "F", "020"), (one.ticker + "L", "017"))
        volumes = [by_key[lot] for lot in lots if lot in by_key]
        expected.append([one.ticker, str(sum(volumes)) if volumes else None, str(len(volumes))])

    assert expected == lab.query(
        "SELECT ticker, total_financial_volume, market_count FROM index_stocks "
        f"WHERE trade_date = date '{DATE}' ORDER BY ticker"
    )


def test_run_again_it_leaves_the_same_objects_without_a_new_version(first, again):
    assert again.outcome.status == 0, again.outcome.printed
    assert again.objects == first.objects
    assert again.versions == first.versions


def test_the_visual_job_makes_the_same_sums_which_its_check_finds(lab, visual_run):
    assert visual_run.status == 0, visual_run.printed
    check = "validate.visual_index_stocks_agree_with_index_stocks"
    assert {task: visual_run.state(task) for task in ("transform", check)} == {"transform": "success", check: "success"}
    columns = "index_code, ticker, company_name, total_quantity, total_financial_volume, market_count"
    found, wanted = (
        lab.query(f"SELECT {columns} FROM {table} WHERE trade_date = date '{DATE}' ORDER BY index_code, ticker")
        for table in ("visual_index_stocks", "index_stocks")
    )
    assert found == wanted and len(found) > 10
    (heaviest,) = lab.query(
        f"SELECT max_by(ticker, total_financial_volume) FROM visual_index_stocks WHERE trade_date = date '{DATE}'"
    )
    assert re.search(rf"^IBOV +{heaviest[0]} ", visual_run.printed, re.MULTILINE)


def test_lineage_leads_from_b3s_files_over_the_tables_to_checks_views_and_report(lab, visual_run, collector):
    lake = f"s3://{lab.lake.home.bucket}/"
    flows = {
        "b3_daily.scrape": ([], ["landing/quotes"]),
        "b3_daily.upload": (["landing/quotes"], ["raw/quotes"]),
        "b3_daily.sectors.upload": (["landing/sectors"], ["raw/sectors"]),
        "b3_daily.refine": (
            ["raw/index_portfolio", "raw/quotes"],
            ["refined/findings", "refined/index_stocks", "refined/quotes"],
        ),
        "b3_daily.validate.raw_and_refined_agree": (["raw/quotes", "refined/quotes"], []),
        "b3_daily.summary": (["refined/findings"], ["metrics/run_metrics"]),
        "b3_visual.transform": (["raw/index_portfolio", "raw/quotes"], ["refined_visual/index_stocks"]),
    }
    found = {job: collector.flow(job) for job in flows}
    assert found == {job: tuple([lake + name for name in names] for names in flow) for job, flow in flows.items()}

    read, written = collector.flow("b3_daily.indexes.upload")
    assert read == [f"{lake}landing/index/IBOV/{name}" for name in ("portfolio_day", "preview", "theoretical")]
    assert written == [f"{lake}raw/index_portfolio"]
    read, written = collector.flow("b3_daily.report")
    assert f"{lake}refined/quotes" in read and written == [f"{lake}reports"]
    read, (view,) = collector.flow("b3_daily.views.sector_summary")
    assert read == [f"{lake}refined/index_stocks"]
    assert view.startswith("awsathena://") and view.endswith("AwsDataCatalog.b3.sector_summary")


def test_lineage_of_a_check_has_the_columns_of_its_tables(first, collector):
    (quotes,) = collector.end_of("b3_daily.validate.unit_prices_are_exact")["inputs"]
    types = {field["name"]: field["type"] for field in quotes["facets"]["schema"]["fields"]}
    assert types["unit_close"] == "decimal(19,8)" and types["trade_date"] == "date"
    (symlink,) = quotes["facets"]["symlinks"]["identifiers"]
    assert symlink["name"] == "AwsDataCatalog.b3.quotes"


def test_bitcoins_lineage_is_recorded_as_well(lab, bitcoin_run, collector):
    lake = f"s3://{lab.lake.home.bucket}/"
    flows = [collector.flow(f"btc_minutes.bitcoin.{task}") for task in ("scrape", "upload", "refine")]
    folders = [
        f"{lake}{folder}" for folder in ("landing/bitcoin", "raw_bitcoin/btc_minutes", "refined_bitcoin/btc_minutes")
    ]
    assert flows == [([], folders[:1]), (folders[:1], folders[1:2]), (folders[1:2], folders[2:])]


def test_the_report_ends_with_the_heaviest_constituents(lab, again):
    by_volume, by_weight = re.split(r"top constituents of .* by weight", again.outcome.printed)
    assert f"top stocks of {DATE} by financial volume" in by_volume
    heaviest = lab.query(
        f"SELECT ticker FROM stock_ranking WHERE trade_date = date '{DATE}' AND weight_rank <= 10 ORDER BY weight_rank"
    )
    assert len(heaviest) >= 10
    assert re.findall(r"^IBOV +\d+ +(\w+)", by_weight, re.MULTILINE) == [row[0] for row in heaviest]


def test_bitcoin_by_the_minute_is_in_the_same_lake_with_its_page_and_b3s_objects_are_as_they_were(
    lab, again, bitcoin_run, capsys
):
    assert bitcoin_run.status == 0, bitcoin_run.printed
    assert bitcoin_run.state("validate.minutes_are_unique") == "success"
    counted = lab.query(
        "SELECT symbol, count(DISTINCT minute), count(*) FROM btc_minutes GROUP BY symbol ORDER BY symbol"
    )
    assert counted == [["BTCBRL", "900", "900"], ["BTCUSDT", "900", "900"]]
    kept = lab.objects()
    assert {key: kept[key] for key in again.objects if "/received/" not in key} == {
        key: etag for key, etag in again.objects.items() if "/received/" not in key
    }
    assert report_bitcoin.main([]) == 0
    page = (lab.lake.home.folder / "reports" / f"bitcoin-{DATE}.html").read_text()
    assert page.count("BTCBRL") >= 3
    assert "SIMULATED" in page
    assert str(lab.lake.home.folder) in capsys.readouterr().out


def test_all_that_was_called_is_allowed_and_no_role_of_the_template_allows_more(
    lab, visual_run, bitcoin_run, recording
):
    """A session captured with its indexes, and run again, and the visual job."""
    assert permissions.compare(calls.read(recording), permissions.roles(lab.lake.endpoint)) == []


def test_all_that_was_asked_and_answered_is_what_the_models_of_aws_allow(visual_run, recording):
    assert document.faults_of(recording) == []


def test_a_violated_check_fails_with_a_sentence_and_figures(lab, again):
    """The published object is replaced behind the pipeline's back; its checks, run alone, see it."""
    key = f"refined/quotes/trade_date={DATE}/quotes.parquet"
    bucket = lab.lake.home.bucket
    good = lab.s3.get_object(Bucket=bucket, Key=key)
    body = good["Body"].read()
    table = pq.read_table(io.BytesIO(body))
    spoiled = pa.concat_tables([table, table.slice(0, 1)])
    sink = io.BytesIO()
    pq.write_table(spoiled, sink)
    lab.s3.put_object(Bucket=bucket, Key=key, Body=sink.getvalue())
    try:
        with pytest.raises(AssertionError, match=r"2 quotes share their key with another, as .*, found 0"):
            run_check(lab, "key_is_unique")
        with pytest.raises(AssertionError, match=r"expected the same of quotes, found"):
            run_check(lab, "raw_and_refined_agree")
    finally:
        lab.s3.put_object(Bucket=bucket, Key=key, Body=body, Metadata=good["Metadata"])
    run_check(lab, "key_is_unique")


def run_check(lab, name):
    """Run one check of include/sql/validate as the DAG renders it; its failure is an AssertionError."""
    (path,) = (SQL / "validate").glob(f"**/{name}.sql")
    templates = Environment(loader=FileSystemLoader(SQL), undefined=StrictUndefined)
    sql = templates.get_template(str(path.relative_to(SQL))).render(
        trade_date=lambda run: DATE, period=lambda run, ti: Period(DATE, DATE), dag_run=SimpleNamespace(), ti=None
    )
    try:
        query_client.query(lab.lake, sql)
    except query_client.QueryFailed as error:
        raise AssertionError(str(error)) from error


def test_a_closed_day_is_refused_with_the_sessions_around_it_and_writes_nothing(lab, capsys):
    before = lab.objects()

    status = run.main(["--date", "2020-05-01", "--exchange", "simulated"])

    said = capsys.readouterr().err
    assert status == 2
    assert "2020-05-01" in said
    assert "2020-04-30" in said
    assert "2020-05-04" in said
    assert lab.objects() == before


def test_registered_by_tasks_it_leaves_the_same_bytes(first, by_tasks):
    assert by_tasks.of_tables == first.of_tables
    assert len(by_tasks.of_tables) > 50


def test_registered_by_tasks_it_leaves_the_same_partitions_down_to_their_storage_descriptors(lab, first, by_tasks):
    crawled, registered = catalog_of(lab), by_tasks.catalog
    # Of a job and of a DAG that no session's run starts.
    beside = {"visual_index_stocks", "raw_btc_minutes", "btc_minutes"}
    assert {name for name, partitions in registered.items() if not partitions} == beside
    assert registered == {name: [] if name in beside else partitions for name, partitions in crawled.items()}


def test_tasks_that_register_start_no_crawl_and_say_why(first, by_tasks):
    assert {first.outcome.state(task) for task in CRAWLS} == {"success"}
    assert {by_tasks.outcome.state(task) for task in CRAWLS} == {"skipped"}
    assert "StartCrawler" in first.called - by_tasks.called
    assert "B3_REGISTER is tasks" in by_tasks.outcome.printed


def test_tasks_that_register_call_what_the_stack_allows_them_then(first, by_tasks):
    more = {action for name, one in policies(load(LAKE)) if name == "RegisterPolicy" for action in one["Action"]}

    registering = {operation for operation in by_tasks.called - first.called if "Partition" in operation}
    assert {f"glue:{operation}" for operation in registering} == more
