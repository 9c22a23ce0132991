"""The report is one object, put only if it changed."""

import datetime as dt
from typing import Any

import pytest

from b3.errors import SourceError
from b3.lake import layout
from b3.report import publish
from b3.report.figures import LAST_SESSION, for_session
from tests.plugins.b3.report.sample import DAY, figures

QUERIES = {name: f"SELECT '{name}', {LAST_SESSION}" for name in vars(figures()) if name != "trade_date"}


def ask(sql: str, **replaced: list[dict[str, Any]]) -> list[dict[str, Any]]:
    assert f"date '{DAY}'" in sql
    return getattr(figures(**replaced), sql.split("'")[1])


@pytest.fixture
def raw(s3, lake):
    s3.put_object(
        Bucket=lake.bucket, Key=layout.raw_quotes_key(DAY), Body=b"PAR1",
        Metadata={"source": "simulated", "source-url": "http://b3.example/A.ZIP", "source-sha256": "b" * 64},
    )  # fmt: skip


def versions(s3, lake) -> list[str]:
    found = s3.list_object_versions(Bucket=lake.bucket, Prefix="reports/").get("Versions", [])
    return [version["Key"] for version in found]


def test_a_page_is_put_with_its_type_and_says_its_figures(s3, lake, raw):
    report = publish.write_report(ask, s3, lake, QUERIES, DAY, None)

    answer = s3.get_object(Bucket=lake.bucket, Key="reports/trade_date=2024-03-14/index.html")
    page = answer["Body"].read()
    assert answer["ContentType"] == "text/html; charset=utf-8" and answer["Metadata"] == {"source": "simulated"}
    assert b"SIMULATED" in page and b"http://b3.example/A.ZIP" in page and b"b" * 64 in page
    assert report.uri == lake.uri("reports/trade_date=2024-03-14/index.html")
    assert report.summary == (
        "1,000 quotes of 2024-03-14; stocks and units R$ 30,201,482,714.17, 186 up, 208 down; "
        f"report: {report.uri}"
    )  # fmt: skip


def test_the_same_figures_leave_the_object_alone_and_others_replace_it(s3, lake, raw):
    publish.write_report(ask, s3, lake, QUERIES, DAY, None)
    publish.write_report(ask, s3, lake, QUERIES, DAY, None)
    assert len(versions(s3, lake)) == 1

    publish.write_report(lambda sql: ask(sql, findings=[]), s3, lake, QUERIES, DAY, None)
    assert len(versions(s3, lake)) == 2


def test_a_session_without_quotes_has_no_page(s3, lake):
    with pytest.raises(SourceError, match=r"Run b3_daily for that session"):
        publish.write_report(lambda sql: ask(sql, totals=[]), s3, lake, QUERIES, DAY, None)
    assert versions(s3, lake) == []


def test_a_query_that_asks_for_no_session_is_refused():
    with pytest.raises(ValueError, match="found it 0x"):
        for_session("SELECT 1", dt.date(2024, 3, 14))
