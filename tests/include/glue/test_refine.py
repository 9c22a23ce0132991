"""The Glue script as Glue runs it: its own process, real Spark, S3 over HTTP.

Spark takes seconds to start, so the module starts it five times in all: the runs that need no process of their own
share one JVM (many_runs.py), and each test looks at what one of them left behind.
"""

import datetime as dt
import hashlib
import io
import itertools
import os
import random
import signal
import subprocess
import threading
from collections import Counter
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tests.include.glue.gate import Gate
from tests.include.glue.lake import (
    BUCKET,
    DAY,
    DAY_BEFORE,
    METADATA,
    PRICES,
    QUOTE_SCHEMA,
    RAW_SCHEMA,
    SCRIPT,
    Lake,
    parquet_bytes,
    quote,
    raw_file,
    run_many,
)  # fmt: skip
from tests.places import REAL_FILES

REAL_DAY = REAL_FILES / "cotahist" / "COTAHIST_D30042020.ZIP"
REAL_DATE = dt.date(2020, 4, 30)

ADDED = [
    *((f"unit_{name}", pa.decimal128(19, 8)) for name in PRICES),
    ("asset_class", pa.string()),
    ("days_to_expiry", pa.int32()),
    ("previous_session", pa.date32()),
    ("change_pct", pa.decimal128(13, 4)),
    ("finding_count", pa.int32()),
]

# test_asset_classes.py tries the rules; here, that the script applies them, to whole sessions.
CLASSES = {
    "CLAA3": "stock",
    "CLAA3F": "stock",
    "CLAA3T": "forward",
    "CLAB11": "fii",
    "CLAB11F": "fii",
    "CLAC11F": "etf",
}


def classified_rows() -> list[dict[str, Any]]:
    fund = {"specification": "CI", "short_name": "SHOPPING A"}
    odd_lot = {"market_type": "020", "bdi_code": "96"}
    return [
        quote("CLAA3"),
        quote("CLAA3F", **odd_lot),
        quote("CLAA3T", market_type="030", bdi_code="62", forward_days=30),
        quote("CLAB11", isin="BRCLABCTF001", bdi_code="12", **fund),
        quote("CLAB11F", isin="BRCLABCTF001", **fund, **odd_lot),
        quote("CLAC11F", isin="BRCLACCTF008", **fund, **odd_lot),
    ]


def factor_rows() -> list[dict[str, Any]]:
    return [
        quote("FACA3", "99999999999.99", quote_factor=1),
        quote("FACB3", "0.01", quote_factor=10),
        quote("FACC3", "123.45", quote_factor=100),
        quote("FACD3", "12.34", quote_factor=1000),
        quote("FACE3", "0.01", quote_factor=10_000),
        quote("FACF3", "7.77", quote_factor=100_000),
        quote("FACG3", "99999999999.99", quote_factor=1_000_000),
    ]


def expiry_rows() -> list[dict[str, Any]]:
    return [
        quote("EXPA3", expiry_date=None),
        quote("EXPB3", expiry_date=DAY),
        quote("EXPC3", expiry_date=dt.date(2024, 3, 1)),
        quote("EXPD3", expiry_date=dt.date(2025, 2, 28)),
    ]


def change_rows() -> list[dict[str, Any]]:
    some = random.Random(20240228)
    pairs = [
        ("800.00", "800.01"),
        ("800.00", "799.99"),
        ("10.00", "10.00"),
        ("3.00", "4.00"),
        ("0.01", "9999.99"),
        *((f"{some.randint(1, 10**13 - 1) / 100:.2f}", f"{some.randint(1, 10**13 - 1) / 100:.2f}") for _ in range(40)),
        *((f"{some.randint(1, 10**4) / 100:.2f}", f"{some.randint(1, 10**4) / 100:.2f}") for _ in range(160)),
    ]
    # The change must fit decimal(13,4).
    return [
        quote(f"CH{number:03}3", open=Decimal(opened), close=Decimal(closed))
        for number, (opened, closed) in enumerate(pairs)
        if Decimal(closed) < 10**6 * Decimal(opened)
    ]


def kindred_rows() -> list[dict[str, Any]]:
    """Rows that share a part of the key."""
    forwards = [quote("FWDA3T", market_type="030", forward_days=days) for days in (90, 30)]
    return [*forwards, quote("SAME3", market_type="020"), quote("SAME3")]


def option_rows() -> list[dict[str, Any]]:
    """As many as a real day has, so that the file has several row groups."""
    some = random.Random(20240228)
    return [
        quote(f"OPTA{number:04}", f"{some.randint(1, 10**5) / 100:.2f}", market_type="070", expiry_date=DAY)
        for number in range(4000)
    ]


ALL_ROWS = [
    *classified_rows(),
    *factor_rows(),
    *expiry_rows(),
    *change_rows(),
    *kindred_rows(),
    *option_rows(),
]


@dataclass(frozen=True)
class First:
    """A run in a process of its own, with arguments such as Glue adds."""

    code: int
    errors: str
    output: str


@pytest.fixture(scope="module")
def first(lake: Lake) -> First:
    lake.put(lake.raw("day"), raw_file(ALL_ROWS), METADATA)
    glues_own = ["--JOB_ID", "j_1", "--JOB_RUN_ID", "jr_1", "--job-bookmark-option", "job-bookmark-disable", "true"]
    job = lake.start(SCRIPT, *lake.arguments("day"), *glues_own, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    output, errors = job.communicate(timeout=180)
    return First(job.returncode, errors, output)


FAILURES = {
    "other_date": "WrongTradeDate: expected every source_date to be 2024-02-28, found 3 of 4 rows of "
    "2024-02-27, 2024-02-29, none in s3://lake/raw/other_date/",
    "missing_column": "SchemaMismatch: expected isin string, found no such column; in s3://lake/raw/missing_column/",
    "unexpected_column": "SchemaMismatch: expected trade_date not to exist, found date; in s3://lake/raw/",
    "float_volume": "SchemaMismatch: expected financial_volume decimal(18,2), found double; in s3://lake/raw/",
    "no_rows": "EmptySource: expected the quotes of 2024-02-28, found no rows in s3://lake/raw/no_rows/",
    "no_source": "MissingSource: expected a raw partition of each session, found no object at s3://lake/raw/no_source/",
    "not_parquet": "SchemaMismatch: expected a Parquet file, found none in s3://lake/raw/not_parquet/trade_date=",
    "damaged": "SparkFailed: expected Spark to refine s3://lake/raw/damaged/",
}


def put_failing_sources(lake: Lake) -> None:
    good = [quote("GOOD3")]
    table = pa.Table.from_pylist(good, RAW_SCHEMA)
    dates = [quote(f"DAY{n}3", source_date=day) for n, day in enumerate((DAY_BEFORE, dt.date(2024, 2, 29), None))]
    volume = RAW_SCHEMA.get_field_index("financial_volume")
    whole = raw_file(ALL_ROWS)
    sources = {
        "other_date": raw_file(good + dates),
        "missing_column": parquet_bytes(table.drop_columns(["isin"])),
        "unexpected_column": parquet_bytes(table.append_column("trade_date", pa.array([DAY], pa.date32()))),
        "float_volume": parquet_bytes(table.set_column(volume, "financial_volume", pa.array([1000.0]))),
        "no_rows": raw_file([]),
        "not_parquet": b"<html>not found</html>",
        "damaged": whole[:40] + bytes(3000) + whole[3040:],
    }
    for name, body in sources.items():
        lake.put(lake.raw(name), body, METADATA)


FORMER = b"what the partition held before"


@pytest.fixture(scope="module")
def killed(lake: Lake, gate: Gate) -> dict[str, str]:
    """A run that is killed while it waits to put the quotes: what its targets held then."""
    lake.put(lake.raw("killed"), raw_file(ALL_ROWS), METADATA)
    for key in (lake.findings("killed"), lake.refined("killed")):
        lake.put(key, FORMER)
    waiting = gate.hold(lambda method, path: method == "PUT" and "/refined/killed/" in path)
    job = lake.through(gate).start(SCRIPT, *lake.arguments("killed"), stdout=subprocess.DEVNULL)
    try:
        assert waiting.arrived.wait(240)
    finally:
        os.killpg(job.pid, signal.SIGKILL)
        job.wait()
    left = {key: lake.etag(key) for key in (lake.findings("killed"), lake.refined("killed"))}
    gate.forget(waiting)
    return left


@pytest.fixture(scope="module")
def later(lake: Lake, gate: Gate, first: First, killed: dict[str, str]) -> dict[str, str | None]:
    """Everything else, in one JVM: the last line of what each run had to say, None where it succeeded."""
    assert first.code == 0, first.errors
    lake.put(lake.raw("reversed"), raw_file(ALL_ROWS[::-1]), METADATA)
    lake.put(lake.raw("relabelled"), raw_file(ALL_ROWS), METADATA)
    lake.put(lake.refined("relabelled"), FORMER)
    for name, body, changes in (("restamped", None, {"raw-etag": "0" * 32}), ("overwritten", FORMER, {})):
        whole = lake.s3.get_object(Bucket=BUCKET, Key=lake.refined("day"))
        lake.put(lake.raw(name), raw_file(ALL_ROWS), METADATA)
        lake.put(lake.refined(name), body or whole["Body"].read(), whole["Metadata"] | changes)
    put_failing_sources(lake)
    for name in (*FAILURES, "replaced"):
        lake.put(lake.refined(name), FORMER)
    lake.put(lake.raw("replaced"), raw_file(ALL_ROWS), METADATA)
    runs = {
        "day": lake.arguments("day"),
        "day elsewhere": lake.arguments("elsewhere", "day"),
        "reversed": lake.arguments("reversed"),
        "relabelled": lake.arguments("relabelled"),
        "restamped": lake.arguments("restamped"),
        "overwritten": lake.arguments("overwritten"),
        "killed": lake.arguments("killed"),
        "replaced": lake.arguments("replaced"),
        **{name: lake.arguments(name) for name in FAILURES},
    }
    if REAL_DAY.exists():
        from b3.quotes import cotahist

        raw = io.BytesIO()
        cotahist.write_parquet(REAL_DAY, raw, trade_date=REAL_DATE)
        lake.put(lake.raw("real", REAL_DATE), raw.getvalue(), METADATA)
        runs["real"] = lake.arguments("real", sessions=str(REAL_DATE), previous_session="2020-04-29")
    # The run lists the raw objects once it has read them.
    looking = gate.hold(lambda method, path: "list-type" in path and "raw%2Freplaced" in path)

    def replace_source() -> None:
        looking.arrived.wait()
        lake.put(lake.raw("replaced"), raw_file(ALL_ROWS[::-1]), METADATA)
        looking.release()

    threading.Thread(target=replace_source, daemon=True).start()
    errors, _ = run_many(lake.through(gate).environ, SCRIPT, list(runs.values()))
    return dict(zip(runs, errors, strict=True))


@pytest.fixture(scope="module")
def refined(lake: Lake, first: First) -> pq.ParquetFile:
    assert first.code == 0, first.errors
    return lake.read(lake.refined("day"))


@pytest.fixture(scope="module")
def rows(refined: pq.ParquetFile) -> dict[str, dict[str, Any]]:
    """The refined rows by ticker (of a repeated one, the last)."""
    return {row["ticker"]: row for row in refined.read().to_pylist()}


def test_columns_are_the_declared_ones_in_order(refined: pq.ParquetFile) -> None:
    assert [(field.name, field.type) for field in refined.schema_arrow] == [
        *((field.name, field.type) for field in QUOTE_SCHEMA),
        *ADDED,
    ]


def test_raw_columns_come_through_unchanged_and_no_row_is_lost(refined: pq.ParquetFile) -> None:
    kept = refined.read(columns=QUOTE_SCHEMA.names).to_pylist()
    sent = [{name: row[name] for name in QUOTE_SCHEMA.names} for row in ALL_ROWS]
    assert Counter(map(str, kept)) == Counter(map(str, sent))


@pytest.mark.parametrize(("ticker", "expected"), CLASSES.items())
def test_asset_class(rows: dict[str, dict[str, Any]], ticker: str, expected: str) -> None:
    assert rows[ticker]["asset_class"] == expected


@pytest.mark.parametrize(
    ("ticker", "expected"),
    [
        ("FACA3", "99999999999.99000000"),
        ("FACB3", "0.00100000"),
        ("FACC3", "1.23450000"),
        ("FACD3", "0.01234000"),
        ("FACE3", "0.00000100"),
        ("FACF3", "0.00007770"),
        ("FACG3", "99999.99999999"),
    ],
)
def test_unit_prices_lose_no_digit(rows: dict[str, dict[str, Any]], ticker: str, expected: str) -> None:
    row = rows[ticker]
    assert {f"{row[f'unit_{name}']:.8f}" for name in PRICES} == {expected}
    assert all(row[f"unit_{name}"] * row["quote_factor"] == row[name] for name in PRICES)


@pytest.mark.parametrize(("ticker", "days"), [("EXPA3", None), ("EXPB3", 0), ("EXPC3", 2), ("EXPD3", 366)])
def test_days_to_expiry_are_calendar_days(rows: dict[str, dict[str, Any]], ticker: str, days: int | None) -> None:
    assert rows[ticker]["days_to_expiry"] == days


def test_previous_session_is_the_one_given(refined: pq.ParquetFile) -> None:
    assert set(refined.read()["previous_session"].to_pylist()) == {DAY_BEFORE}


@pytest.mark.parametrize(("ticker", "expected"), [("CH0003", "0.0013"), ("CH0013", "-0.0013"), ("CH0023", "0.0000")])
def test_change_is_rounded_half_up(rows: dict[str, dict[str, Any]], ticker: str, expected: str | None) -> None:
    assert rows[ticker]["change_pct"] == (Decimal(expected) if expected else None)


def test_change_is_exact_for_any_prices(rows: dict[str, dict[str, Any]]) -> None:
    exactly = Context(prec=80)
    for row in change_rows():
        if row["open"]:
            change = exactly.divide((row["close"] - row["open"]) * 100, row["open"])
            rounded = change.quantize(Decimal("0.0001"), ROUND_HALF_UP)
            assert rows[row["ticker"]]["change_pct"] == rounded, row


def test_rows_are_sorted_by_the_key_of_a_quote(refined: pq.ParquetFile) -> None:
    keys = [
        (row["ticker"], row["market_type"], -1 if row["forward_days"] is None else row["forward_days"])
        for row in refined.read().to_pylist()
    ]
    assert keys == sorted(keys)


def test_row_groups_let_readers_skip_by_ticker(refined: pq.ParquetFile) -> None:
    column = refined.schema_arrow.get_field_index("ticker")
    groups = [refined.metadata.row_group(n).column(column).statistics for n in range(refined.num_row_groups)]
    assert len(groups) > 1
    assert groups[0].min == min(row["ticker"] for row in ALL_ROWS)
    assert all(left.max <= right.min for left, right in itertools.pairwise(groups))


def test_every_column_chunk_is_zstd(refined: pq.ParquetFile) -> None:
    for group, column in itertools.product(range(refined.num_row_groups), range(refined.metadata.num_columns)):
        assert refined.metadata.row_group(group).column(column).compression == "ZSTD"


def test_first_run_says_what_it_did(lake: Lake, first: First) -> None:
    assert first.code == 0, first.errors
    assert f"committed s3://lake/refined/day/: 1 session, {len(ALL_ROWS)} rows from s3://lake/raw/day/" in first.output


def test_a_run_puts_nothing_but_its_targets(lake: Lake, later: dict[str, str | None]) -> None:
    found = lake.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
    assert {entry["Key"].split("/")[0] for entry in found} == {"raw", "refined"}


def test_target_carries_the_metadata_of_its_source(lake: Lake, later: dict[str, str | None]) -> None:
    found = lake.s3.get_object(Bucket=BUCKET, Key=lake.refined("day"))
    assert found["Metadata"] == {
        **METADATA,
        "rows": str(len(ALL_ROWS)),
        "raw-etag": lake.etag(lake.raw("day")).strip('"'),
        "content-sha256": hashlib.sha256(found["Body"].read()).hexdigest(),
    }


def test_rerun_leaves_the_same_object(lake: Lake, later: dict[str, str | None]) -> None:
    assert later["day"] is None
    assert lake.versions(lake.refined("day")) == 1


def test_another_process_writes_the_same_bytes(lake: Lake, later: dict[str, str | None]) -> None:
    assert later["day elsewhere"] is None
    assert lake.etag(lake.refined("elsewhere")) == lake.etag(lake.refined("day"))


def test_order_of_the_source_does_not_matter(lake: Lake, later: dict[str, str | None]) -> None:
    assert later["reversed"] is None
    assert lake.etag(lake.raw("reversed")) != lake.etag(lake.raw("day"))
    assert lake.etag(lake.refined("reversed")) == lake.etag(lake.refined("day"))


def test_a_former_partition_is_replaced(lake: Lake, later: dict[str, str | None]) -> None:
    assert later["relabelled"] is None
    assert lake.etag(lake.refined("relabelled")) == lake.etag(lake.refined("day"))
    assert lake.versions(lake.refined("relabelled")) == 2


@pytest.mark.parametrize("name", ["restamped", "overwritten"])
def test_a_partition_of_a_former_raw_object_or_of_changed_bytes_is_put_again(
    lake: Lake, later: dict[str, str | None], name: str
) -> None:
    assert later[name] is None
    now, day = (lake.s3.head_object(Bucket=BUCKET, Key=lake.refined(of)) for of in (name, "day"))
    assert (now["ETag"], now["Metadata"]) == (day["ETag"], day["Metadata"])
    assert lake.versions(lake.refined(name)) == 2


@pytest.mark.parametrize("name", FAILURES)
def test_failure_names_its_cause_and_changes_nothing(lake: Lake, later: dict[str, str | None], name: str) -> None:
    assert (later[name] or "succeeded").startswith(FAILURES[name])
    assert lake.etag(lake.refined(name)).strip('"') == hashlib.md5(FORMER).hexdigest()
    assert lake.versions(lake.refined(name)) == 1


def test_source_replaced_while_it_is_read_is_not_committed(lake: Lake, later: dict[str, str | None]) -> None:
    assert (later["replaced"] or "succeeded").startswith(
        "ChangedSource: expected one version, found a new one of s3://"
    )
    assert lake.versions(lake.refined("replaced")) == 1


def test_killed_run_leaves_the_old_partition_or_the_new_one(
    lake: Lake, killed: dict[str, str], later: dict[str, str | None]
) -> None:
    findings, quotes = lake.etag(lake.findings("day")), lake.etag(lake.refined("day"))
    former = f'"{hashlib.md5(FORMER).hexdigest()}"'
    assert killed == {lake.findings("killed"): findings, lake.refined("killed"): former}
    assert later["killed"] is None
    assert (lake.etag(lake.findings("killed")), lake.etag(lake.refined("killed"))) == (findings, quotes)


def test_last_line_on_stderr_is_the_error(lake: Lake) -> None:
    lake.put(lake.raw("loud"), raw_file([]), METADATA)
    job = lake.start(SCRIPT, *lake.arguments("loud"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    _, errors = job.communicate(timeout=180)
    assert job.returncode == 1
    assert errors.rstrip().splitlines()[-1].startswith("refine.errors.EmptySource: expected the quotes of 2024-02-28")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"sessions": "28/02/2024"}, "expected YYYY-MM-DD, found 28/02/2024"),
        ({"previous_session": str(DAY)}, "expected --previous_session before 2024-02-28, found 2024-02-28"),
        ({"target": "/tmp/quotes.parquet"}, "expected s3://bucket/key, found /tmp/quotes.parquet"),
    ],
)
def test_bad_arguments_are_refused(lake: Lake, changes: dict[str, str], expected: str) -> None:
    job = lake.start(SCRIPT, *lake.arguments("day", **changes), stderr=subprocess.PIPE)
    _, errors = job.communicate(timeout=60)
    assert job.returncode == 2
    assert expected in errors.splitlines()[-1]


@pytest.mark.skipif(not REAL_DAY.exists(), reason=f"no real file at {REAL_DAY}: B3's data is not ours to ship")
def test_real_day_keeps_its_rows_and_volume(lake: Lake, later: dict[str, str | None]) -> None:
    assert later["real"] is None
    raw, table = lake.read(lake.raw("real", REAL_DATE)).read(), lake.read(lake.refined("real", REAL_DATE)).read()
    assert table.num_rows == raw.num_rows
    assert pc.sum(table["financial_volume"]) == pc.sum(raw["financial_volume"])
    assert pc.sum(table["quantity"]) == pc.sum(raw["quantity"])
    spot = table.filter(pc.field("market_type") == "010")
    classes = Counter(spot["asset_class"].to_pylist())
    assert 320 <= classes["stock"] + classes["unit"] <= 400
    assert classes["other"] <= 2
