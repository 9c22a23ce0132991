"""The daily DAG, run by Airflow for real on the simulated exchange's files: green, repeatable, red where it must be."""

import datetime as dt
import io
import re
import zipfile
from decimal import Decimal
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from b3.airflow.run_dates import Period
from b3.quotes import cotahist
from infra.checkout import ROOT
from local.commands import run
from local.exchange.files import cotahist_file
from local.lake import home, query_client

DATE = dt.date(2024, 3, 14)
BEFORE = dt.date(2024, 3, 13)
TASKS = ("scrape", "upload", "crawl_raw", "refine", "crawl_refined")


@pytest.fixture(scope="module")
def expected():
    return cotahist.read_table(cotahist_file.session_file(DATE))


@pytest.fixture
def green(lab):
    """The lake with DATE in it."""
    if not lab.objects(f"refined/quotes/trade_date={DATE}/"):
        lab.publish(DATE)
        outcome = lab.run(DATE)
        assert outcome.status == 0, outcome.printed
    return lab


def former_partition(lab):
    """What readers see of DATE."""
    rows = lab.query(f"SELECT count(*), sum(financial_volume) FROM quotes WHERE trade_date = date '{DATE}'")
    return rows, lab.objects("refined/"), lab.objects("raw/")


def test_a_session_runs_green_and_keeps_every_row_and_cent(lab, expected):
    lab.publish(DATE)

    outcome = lab.run(DATE)

    assert outcome.status == 0, outcome.printed
    assert [outcome.state(task) for task in TASKS] == ["success"] * len(TASKS)
    assert len(re.findall(r"^  success +validate\.", outcome.printed, re.MULTILINE)) >= 8
    volume = sum(expected["financial_volume"].to_pylist(), Decimal(0))
    for table in ("raw_quotes", "quotes"):
        rows = lab.query(f"SELECT count(*), sum(financial_volume) FROM {table} WHERE trade_date = date '{DATE}'")
        assert rows == [[str(expected.num_rows), str(volume)]]
    assert sorted(lab.objects()) == [
        f"landing/quotes/COTAHIST_D{DATE:%d%m%Y}.ZIP",
        f"raw/quotes/trade_date={DATE}/quotes.parquet",
        f"refined/findings/trade_date={DATE}/findings.parquet",
        f"refined/quotes/trade_date={DATE}/quotes.parquet",
    ]


def test_the_source_bytes_are_kept_as_sent_with_their_origin(green):
    answer = green.s3.get_object(Bucket=green.lake.home.bucket, Key=f"landing/quotes/COTAHIST_D{DATE:%d%m%Y}.ZIP")

    assert answer["Body"].read() == cotahist_file.session_file(DATE)
    assert set(answer["Metadata"]) == {"source", "source-url", "source-sha256", "fetched-at"}


def test_running_again_leaves_the_same_objects_with_the_same_bytes_and_no_new_version(green):
    before = green.objects()

    outcome = green.run(DATE)

    assert outcome.status == 0, outcome.printed
    assert green.objects() == before
    versions = green.s3.list_object_versions(Bucket=green.lake.home.bucket)["Versions"]
    assert sorted(v["Key"] for v in versions if v["Key"] in before) == sorted(before)


def zip_of(text: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"COTAHIST_D{DATE:%d%m%Y}.TXT", text)
    return buffer.getvalue()


def without_records() -> bytes:
    lines = cotahist_file.session_records(DATE).splitlines(keepends=True)
    return zip_of(lines[0] + lines[-1][:31] + b"00000000002" + lines[-1][42:])


@pytest.mark.parametrize(
    ("answer", "task", "message"),
    [
        (cotahist_file.session_file(DATE)[:-4000], "scrape", r"Truncated: .*expected .*found"),
        (b"<html><title>Manuten\xe7\xe3o</title></html>", "scrape", r"NotB3Data: .*expected .*found .*Manuten"),
        (b"", "scrape", r"NotPublished: .*expected a ZIP file; found status 200 and not one byte"),
        (cotahist_file.session_file(BEFORE), "scrape", rf"WrongDate: .*expected .*{DATE}.*found .*{BEFORE}"),
        (without_records(), "scrape", rf"NoRecords: .*expected the quotes of {DATE}; found a header and a trailer"),
    ],
    ids=["truncated ZIP", "HTML page with status 200", "empty 200", "file of another date", "file without records"],
)
def test_a_bad_answer_fails_its_task_with_expected_and_found_and_readers_see_the_former_partition(
    green, answer, task, message
):
    before = former_partition(green)
    green.publish(DATE, answer)
    try:
        outcome = green.run(DATE)
    finally:
        green.publish(DATE)

    assert outcome.status == 1
    assert outcome.state(task) == "failed"
    assert re.search(message, outcome.printed), outcome.printed
    assert former_partition(green) == before


def test_a_glue_script_that_raises_fails_refine_and_readers_see_the_former_partition(green, tmp_path):
    before = former_partition(green)
    script = tmp_path / "refine_job.py"
    script.write_text("raise ValueError('expected a working script, found this one')\n")

    outcome = green.run(DATE, script=script)

    assert outcome.status == 1
    assert outcome.state("refine") == "failed"
    assert "expected a working script, found this one" in outcome.printed
    assert former_partition(green)[:2] == before[:2]


def test_a_violated_check_fails_with_a_sentence_and_figures(green):
    """The published object is replaced behind the pipeline's back; its checks, run alone, see it."""
    key = f"refined/quotes/trade_date={DATE}/quotes.parquet"
    bucket = green.lake.home.bucket
    good = green.s3.get_object(Bucket=bucket, Key=key)
    body = good["Body"].read()
    table = pq.read_table(io.BytesIO(body))
    spoiled = pa.concat_tables([table, table.slice(0, 1)])
    sink = io.BytesIO()
    pq.write_table(spoiled, sink)
    green.s3.put_object(Bucket=bucket, Key=key, Body=sink.getvalue())
    try:
        with pytest.raises(AssertionError, match=r"2 quotes share their key with another, as .*, found 0"):
            run_check(green, "key_is_unique")
        with pytest.raises(AssertionError, match=r"expected the same of quotes, found"):
            run_check(green, "raw_and_refined_agree")
    finally:
        green.s3.put_object(Bucket=bucket, Key=key, Body=body, Metadata=good["Metadata"])
    run_check(green, "key_is_unique")


def run_check(lab, name):
    """Run one check of include/sql/validate as the DAG renders it; its failure is an AssertionError."""
    templates = Environment(loader=FileSystemLoader(ROOT / "include" / "sql"), undefined=StrictUndefined)
    sql = templates.get_template(f"validate/{name}.sql").render(
        trade_date=lambda run: DATE, period=lambda run, ti: Period(DATE, DATE), dag_run=SimpleNamespace(), ti=None
    )
    try:
        query_client.query(lab.lake, sql)
    except query_client.QueryFailed as error:
        raise AssertionError(str(error)) from error


def test_a_closed_day_is_refused_with_the_sessions_around_it_and_writes_nothing(lab, capsys):
    before = lab.objects()

    status = run.main(["--date", "2020-05-01", "--exchange", str(lab.exchange)])

    said = capsys.readouterr().err
    assert status == 2
    assert "2020-05-01" in said
    assert "2020-04-30" in said
    assert "2020-05-04" in said
    assert lab.objects() == before


def test_without_b3_the_simulated_exchange_is_used_loudly_and_in_a_lake_of_its_own(lab, capsys, monkeypatch):
    monkeypatch.setattr("local.lake.source.why_out_of_reach", lambda: "no network here")
    monkeypatch.delenv("B3_AWS_CALLS")  # the recording is of the other lake
    before = lab.objects()

    status = run.main(["--date", DATE.isoformat()])

    printed = capsys.readouterr().out
    assert status == 0, printed
    assert "B3 does not answer from here (no network here)" in printed
    assert "SIMULATED" in printed
    assert home.last_used() == home.find(home.SIMULATED)
    assert lab.objects() == before
