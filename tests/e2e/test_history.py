"""A year through b3_history, and then its sessions through b3_daily: the same objects."""

import datetime as dt
import io
from decimal import Decimal

import pytest

from b3 import sessions
from local import history
from local.exchange import market
from local.source import Source

YEAR = 2011
DAYS = sessions.sessions(dt.date(YEAR, 1, 1), dt.date(YEAR, 1, 12))


@pytest.fixture(scope="module")
def archive():
    """B3's file of a year that has gone on to its first sessions."""
    out = io.BytesIO()
    market.write_archive(out, f"COTAHIST_A{YEAR}.ZIP", DAYS)
    return out.getvalue()


@pytest.fixture
def year(lab, archive):
    """The lake with the year in it."""
    if of_the_year(lab):
        return lab
    (lab.exchange / f"COTAHIST_A{YEAR}.ZIP").write_bytes(archive)
    lab.capture.readouterr()
    status = history.run(Source("replay", lab.exchange), YEAR, YEAR)
    printed = lab.capture.readouterr().out
    assert status == 0, printed
    return lab


def of_the_year(lab):
    return {key: etag for key, etag in lab.objects().items() if f"trade_date={YEAR}-" in key}


def test_every_session_of_the_year_arrives_and_the_daily_dag_leaves_it_as_it_is(year):
    before = of_the_year(year)

    assert sorted(before) == [
        f"{layer}/quotes/trade_date={day}/quotes.parquet" for layer in ("raw", "refined") for day in DAYS
    ]
    landed = [key for key in year.objects("landing/quotes/") if str(YEAR) in key]
    assert landed == [f"landing/quotes/COTAHIST_A{YEAR}.ZIP"]
    year.publish(DAYS[-1])
    outcome = year.run(DAYS[-1])
    assert outcome.status == 0, outcome.printed
    assert of_the_year(year) == before
    listed = year.s3.get_paginator("list_object_versions").paginate(Bucket=year.lake.home.bucket)
    versions = [entry["Key"] for page in listed for entry in page.get("Versions", []) if entry["Key"] in before]
    assert sorted(versions) == sorted(before)


def test_the_tables_have_every_row_and_cent(year):
    expected = [
        [str(day), str(len(columns["ticker"])), str(Decimal(sum(columns["financial_volume"].tolist())).scaleb(-2))]
        for day in DAYS
        for columns in [market.session_columns(day)]
    ]

    for table in ("raw_quotes", "quotes"):
        found = year.query(
            f"SELECT trade_date, count(*), sum(financial_volume) FROM {table} "
            f"WHERE year(trade_date) = {YEAR} GROUP BY trade_date ORDER BY trade_date"
        )
        assert found == expected


def test_a_session_whose_daily_file_is_gone_comes_from_the_year(year):
    day = DAYS[1]
    before = of_the_year(year)

    outcome = year.run(day)

    assert outcome.status == 0, outcome.printed
    assert of_the_year(year) == before
