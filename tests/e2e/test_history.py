"""A year through b3_history, and one of its sessions through b3_daily: the same objects."""

import datetime as dt
import io
from decimal import Decimal

import pytest

from local.exchange.files import cotahist_file
from local.exchange.market import oddities

YEAR = 1986
# The calendar has no session on the Saturday, and a key repeats on the second day.
DAYS = [dt.date(YEAR, 10, day) for day in (9, 10)] + [dt.date(YEAR, 11, day) for day in (21, 22)]
SATURDAY = DAYS[-1]
# Reports, and the figures of runs.
OF_RUNS = ("reports/", "metrics/")


@pytest.fixture(scope="module")
def year(lab):
    """The lake with the year in it, which has gone on to these sessions."""
    out = io.BytesIO()
    cotahist_file.write_archive(out, f"COTAHIST_A{YEAR}.ZIP", DAYS)
    lab.publish_year(YEAR, out.getvalue())
    outcome = lab.run_year(YEAR)
    assert outcome.status == 0, outcome.printed
    return lab


def partitions(year):
    """The year's objects but for those which tell of a run, too."""
    found = year.objects(of=f"trade_date={YEAR}-")
    return {key: etag for key, etag in found.items() if not key.startswith(OF_RUNS)}


def versions_of(year):
    return {(key, version) for key, version in year.versions(f"trade_date={YEAR}-") if not key.startswith(OF_RUNS)}


def test_the_last_session_has_a_report(year):
    found = year.objects("reports/", of=f"trade_date={YEAR}-")
    assert list(found) == [f"reports/trade_date={SATURDAY}/index.html"]


def test_every_session_of_the_year_arrives(year):
    assert sorted(partitions(year)) == [
        f"{layer}/{table}/trade_date={day}/{table}.parquet"
        for layer, table in (("raw", "quotes"), ("refined", "findings"), ("refined", "quotes"))
        for day in DAYS
    ]
    assert list(year.objects("landing/quotes/", of=str(YEAR))) == [f"landing/quotes/COTAHIST_A{YEAR}.ZIP"]


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


def test_what_is_odd_in_old_sessions_is_published_and_told(year):
    planted = sorted(
        [str(day), found.rule, found.ticker, str(found.row + 2)] for day in DAYS for found in oddities.planted(day)
    )
    told = year.query(f"SELECT trade_date, rule, ticker, file_line FROM findings WHERE year(trade_date) = {YEAR}")
    assert sorted(told) == planted
    assert {rule for _, rule, _, _ in told} >= {"key_is_unique"}


@pytest.mark.parametrize("published", [True, False], ids=["daily file", "no daily file"])
def test_the_daily_dag_leaves_a_session_as_it_is_whether_its_daily_file_is_published_or_gone(year, published):
    """The Saturday is known to be a session by the landed year."""
    day = DAYS[1] if published else SATURDAY
    if published:
        year.publish(day)
    before, versions = partitions(year), versions_of(year)

    outcome = year.run(day)

    assert outcome.status == 0, outcome.printed
    assert partitions(year) == before
    assert versions_of(year) == versions
