"""Many sessions in one run of the Glue script: what it leaves must be what a run for each leaves.

The runs share one JVM (many_runs.py), but for the one that is killed.
"""

import datetime as dt
import functools
import hashlib
import itertools
import os
import signal
import subprocess
import threading
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from tests.include.glue.gate import Gate
from tests.include.glue.lake import (
    BUCKET,
    METADATA,
    RAW_SCHEMA,
    ROOT,
    SCRIPT,
    Lake,
    parquet_bytes,
    quote,
    raw_file,
    run_many,
)  # fmt: skip

# 2024-02-29 follows the longest month of February, 2024-03-04 a weekend.
SESSIONS = {
    dt.date(2024, 2, 28): dt.date(2024, 2, 27),
    dt.date(2024, 2, 29): dt.date(2024, 2, 28),
    dt.date(2024, 3, 1): dt.date(2024, 2, 29),
    dt.date(2024, 3, 4): dt.date(2024, 3, 1),
}
FIRST, SECOND, LARGE, LAST = SESSIONS
FORMER = b"what the partition held before"


def rows_of(date: dt.date) -> list[dict[str, Any]]:
    """A session's quotes; those of LARGE fill several row groups."""
    some = dt.timedelta(days=40)
    small = [
        quote("ABCD3", "10.10", source_date=date, forward_days=None),
        quote("ABCD3F", "10.07", source_date=date, market_type="020", bdi_code="96", quantity=date.day),
        quote("ABCD3T", "10.20", source_date=date, market_type="030", forward_days=30),
        quote("ABCD3T", "10.30", source_date=date, market_type="030", forward_days=90),
        quote("BOVX11", "123.45", source_date=date, isin="BRBOVXCTF003", specification="CI"),
        quote("BOVX11F", "123.40", source_date=date, isin="BRBOVXCTF003", market_type="020", bdi_code="96"),
    ]
    if date == SECOND:
        return [*small, *odd_rows(date)]
    if date != LARGE:
        return small[:: 1 if date == FIRST else -1]
    options = [
        quote(
            f"OPTA{n % 9000:04}",
            f"{n % 997 / 100 + 1:.2f}",
            source_date=date,
            market_type="070" if n < 9000 else "080",
            expiry_date=date + some,
            open=Decimal(f"{n % 89 / 100 + 1:.2f}"),
            high=Decimal("99.99"),
            low=Decimal("0.01"),
        )
        for n in range(12_000)
    ]
    # One more of a key amid many: who counts keys by groups must not rely on the order of these.
    return [*options, *small, quote("OPTA5000", source_date=date, market_type="070", expiry_date=date + some)]


def odd_rows(date: dt.date) -> list[dict[str, Any]]:
    """Five quotes that break a rule, one of them two; the key of one repeats."""
    twice = [quote("VGOA3T", price, source_date=date, market_type="030", forward_days=60) for price in ("1.90", "1.65")]
    return [
        quote("HIGH3", source_date=date, open=Decimal("11.00"), low=Decimal("10.00"), high=Decimal("10.00")),
        *twice,
        quote("FACT3", source_date=date, quote_factor=0),
        quote("CPFL3F", source_date=date, market_type="020", unreadable="forward_days 000f20"),
    ]


@functools.cache
def raw_of(date: dt.date) -> bytes:
    return raw_file(rows_of(date))


def key(folder: str, date: dt.date, name: str = "quotes") -> str:
    return f"{folder}/trade_date={date}/{name}.parquet"


def year(name: str, source: str | None = None, **changes: str) -> list[str]:
    given = {
        "sessions": "2024-02-28,29,2024-03-01,04",
        "previous_session": "2024-02-27",
        "source": f"s3://{BUCKET}/raw/{source or name}/",
        "target": f"s3://{BUCKET}/refined/{name}/",
        "findings": f"s3://{BUCKET}/findings/{name}/",
        **changes,
    }
    return [part for argument, value in given.items() for part in (f"--{argument}", value)]


def of_one_date(name: str, date: dt.date, source: str = "year") -> list[str]:
    return year(name, source, sessions=str(date), previous_session=str(SESSIONS[date]))


def put_year(lake: Lake, name: str, changed: dict[dt.date, bytes] | None = None, **metadata: str) -> None:
    for date in SESSIONS:
        body = (changed or {}).get(date, raw_of(date))
        lake.put(key(f"raw/{name}", date), body, {**METADATA, "rows": "6", **metadata})


def refined(lake: Lake, name: str, layer: str = "refined") -> dict[dt.date, str]:
    """ETags of the refined objects that are there, by session."""
    answer = lake.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{layer}/{name}/")
    return {
        dt.date.fromisoformat(entry["Key"].split("trade_date=")[1][:10]): entry["ETag"]
        for entry in answer.get("Contents", [])
    }


def versions(lake: Lake, name: str) -> dict[dt.date, int]:
    return {date: lake.versions(key(f"refined/{name}", date)) for date in SESSIONS}


def broken(date: dt.date, **columns: Any) -> bytes:
    return raw_file([*rows_of(date), quote("BADQ3", source_date=date, **columns)])


TABLE = pa.Table.from_pylist(rows_of(SECOND), RAW_SCHEMA)
# What is wrong with one session of the year, and what is said.
BAD = {
    "other_date": (LAST, broken(FIRST), "WrongTradeDate: expected every source_date to be 2024-03-04, found 7 of 7"),
    "stray_row": (
        SECOND,
        raw_file([*rows_of(SECOND), quote("STRA3", source_date=LAST)]),
        "WrongTradeDate: expected every source_date to be 2024-02-29, found 1 of 12 rows of 2024-03-04",
    ),
    "no_date": (
        SECOND,
        raw_file([*rows_of(SECOND), quote("STRA3", source_date=None)]),
        "WrongTradeDate: expected every source_date to be 2024-02-29, found 1 of 12 rows of none",
    ),
    "no_rows": (LAST, raw_file([]), "EmptySource: expected the quotes of 2024-03-04, found no rows"),
    "missing_column": (
        SECOND,
        parquet_bytes(TABLE.drop_columns(["isin"])),
        "SchemaMismatch: expected isin string, found no such column",
    ),
    "unexpected_column": (
        SECOND,
        parquet_bytes(TABLE.append_column("more", pa.array([1] * len(TABLE)))),
        "SchemaMismatch: expected more not to exist, found bigint",
    ),
    "wider_column": (
        SECOND,
        parquet_bytes(TABLE.set_column(0, RAW_SCHEMA.field(0), TABLE["source_date"]).cast(
            RAW_SCHEMA.set(RAW_SCHEMA.get_field_index("trade_count"), pa.field("trade_count", pa.int64()))
        )),
        "SchemaMismatch: expected trade_count int, found bigint",
    ),
    "empty_object": (LAST, b"", "SchemaMismatch: expected a Parquet file, found none in s3://lake/raw/empty_object/"),
    "not_parquet": (SECOND, b"<html>", "SchemaMismatch: expected a Parquet file, found none in s3://lake/raw/not_parquet/"),
}  # fmt: skip


@pytest.fixture(scope="module")
def killed(lake: Lake, gate: Gate) -> dict[dt.date, str]:
    """A run that is killed while it waits to put LAST: what lay there then."""
    put_year(lake, "killed")
    waiting = gate.hold(lambda method, path: method == "PUT" and "/refined/killed/" in path and str(LAST) in path)
    job = lake.through(gate).start(SCRIPT, *year("killed"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert waiting.arrived.wait(240)
        for _ in range(600):
            if len(refined(lake, "killed")) == len(SESSIONS) - 1:
                break
            threading.Event().wait(0.05)
    finally:
        os.killpg(job.pid, signal.SIGKILL)
        job.wait()
    left = refined(lake, "killed")
    gate.forget(waiting)
    return left


@pytest.fixture(scope="module")
def said(lake: Lake, gate: Gate, killed: dict[dt.date, str]) -> dict[str, str | None]:
    """The runs: the last line of what each had to say, None where it succeeded."""
    put_year(lake, "year")
    put_year(lake, "replaced")
    for date in SESSIONS:
        lake.put(key("refined/replaced", date), FORMER)
    for name, (date, body, _) in BAD.items():
        put_year(lake, name, {date: body})
        lake.put(key(f"refined/{name}", FIRST), FORMER)
    put_year(lake, "no_source")
    lake.s3.delete_object(Bucket=BUCKET, Key=key("raw/no_source", LARGE))
    put_year(lake, "overtaken")
    put_year(lake, "changed")
    runs = {
        **{f"daily {date}": of_one_date("daily", date) for date in SESSIONS},
        "year": year("year"),
        "year again": year("year"),
        **{f"daily again {date}": of_one_date("year", date) for date in SESSIONS},
        "replaced": year("replaced"),
        "killed": year("killed"),
        "after the daily ones": year("daily", "relabelled"),
        "simulated after real": year("replaced", "real"),
        "no_source": year("no_source"),
        "overtaken": year("overtaken"),
        "changed": year("changed"),
        **{name: year(name) for name in BAD},
    }
    put_year(lake, "relabelled", **{"source-url": "http://exchange.test/COTAHIST_A", "source-sha256": "ff" * 32})
    put_year(lake, "real", source="b3")

    overtaking = gate.hold(lambda method, path: method == "PUT" and "/refined/overtaken/" in path and str(LAST) in path)
    # The run lists the raw objects once it has read them.
    changing = gate.hold(lambda method, path: "list-type" in path and "raw%2Fchanged" in path)

    def interfere() -> None:
        overtaking.arrived.wait()
        lake.put(key("refined/overtaken", LAST), b"what a newer run put")
        overtaking.release()
        changing.arrived.wait()
        lake.put(key("raw/changed", LARGE), raw_file(rows_of(LARGE)[::-1]), METADATA)
        changing.release()

    threading.Thread(target=interfere, daemon=True).start()
    errors, printed = run_many(lake.through(gate).environ, SCRIPT, list(runs.values()), timeout=900)
    return {**dict(zip(runs, errors, strict=True)), "printed": printed}


def test_objects_are_byte_for_byte_those_of_a_run_for_each_session(lake: Lake, said: dict[str, str | None]) -> None:
    assert said["year"] is None
    assert {said[f"daily {date}"] for date in SESSIONS} == {None}
    assert refined(lake, "year") == refined(lake, "daily")
    assert refined(lake, "year").keys() == SESSIONS.keys()
    assert refined(lake, "year", "findings") == refined(lake, "daily", "findings")
    assert refined(lake, "year", "findings").keys() == SESSIONS.keys()


def test_the_findings_of_a_session_lie_with_it_and_no_other_has_any(lake: Lake, said: dict[str, str | None]) -> None:
    told = {date: lake.read(key("findings/year", date, "findings")).read().to_pylist() for date in SESSIONS}
    assert {date for date, rows in told.items() if rows} == {SECOND, LARGE}
    assert [(row["ticker"], row["rule"], row["file_line"]) for row in told[LARGE]] == [
        ("OPTA5000", "key_is_unique", 5002),
        ("OPTA5000", "key_is_unique", 12008),
    ]
    assert [(row["ticker"], row["rule"], row["file_line"]) for row in told[SECOND]] == [
        ("HIGH3", "prices_lie_within_low_and_high", 8),
        ("VGOA3T", "key_is_unique", 9),
        ("VGOA3T", "key_is_unique", 10),
        ("FACT3", "quote_factor_is_a_power_of_ten", 11),
        ("FACT3", "volume_fits_quantity", 11),
        ("CPFL3F", "fields_are_readable", 12),
    ]
    counts = lake.read(key("refined/year", SECOND)).read(["finding_count"])["finding_count"].to_pylist()
    assert sum(counts) == len(told[SECOND])
    assert "4 sessions, 12030 rows, 8 findings" in (said["printed"] or "")


def test_a_large_session_has_several_row_groups_in_the_order_of_its_key(
    lake: Lake, said: dict[str, str | None]
) -> None:
    file = lake.read(key("refined/year", LARGE))
    column = file.schema_arrow.get_field_index("ticker")
    groups = [file.metadata.row_group(n).column(column).statistics for n in range(file.num_row_groups)]
    assert file.num_row_groups > 2
    assert all(left.max <= right.min for left, right in itertools.pairwise(groups))


def test_each_session_has_its_own_date_and_the_session_before_it(lake: Lake, said: dict[str, str | None]) -> None:
    for date, before in SESSIONS.items():
        table = lake.read(key("refined/year", date)).read()
        assert set(table["source_date"].to_pylist()) == {date}
        assert set(table["previous_session"].to_pylist()) == {before}
        assert len(table) == len(rows_of(date))


def test_objects_carry_the_metadata_that_a_run_for_each_gives(lake: Lake, said: dict[str, str | None]) -> None:
    for date in SESSIONS:
        answer = lake.s3.get_object(Bucket=BUCKET, Key=key("refined/year", date))
        assert answer["Metadata"] == {
            **METADATA,
            "rows": str(len(rows_of(date))),
            "raw-etag": lake.etag(key("raw/year", date)).strip('"'),
            "content-sha256": hashlib.sha256(answer["Body"].read()).hexdigest(),
        }
        daily = lake.s3.head_object(Bucket=BUCKET, Key=key("refined/daily", date))
        assert daily["Metadata"] == answer["Metadata"]


def test_rerun_leaves_the_same_objects(lake: Lake, said: dict[str, str | None]) -> None:
    assert said["year again"] is None
    assert {said[f"daily again {date}"] for date in SESSIONS} == {None}
    assert set(versions(lake, "year").values()) == {1}


def test_what_daily_runs_made_from_other_files_is_left_alone(lake: Lake, said: dict[str, str | None]) -> None:
    assert said["after the daily ones"] is None
    assert set(versions(lake, "daily").values()) == {1}
    head = lake.s3.head_object(Bucket=BUCKET, Key=key("refined/daily", FIRST))
    assert head["Metadata"]["source-url"] == METADATA["source-url"]


def test_the_same_bytes_of_another_source_are_put(lake: Lake, said: dict[str, str | None]) -> None:
    assert (said["replaced"], said["simulated after real"]) == (None, None)
    assert set(versions(lake, "replaced").values()) == {3}
    assert refined(lake, "replaced") == refined(lake, "year")
    head = lake.s3.head_object(Bucket=BUCKET, Key=key("refined/replaced", FIRST))
    assert head["Metadata"]["source"] == "b3"


def test_killed_half_way_it_is_finished_by_the_next_run(
    lake: Lake, killed: dict[dt.date, str], said: dict[str, str | None]
) -> None:
    assert killed.keys() == SESSIONS.keys() - {LAST}
    assert said["killed"] is None
    assert refined(lake, "killed") == refined(lake, "year")
    assert set(versions(lake, "killed").values()) == {1}


@pytest.mark.parametrize("name", BAD)
def test_one_bad_session_is_named_and_no_session_is_replaced(
    lake: Lake, said: dict[str, str | None], name: str
) -> None:
    date, _, expected = BAD[name]
    found = said[name] or "succeeded"
    assert found.startswith(expected)
    assert key(f"s3://lake/raw/{name}", date) in found
    assert refined(lake, name) == {FIRST: f'"{hashlib.md5(FORMER).hexdigest()}"'}


def test_a_session_without_raw_object_is_named(lake: Lake, said: dict[str, str | None]) -> None:
    expected = (
        "MissingSource: expected a raw partition of each session, found no object at "
        "s3://lake/raw/no_source/trade_date=2024-03-01/quotes.parquet (and 0 like it)"
    )
    assert (said["no_source"] or "succeeded").startswith(expected)
    assert refined(lake, "no_source") == {}


def test_a_raw_object_replaced_meanwhile_stops_the_run(lake: Lake, said: dict[str, str | None]) -> None:
    assert (said["changed"] or "succeeded").startswith("ChangedSource: expected one version, found a new one")
    assert refined(lake, "changed") == {}


def test_what_a_newer_run_put_meanwhile_is_kept(lake: Lake, said: dict[str, str | None]) -> None:
    expected = f"Overtaken: expected s3://lake/{key('refined/overtaken', LAST)} as this run found it (no object)"
    assert (said["overtaken"] or "succeeded").startswith(expected)
    newer = lake.s3.get_object(Bucket=BUCKET, Key=key("refined/overtaken", LAST))["Body"].read()
    assert newer == b"what a newer run put"


def test_verdict_counts_what_was_put_and_what_was_left_alone(said: dict[str, str | None]) -> None:
    rows = sum(len(rows_of(date)) for date in SESSIONS)
    verdict = "s3://lake/refined/year/: 4 sessions, {} rows from s3://lake/raw/year/, 8 findings, {} put, {} left alone"
    assert f"committed {verdict.format(rows, 4, 0)}" in (said["printed"] or "")
    assert f"unchanged {verdict.format(rows, 0, 4)}" in (said["printed"] or "")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (year("x", previous_session="2024-02-28"), "expected --previous_session before 2024-02-28, found 2024-02-28"),
        (year("x", sessions="2024-02-28,9"), "expected YYYY-MM-DD, found 9"),
        (year("x", sessions="28,29"), "expected YYYY-MM-DD, found 28"),
        (year("x", sessions="2024-02-28,28"), "expected a session after 2024-02-28, found 2024-02-28"),
        (year("x", sessions="2024-02-28,30"), "expected YYYY-MM-DD, found 2024-02-30"),
        (year("x", target="s3://lake/refined/quotes"), "expected --target to end with /, found s3://lake/refined/quo"),
        (
            year("x", portfolio="s3://lake/p", index_target="s3://lake/i", last_rebalance="2024-01-02"),
            "expected one session beside portfolio, index_target, last_rebalance, found 4",
        ),
        (year("x")[2:], "the following arguments are required: --sessions"),
    ],
)
def test_bad_arguments_are_refused(lake: Lake, arguments: list[str], expected: str) -> None:
    job = lake.start(SCRIPT, *arguments, stderr=subprocess.PIPE)
    _, errors = job.communicate(timeout=60)
    assert job.returncode == 2
    assert expected in errors.splitlines()[-1]


def test_a_boto3_that_cannot_put_on_a_condition_is_known_as_such(lake: Lake) -> None:
    job = lake.start(ROOT / "tests/include/glue/old_boto3.py", stdout=subprocess.PIPE)
    output, _ = job.communicate(timeout=60)
    assert output.split() == ["True", "False"]
