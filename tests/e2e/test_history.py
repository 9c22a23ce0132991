"""A year through b3_history, and then its sessions through b3_daily: the same objects, or what the year corrected."""

import datetime as dt
import io
import re
import zipfile
from decimal import Decimal

import pytest

from b3.calendar import sessions
from local.commands import history
from local.exchange.files import cotahist_file
from local.exchange.market import indexes, oddities
from local.lake.source import Source

YEAR = 2011
DAYS = sessions.sessions(dt.date(YEAR, 1, 1), dt.date(YEAR, 1, 12))


@pytest.fixture(scope="module")
def archive():
    """B3's file of a year that has gone on to its first sessions."""
    out = io.BytesIO()
    cotahist_file.write_archive(out, f"COTAHIST_A{YEAR}.ZIP", DAYS)
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
        f"{layer}/{table}/trade_date={day}/{table}.parquet"
        for layer, table in (("raw", "quotes"), ("refined", "findings"), ("refined", "quotes"))
        for day in DAYS
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
        for columns in [cotahist_file.session_columns(day)]
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


# The calendar has no session on the Saturday, and a key repeats on the second day.
OLD_DAYS = [dt.date(1986, 10, day) for day in (9, 10)] + [dt.date(1986, 11, day) for day in (21, 22)]


def test_old_sessions_arrive_with_what_is_odd_in_them_and_the_daily_dag_leaves_them_as_they_are(lab):
    out = io.BytesIO()
    cotahist_file.write_archive(out, "COTAHIST_A1986.ZIP", OLD_DAYS)
    (lab.exchange / "COTAHIST_A1986.ZIP").write_bytes(out.getvalue())

    status = history.run(Source("replay", lab.exchange), 1986, 1986)

    printed = lab.capture.readouterr().out
    assert status == 0, printed
    assert [
        day for (day,) in lab.query("SELECT DISTINCT trade_date FROM quotes WHERE year(trade_date) = 1986 ORDER BY 1")
    ] == [str(day) for day in OLD_DAYS]
    planted = sorted(
        [str(day), found.rule, found.ticker, str(found.row + 2)] for day in OLD_DAYS for found in oddities.planted(day)
    )
    told = lab.query("SELECT trade_date, rule, ticker, file_line FROM findings WHERE year(trade_date) = 1986")
    assert sorted(told) == planted
    assert {rule for _, rule, _, _ in told} >= {"key_is_unique"}
    before = {key: etag for key, etag in lab.objects().items() if "trade_date=1986-" in key}
    assert len(before) == 3 * len(OLD_DAYS)

    for day in OLD_DAYS[1::2]:
        lab.publish(day)
        outcome = lab.run(day)
        assert outcome.status == 0, outcome.printed
    assert {key: etag for key, etag in lab.objects().items() if "trade_date=1986-" in key} == before


CORRECTED = 2012
FIRST, SECOND = sessions.sessions(dt.date(CORRECTED, 1, 1), dt.date(CORRECTED, 1, 3))


def test_what_the_year_corrected_b3_history_tells_of_and_b3_daily_brings_to_the_constituents(lab):
    """The daily file stays online as it was."""
    ticker = indexes.portfolio("IBOV", FIRST).constituents[0].ticker
    lab.publish(FIRST)
    lab.publish_indexes(FIRST)
    try:
        outcome = lab.run(FIRST)
        assert outcome.status == 0, outcome.printed
        former = volumes(lab, ticker)
        (lab.exchange / f"COTAHIST_A{CORRECTED}.ZIP").write_bytes(with_a_cent_more(ticker))
        status = history.run(Source("replay", lab.exchange), CORRECTED, CORRECTED)
        printed = " ".join(lab.capture.readouterr().out.split())
        corrected = volumes(lab, ticker)
        outcome = lab.run(FIRST)
    finally:
        lab.withdraw_indexes()

    cent = Decimal("0.01")
    assert status == 1
    assert re.findall(r"\d{4} failed (\S+)", printed) == ["validate.quotes_agree_with_index_stocks"]
    assert re.search(rf"IBOV {ticker} .*run b3_daily again, from scrape on, for {FIRST}'", printed), printed
    assert corrected == (former[0] + cent, former[1])
    assert outcome.status == 0, outcome.printed
    assert volumes(lab, ticker) == (former[0] + cent, former[1] + cent)


def with_a_cent_more(ticker: str) -> bytes:
    """B3's file of the year, with another volume of a share's round lot on FIRST than the daily file has."""
    out, packed = io.BytesIO(), io.BytesIO()
    cotahist_file.write_records(out, [FIRST, SECOND])
    lines = out.getvalue().splitlines(keepends=True)
    key = f"01{FIRST:%Y%m%d}02{ticker:<12}010".encode()
    (place,) = [place for place, line in enumerate(lines) if line.startswith(key)]
    line = lines[place]
    lines[place] = line[:170] + b"%018d" % (int(line[170:188]) + 1) + line[188:]
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"COTAHIST_A{CORRECTED}.TXT", b"".join(lines))
    return packed.getvalue()


def volumes(lab, ticker: str) -> tuple[Decimal, Decimal]:
    """The share's volume on FIRST: of its round lot in quotes, and of all its lots in index_stocks."""
    found = [
        lab.query(f"SELECT {column} FROM {table} WHERE trade_date = date '{FIRST}' AND ticker = '{ticker}'")
        for table, column in (("quotes", "financial_volume"), ("index_stocks", "total_financial_volume"))
    ]
    ((of_quotes,),), ((of_index_stocks,),) = found
    return Decimal(of_quotes), Decimal(of_index_stocks)
