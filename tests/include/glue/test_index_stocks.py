"""The constituents that the Glue script refines after the quotes; small days by hand, and a whole simulated one."""

import datetime as dt
import hashlib
import io
import os
import signal
import subprocess
import threading
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from b3.calendar import sessions
from b3.indexes.raw import PORTFOLIO_SCHEMA
from b3.quotes import cotahist
from local.exchange.files import cotahist_file
from local.exchange.market import indexes
from tests.include.glue.gate import Gate
from tests.include.glue.lake import BUCKET, DAY, METADATA, ROOT, SCRIPT, Lake, parquet_bytes, quote, raw_file, run_many

SIMULATED_DAY = dt.date(2024, 7, 1)
REBALANCE = dt.date(2023, 9, 4)
PORTFOLIO_METADATA = {"source": "simulated", "source-sha256": "a1" * 32, "rows": "7"}


def constituent(index: str, ticker: str, weight: str | None = "25.000", **columns: Any) -> dict[str, Any]:
    return {
        "source_date": DAY,
        "index": index,
        "endpoint": "portfolio_day",
        "ticker": ticker,
        "company": f"COMPANY {ticker[:4]}",
        "share_type": "ON      NM",
        "sector": "Bens Industriais",
        "subsector": None,
        "weight_pct": None if weight is None else Decimal(weight),
        "theoretical_quantity": 1_000_000_007,
        "reductor": Decimal("16134548.84098888"),
        **columns,
    }


# PTUA3 trades on all three markets, MOON4 only as odd lots, IDLE3 not at all, BOTH11 in two indexes.
PORTFOLIO = [
    constituent("SMLL", "BOTH11", "40.000"),
    constituent("IBOV", "PTUA3", "50.125"),
    constituent("IBOV", "BOTH11", "20.000"),
    constituent("IBOV", "MOON4", "19.875"),
    constituent("IBOV", "IDLE3", "10.000"),
    constituent("AAAA", "BOTH11", "100.000"),
    constituent("SMLL", "PTUA3", "60.000"),
    constituent("IBOV", "GONE3", endpoint="theoretical", source_date=None),
    constituent("IBOV", "PTUA3", endpoint="preview", source_date=None),
]
QUOTES = [
    quote("PTUA3", "10.10", quantity=300, quote_factor=1),  # 3,030.00
    quote("PTUA3F", "10.07", market_type="020", bdi_code="96", quantity=7),  # 70.49
    quote("PTUA3L", "10.00", market_type="017", bdi_code="46", quantity=1000),  # 10,000.00
    quote("PTUA3T", "10.20", market_type="030", forward_days=30, quantity=5000),
    quote("PTUA3", "9.99", market_type="020", quantity=9),  # no odd lot: its ticker does not say so
    quote("MOON4F", "3.33", market_type="020", bdi_code="96", quantity=3),  # 9.99
    quote("BOTH11", "123.45", quantity=200, quote_factor=100),  # 246.90
    quote("IDLE4", "5.00"),
]


def portfolio_file(rows: list[dict[str, Any]]) -> bytes:
    loose = pa.schema([field.with_nullable(True) for field in PORTFOLIO_SCHEMA])
    return parquet_bytes(pa.Table.from_pylist(rows, loose))


def portfolio_key(name: str) -> str:
    return f"raw_portfolio/{name}/index_portfolio.parquet"


def index_prefix(name: str, date: dt.date = DAY) -> str:
    return f"index_stocks/{name}/trade_date={date}/"


def arguments(lake: Lake, name: str, date: dt.date = DAY, **changes: str) -> list[str]:
    of_index = {
        "portfolio": f"s3://{BUCKET}/{portfolio_key(name)}",
        "index_target": f"s3://{BUCKET}/{index_prefix(name, date)}",
        "last_rebalance": str(REBALANCE),
    }
    return lake.arguments(name, **{**of_index, **changes})


def put_day(lake: Lake, name: str, portfolio: list[dict[str, Any]] | None = None, source: str = "simulated") -> None:
    lake.put(lake.raw(name), raw_file(QUOTES), METADATA)
    if portfolio is not None:
        lake.put(portfolio_key(name), portfolio_file(portfolio), {**PORTFOLIO_METADATA, "source": source})


def found(lake: Lake, prefix: str) -> dict[str, str]:
    """ETags by key."""
    answer = lake.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    return {entry["Key"]: entry["ETag"] for entry in answer.get("Contents", [])}


def run_all(lake: Lake, runs: dict[str, list[str]]) -> dict[str, str | None]:
    """The last line of each run's failure, None of a success, and all that they `printed`; all in one JVM."""
    errors, printed = run_many(lake.environ, SCRIPT, list(runs.values()), timeout=900)
    return {**dict(zip(runs, errors, strict=True)), "printed": printed}


FAILURES = {
    "no_rows": "EmptySource: expected the portfolios of 2024-02-28, found no row of endpoint portfolio_day in s3://",
    "other_date": "WrongTradeDate: expected every source_date of portfolio_day to be 2024-02-28, found 2 of 3 rows of "
    "2024-02-27, none in s3://",
    "twice": "BadPortfolio: expected each (index, ticker) once, found 1 of 2 rows of portfolio_day that repeat one",
    "no_weight": "BadPortfolio: expected a weight_pct in every row of portfolio_day, found 1 of 2 without, as index "
    "'IBOV', ticker 'MOON4', in s3://",
    "odd_ticker": "BadPortfolio: expected a ticker of A-Z and 0-9 in every row of portfolio_day, found 3 of 4 without",
    "float_weight": "SchemaMismatch: expected weight_pct decimal(9,3), found double; in s3://",
    "real_beside_simulated": "MixedSources: expected a portfolio of source 'simulated', as s3://lake/raw/"
    "real_beside_simulated/trade_date=2024-02-28/quotes.parquet is, found 'b3' at s3://",
    "not_parquet": "SchemaMismatch: expected a Parquet file, found none in s3://lake/raw_portfolio/not_parquet/",
}
BAD_PORTFOLIOS = {
    "no_rows": PORTFOLIO[-2:],
    "other_date": [
        PORTFOLIO[1],
        constituent("IBOV", "MOON4", source_date=dt.date(2024, 2, 27)),
        constituent("IBOV", "IDLE3", source_date=None),
    ],
    "twice": [PORTFOLIO[1], PORTFOLIO[1]],
    "no_weight": [PORTFOLIO[1], constituent("IBOV", "MOON4", None)],
    "odd_ticker": [PORTFOLIO[1], *(constituent("IBOV", ticker) for ticker in ("A/B3", "ABC3\n", ""))],
    "float_weight": PORTFOLIO,
    "real_beside_simulated": PORTFOLIO,
    "not_parquet": PORTFOLIO,
}
FORMER = b"what a ticker held before"
READMITTED = index_prefix("readmitted") + "ticker=GONE3/index_stocks.parquet"
CORRECTED = [row for row in PORTFOLIO if row["ticker"] != "IDLE3"]


@pytest.fixture(scope="module")
def early(lake: Lake) -> dict[str, str | None]:
    """A first run of each lake that later ones come back to."""
    names = ("day", "corrected", "killed")
    for name in names:
        put_day(lake, name, PORTFOLIO)
    lake.put(index_prefix("day") + "ticker=GONE3/index_stocks.parquet", FORMER)
    return run_all(lake, {name: arguments(lake, name) for name in names})


@pytest.fixture(scope="module")
def first(lake: Lake, early: dict[str, str | None]) -> dict[str, str]:
    assert {line for name, line in early.items() if name != "printed"} == {None}
    return found(lake, index_prefix("day"))


@pytest.fixture(scope="module")
def killed(lake: Lake, gate: Gate, first: dict[str, str]) -> dict[str, str]:
    """A correction whose run is killed while it waits to replace PTUA3: what lay there then."""
    lake.put(portfolio_key("killed"), portfolio_file(CORRECTED), PORTFOLIO_METADATA)
    waiting = gate.hold(lambda method, path: method == "PUT" and "/index_stocks/killed/" in path and "PTUA3" in path)
    job = lake.through(gate).start(
        SCRIPT, *arguments(lake, "killed"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    replaced = index_prefix("killed") + "ticker=BOTH11/index_stocks.parquet"
    before = lake.etag(replaced)
    try:
        assert waiting.arrived.wait(240)
        for _ in range(600):
            if lake.etag(replaced) != before:
                break
            threading.Event().wait(0.05)
    finally:
        os.killpg(job.pid, signal.SIGKILL)
        job.wait()
    left = found(lake, index_prefix("killed"))
    gate.forget(waiting)
    return left


@pytest.fixture(scope="module")
def later(lake: Lake, gate: Gate, killed: dict[str, str]) -> dict[str, str | None]:
    """Everything else, in one JVM."""
    lake.put(portfolio_key("corrected"), portfolio_file(CORRECTED), PORTFOLIO_METADATA)
    for name, rows in BAD_PORTFOLIOS.items():
        put_day(lake, name, rows, "b3" if name == "real_beside_simulated" else "simulated")
        lake.put(index_prefix(name) + "ticker=PTUA3/index_stocks.parquet", FORMER)
    table = pq.read_table(io.BytesIO(portfolio_file(PORTFOLIO)))
    weight = table.schema.get_field_index("weight_pct")
    floats = table.set_column(weight, "weight_pct", pa.array([1.0] * len(table)))
    lake.put(portfolio_key("float_weight"), parquet_bytes(floats), PORTFOLIO_METADATA)
    lake.put(portfolio_key("not_parquet"), b"<html>not found</html>", PORTFOLIO_METADATA)
    put_day(lake, "no_portfolio")
    put_day(lake, "overtaken", PORTFOLIO)
    put_day(lake, "overtaken_new", PORTFOLIO)
    lake.put(lake.refined("overtaken"), FORMER)
    put_day(lake, "readmitted", PORTFOLIO)
    lake.put(READMITTED, FORMER)
    put_simulated_day(lake)
    runs = {
        **{name: arguments(lake, name) for name in ("day", "corrected", "killed", "no_portfolio", *FAILURES)},
        "overtaken": arguments(lake, "overtaken"),
        "overtaken_new": arguments(lake, "overtaken_new"),
        "readmitted": arguments(lake, "readmitted"),
        "simulated": arguments(
            lake,
            "simulated",
            SIMULATED_DAY,
            sessions=str(SIMULATED_DAY),
            previous_session=str(sessions.previous_session(SIMULATED_DAY)),
            last_rebalance=str(indexes.last_rebalance(SIMULATED_DAY)),
        ),
    }

    def overtake() -> None:
        for name, hold in holds.items():
            hold.arrived.wait()
            lake.put(READMITTED if name == "readmitted" else lake.refined(name), b"what a newer run put")
            hold.release()

    places = {"overtaken": "/refined/overtaken/", "overtaken_new": "/refined/overtaken_new/"}
    places["readmitted"] = "/index_stocks/readmitted/"
    holds = {
        name: gate.hold(lambda method, path, place=place: method == "PUT" and place in path)
        for name, place in places.items()
    }
    threading.Thread(target=overtake, daemon=True).start()
    return run_all(lake.through(gate), runs)


def put_simulated_day(lake: Lake) -> None:
    raw = io.BytesIO()
    cotahist.write_parquet(io.BytesIO(cotahist_file.session_file(SIMULATED_DAY)), raw, trade_date=SIMULATED_DAY)
    lake.put(lake.raw("simulated", SIMULATED_DAY), raw.getvalue(), METADATA)
    portfolio = indexes.portfolio("IBOV", SIMULATED_DAY)
    rows = [
        constituent(
            "IBOV",
            of.ticker,
            str(Decimal(of.weight).scaleb(-3)),
            source_date=SIMULATED_DAY,
            company=of.company,
            theoretical_quantity=of.quantity,
        )
        for of in portfolio.constituents
    ]
    lake.put(portfolio_key("simulated"), portfolio_file(rows), PORTFOLIO_METADATA)


@pytest.fixture(scope="module")
def rows(lake: Lake, first: dict[str, str]) -> dict[tuple[str, str], dict[str, Any]]:
    """The refined rows by index and ticker, which the path alone names."""
    read = {key: lake.read(key).read().to_pylist() for key in first}
    return {
        (row["index_code"], key.split("/ticker=")[1].split("/")[0]): row for key, rows in read.items() for row in rows
    }


def test_columns_are_those_of_the_table(lake: Lake, first: dict[str, str]) -> None:
    class Template(yaml.SafeLoader):
        pass

    Template.add_multi_constructor("!", lambda *_: None)
    table = yaml.load((ROOT / "infra/lake.yaml").read_text(), Template)["Resources"]["IndexStocks"]["Properties"]
    declared = {of["Name"]: of["Type"] for of in table["TableInput"]["StorageDescriptor"]["Columns"]}
    names = {"int32": "int", "int64": "bigint", "date32[day]": "date"}
    for key in first:
        kinds = {field.name: str(field.type) for field in lake.read(key).schema_arrow}
        kinds = {name: kind.replace("decimal128", "decimal").replace(", ", ",") for name, kind in kinds.items()}
        assert {name: names.get(kind, kind) for name, kind in kinds.items()} == declared
        assert list(kinds) == list(declared)


def test_each_ticker_is_one_object_with_a_row_of_each_index_by_its_code(lake: Lake, first: dict[str, str]) -> None:
    prefix = index_prefix("day")
    codes = {key: lake.read(key).read()["index_code"].to_pylist() for key in first}
    assert codes == {
        f"{prefix}ticker=BOTH11/index_stocks.parquet": ["AAAA", "IBOV", "SMLL"],
        f"{prefix}ticker=IDLE3/index_stocks.parquet": ["IBOV"],
        f"{prefix}ticker=MOON4/index_stocks.parquet": ["IBOV"],
        f"{prefix}ticker=PTUA3/index_stocks.parquet": ["IBOV", "SMLL"],
    }


def test_sums_are_over_round_lot_odd_lot_and_auction(rows: dict[tuple[str, str], dict[str, Any]]) -> None:
    for index in ("IBOV", "SMLL"):
        row = rows[index, "PTUA3"]
        assert row["total_quantity"] == 1307
        assert row["total_financial_volume"] == Decimal("13100.49")
        assert row["market_count"] == 3


def test_prices_are_those_of_the_round_lot(rows: dict[tuple[str, str], dict[str, Any]]) -> None:
    names = ("open", "high", "low", "close", "quote_factor")
    assert [rows["IBOV", "PTUA3"][name] for name in names] == [*[Decimal("10.10")] * 4, 1]
    assert [rows["SMLL", "BOTH11"][name] for name in names] == [*[Decimal("123.45")] * 4, 100]


def test_who_traded_odd_lots_alone_has_sums_and_no_prices(rows: dict[tuple[str, str], dict[str, Any]]) -> None:
    row = rows["IBOV", "MOON4"]
    assert (row["total_quantity"], row["total_financial_volume"], row["market_count"]) == (3, Decimal("9.99"), 1)
    assert {row[name] for name in ("open", "high", "low", "close", "quote_factor")} == {None}


def test_who_did_not_trade_is_there_with_a_market_count_of_0(rows: dict[tuple[str, str], dict[str, Any]]) -> None:
    row = rows["IBOV", "IDLE3"]
    empty = ("open", "high", "low", "close", "quote_factor", "total_quantity", "total_financial_volume")
    assert {row[name] for name in empty} == {None}
    assert row["market_count"] == 0
    assert row["weight_pct"] == Decimal("10.000")


def test_dates_are_calendar_days_across_a_year(rows: dict[tuple[str, str], dict[str, Any]]) -> None:
    for row in rows.values():
        assert (row["previous_session"], row["days_since_previous_session"]) == (dt.date(2024, 2, 27), 1)
        assert (row["rebalance_date"], row["days_since_rebalance"]) == (REBALANCE, 177)


def test_what_the_portfolio_says_is_kept(rows: dict[tuple[str, str], dict[str, Any]]) -> None:
    row = rows["IBOV", "PTUA3"]
    assert row["company_name"] == "COMPANY PTUA"
    assert (row["share_type"], row["sector"], row["subsector"]) == ("ON      NM", "Bens Industriais", None)
    assert (row["weight_pct"], row["theoretical_quantity"]) == (Decimal("50.125"), 1_000_000_007)


def test_each_row_knows_how_many_its_index_has(rows: dict[tuple[str, str], dict[str, Any]]) -> None:
    assert {(index, row["constituent_count"]) for (index, _), row in rows.items()} == {
        ("AAAA", 1),
        ("IBOV", 4),
        ("SMLL", 2),
    }


def test_all_rows_of_a_date_name_both_raw_objects(lake: Lake, rows: dict[tuple[str, str], dict[str, Any]]) -> None:
    etags = f"{lake.etag(lake.raw('day'))} {lake.etag(portfolio_key('day'))}"
    assert {row["generation"] for row in rows.values()} == {hashlib.sha256(etags.encode()).hexdigest()[:16]}


def test_objects_carry_the_metadata_of_the_portfolio(
    lake: Lake, first: dict[str, str], rows: dict[tuple[str, str], dict[str, Any]]
) -> None:
    answer = lake.s3.get_object(Bucket=BUCKET, Key=index_prefix("day") + "ticker=PTUA3/index_stocks.parquet")
    assert answer["Metadata"] == {
        "source": "simulated",
        "source-sha256": PORTFOLIO_METADATA["source-sha256"],
        "rows": "2",
        "generation": rows["IBOV", "PTUA3"]["generation"],
        "content-sha256": hashlib.sha256(answer["Body"].read()).hexdigest(),
    }


def test_what_is_no_constituent_is_deleted(lake: Lake, first: dict[str, str]) -> None:
    gone = index_prefix("day") + "ticker=GONE3/index_stocks.parquet"
    assert gone not in first
    assert lake.versions(gone) == 1


def test_objects_are_zstd_and_say_nothing_of_who_wrote_them(lake: Lake, first: dict[str, str]) -> None:
    for key in first:
        metadata = lake.read(key).metadata
        assert metadata.metadata is None
        assert {metadata.row_group(0).column(n).compression for n in range(metadata.num_columns)} == {"ZSTD"}


def test_verdict_counts_what_was_put_and_deleted(early: dict[str, str | None], later: dict[str, str | None]) -> None:
    verdict = f"s3://{BUCKET}/{index_prefix('day')}: 7 rows in 4 objects from s3://{BUCKET}/{portfolio_key('day')}"
    assert f"committed {verdict}, 4 put, 1 deleted" in (early["printed"] or "")
    assert f"unchanged {verdict}, 0 put, 0 deleted" in (later["printed"] or "")


def test_rerun_leaves_the_same_objects(lake: Lake, first: dict[str, str], later: dict[str, str | None]) -> None:
    assert later["day"] is None
    assert found(lake, index_prefix("day")) == first
    assert {lake.versions(key) for key in first} == {1}


def test_killed_run_had_replaced_a_part(lake: Lake, first: dict[str, str], killed: dict[str, str]) -> None:
    renamed = {key.replace("/killed/", "/day/"): etag for key, etag in killed.items()}
    assert renamed.keys() == first.keys()
    kept = {key.split("ticker=")[1].split("/")[0] for key in first if renamed[key] == first[key]}
    assert {"PTUA3", "IDLE3"} <= kept < {"PTUA3", "IDLE3", "MOON4", "BOTH11"}


def test_correction_after_a_kill_gives_the_bytes_of_one_that_was_not_disturbed(
    lake: Lake, first: dict[str, str], later: dict[str, str | None]
) -> None:
    assert (later["killed"], later["corrected"]) == (None, None)
    undisturbed = found(lake, index_prefix("corrected"))
    finished = {
        key.replace("/killed/", "/corrected/"): etag for key, etag in found(lake, index_prefix("killed")).items()
    }
    assert finished == undisturbed
    assert {key.split("ticker=")[1] for key in undisturbed} == {
        f"{ticker}/index_stocks.parquet" for ticker in ("BOTH11", "MOON4", "PTUA3")
    }
    assert {lake.versions(key) for key in undisturbed} == {2}


@pytest.mark.parametrize("name", FAILURES)
def test_failure_names_its_cause_and_leaves_the_constituents(
    lake: Lake, later: dict[str, str | None], name: str
) -> None:
    assert (later[name] or "succeeded").startswith(FAILURES[name])
    (etag,) = found(lake, index_prefix(name)).values()
    assert etag.strip('"') == hashlib.md5(FORMER).hexdigest()


@pytest.mark.parametrize("name", [*FAILURES, "no_portfolio"])
def test_quotes_are_committed_whatever_becomes_of_the_portfolio(
    lake: Lake, later: dict[str, str | None], name: str
) -> None:
    assert later["day"] is None
    assert lake.etag(lake.refined(name)) == lake.etag(lake.refined("day"))


def test_without_a_portfolio_only_quotes_are_refined(lake: Lake, later: dict[str, str | None]) -> None:
    assert later["no_portfolio"] is None
    assert found(lake, index_prefix("no_portfolio")) == {}
    said = f"no index portfolio at s3://{BUCKET}/{portfolio_key('no_portfolio')}: only quotes were refined"
    assert said in (later["printed"] or "")


@pytest.mark.parametrize("name", ["overtaken", "overtaken_new"])
def test_run_that_was_held_up_does_not_replace_what_a_newer_one_put(
    lake: Lake, later: dict[str, str | None], name: str
) -> None:
    assert (later[name] or "succeeded").startswith(f"Overtaken: expected s3://lake/{lake.refined(name)} as this run")
    newer = lake.s3.get_object(Bucket=BUCKET, Key=lake.refined(name))["Body"].read()
    assert newer == b"what a newer run put"


def test_run_that_was_held_up_does_not_delete_what_a_newer_one_put(lake: Lake, later: dict[str, str | None]) -> None:
    said = later["readmitted"] or "succeeded"
    assert said.startswith(f"Overtaken: expected s3://lake/{READMITTED} as this run found it"), said
    assert lake.s3.get_object(Bucket=BUCKET, Key=READMITTED)["Body"].read() == b"what a newer run put"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"index_target": f"s3://{BUCKET}/index_stocks/"},
            "expected --index_target to end with /trade_date=2024-02-28/",
        ),
        ({"last_rebalance": "2024-02-29"}, "expected --last_rebalance up to 2024-02-28, found 2024-02-29"),
        ({"portfolio": ""}, "expected s3://bucket/key"),
    ],
)
def test_bad_arguments_are_refused(lake: Lake, changes: dict[str, str], expected: str) -> None:
    job = lake.start(SCRIPT, *arguments(lake, "day", **changes), stderr=subprocess.PIPE)
    _, errors = job.communicate(timeout=60)
    assert job.returncode == 2
    assert expected in errors.splitlines()[-1]


def test_arguments_of_the_indexes_come_together(lake: Lake) -> None:
    job = lake.start(SCRIPT, *lake.arguments("day", last_rebalance=str(REBALANCE)), stderr=subprocess.PIPE)
    _, errors = job.communicate(timeout=60)
    assert job.returncode == 2
    assert "expected portfolio, index_target, last_rebalance or none of them, found last_rebalance" in errors


def test_simulated_day_agrees_with_pandas_to_the_cent(lake: Lake, later: dict[str, str | None]) -> None:
    assert later["simulated"] is None
    refined = pd.concat(
        lake.read(key).read().to_pandas().assign(ticker=key.split("ticker=")[1].split("/")[0])
        for key in found(lake, index_prefix("simulated", SIMULATED_DAY))
    ).set_index("ticker")
    portfolio = indexes.portfolio("IBOV", SIMULATED_DAY)
    assert set(refined.index) == {of.ticker for of in portfolio.constituents}
    assert set(refined["constituent_count"]) == {len(portfolio.constituents)} == {len(refined)}
    quotes = (
        pd.DataFrame(lake.read(lake.raw("simulated", SIMULATED_DAY)).read().to_pylist())
        .set_index(["ticker", "market_type"])
        .sort_index()
    )
    markets = set()
    for of in portfolio.constituents:
        keys = [(of.ticker, "010"), (of.ticker + "F", "020"), (of.ticker + "L", "017")]
        traded = quotes.loc[[key for key in keys if key in quotes.index]]
        row = refined.loc[of.ticker]
        markets.add(len(traded))
        assert row["market_count"] == len(traded)
        if len(traded):
            assert row["total_quantity"] == sum(traded["quantity"])
            assert row["total_financial_volume"] == sum(traded["financial_volume"], Decimal())
        if keys[0] in traded.index:
            assert (
                row[["open", "high", "low", "close"]].tolist()
                == traded.loc[keys[0], ["open", "high", "low", "close"]].tolist()
            )
        assert row["weight_pct"] == Decimal(of.weight).scaleb(-3)
    assert len(markets) > 1
