"""Index portfolios and sectors in the daily DAG, on the simulated exchange: beside the quotes, never in their way."""

import datetime as dt
import json
import re
from decimal import Decimal

import pytest

from b3.calendar import sessions
from local.aws import calls
from local.exchange.files import cotahist_file
from local.exchange.market import indexes
from tests.infra import permissions

DATE = dt.date(2024, 5, 16)
FOLLOWING = sessions.next_session(DATE)
QUOTES = ("scrape", "upload", "crawl_raw", "refine", "crawl_refined", "validate.raw_and_refined_agree")
BESIDE = ("indexes.scrape", "indexes.upload", "indexes.complete", "sectors.scrape", "sectors.upload", "calendar_agrees")


@pytest.fixture
def exchange(lab):
    """What B3 has on DATE."""
    lab.publish(DATE)
    lab.publish_indexes(DATE)
    yield lab
    lab.withdraw_indexes()


@pytest.fixture(scope="module")
def portfolio():
    return indexes.portfolio("IBOV", DATE)


def test_a_session_has_its_portfolios_constituents_and_sectors(exchange, portfolio):
    outcome = exchange.run(DATE)

    assert outcome.status == 0, outcome.printed
    assert {task: outcome.state(task) for task in (*QUOTES, *BESIDE)} == dict.fromkeys((*QUOTES, *BESIDE), "success")
    assert exchange.query(
        "SELECT endpoint, count(*), sum(theoretical_quantity) FROM raw_index_portfolio "
        f"WHERE trade_date = date '{DATE}' GROUP BY endpoint ORDER BY endpoint"
    ) == [
        ["portfolio_day", str(len(portfolio.constituents)), str(portfolio.quantity)],
        *([name, str(len(of.constituents)), str(of.quantity)] for name, of in undated()),
    ]
    found = exchange.query(
        f"SELECT ticker, weight_pct, theoretical_quantity FROM index_stocks WHERE trade_date = date '{DATE}' "
        "ORDER BY ticker"
    )
    assert found == [
        [one.ticker, str(Decimal(one.weight).scaleb(-3)), str(one.quantity)]
        for one in sorted(portfolio.constituents, key=lambda one: one.ticker)
    ]


def undated():
    return ("preview", indexes.preview("IBOV", DATE)), ("theoretical", indexes.theoretical("IBOV", DATE))


def test_the_volume_of_a_constituent_is_that_of_its_three_markets(exchange, portfolio):
    ensure(exchange)
    columns = cotahist_file.session_columns(DATE)
    rows = list(zip(columns["ticker"], columns["market_type"], columns["financial_volume"].tolist(), strict=True))
    for one in portfolio.constituents:
        wanted = {(one.ticker, "010"), (one.ticker + "F", "020"), (one.ticker + "L", "017")}
        cents = [volume for ticker, kind, volume in rows if (text(ticker), text(kind)) in wanted]
        (found,) = exchange.query(
            f"SELECT total_financial_volume, market_count FROM index_stocks WHERE trade_date = date '{DATE}' "
            f"AND ticker = '{one.ticker}'"
        )
        assert found == [str(Decimal(sum(cents)).scaleb(-2)) if cents else None, str(len(cents))]


def text(value) -> str:
    return value.decode().rstrip() if isinstance(value, bytes) else str(value)


def ensure(lab):
    if not lab.objects(f"refined/index_stocks/trade_date={DATE}/"):
        outcome = lab.run(DATE)
        assert outcome.status == 0, outcome.printed


def test_run_again_it_reports_the_same_objects_without_a_new_version(exchange):
    ensure(exchange)
    before = exchange.objects()

    outcome = exchange.run(DATE)

    assert outcome.status == 0, outcome.printed
    assert exchange.objects() == before
    versions = exchange.s3.get_paginator("list_object_versions").paginate(Bucket=exchange.lake.home.bucket)
    keys = [version["Key"] for page in versions for version in page.get("Versions", []) if version["Key"] in before]
    of_the_day = [key for key in keys if str(DATE) in key]
    assert len(of_the_day) == len(set(of_the_day))
    by_volume, by_weight = re.split(r"top constituents of .* by weight", outcome.printed)
    assert f"top stocks of {DATE} by financial volume" in by_volume
    heaviest = exchange.query(
        f"SELECT ticker FROM stock_ranking WHERE trade_date = date '{DATE}' AND weight_rank <= 10 ORDER BY weight_rank"
    )
    assert len(heaviest) >= 10
    assert re.findall(r"^IBOV +\d+ +(\w+)", by_weight, re.MULTILINE) == [row[0] for row in heaviest]


def test_a_portfolio_of_the_next_session_never_lands_under_this_one(exchange):
    """As on a Sunday or a holiday: B3 names the session to come."""
    exchange.publish(FOLLOWING)
    exchange.publish_indexes(sessions.next_session(FOLLOWING))

    outcome = exchange.run(FOLLOWING)

    assert outcome.status == 0, outcome.printed
    assert {outcome.state(task) for task in QUOTES} == {"success"}
    assert {outcome.state(task) for task in BESIDE if task != "calendar_agrees"} == {"skipped"}
    assert outcome.state("validate.index_stocks_are_one_generation") == "skipped"
    assert re.search(
        rf"skipped +indexes\.scrape .*\n.*{FOLLOWING}.*{sessions.next_session(FOLLOWING)}", outcome.printed
    )
    assert not [key for key in exchange.objects() if f"{FOLLOWING}" in key and not re.search("quotes|findings", key)]
    assert f"landing/index/IBOV/portfolio_day/{sessions.next_session(FOLLOWING)}.json" in exchange.objects()


def test_a_bad_portfolio_and_another_holiday_fail_the_run_and_quotes_and_another_index_still_arrive(exchange):
    date = sessions.next_session(sessions.next_session(FOLLOWING))
    exchange.publish(date)
    exchange.publish_indexes(date)
    exchange.publish_indexes(date, "SMLL")
    answer, page = exchange.exchange / "GetPortfolioDay.IBOV.json", exchange.exchange / "feriados.html"
    answer.write_bytes(answer.read_bytes().replace(b'"cod"', b'"code"'))
    page.write_text(page.read_text().replace("Não haverá negociação", "Haverá negociação", 1))

    outcome = exchange.run(date)

    assert outcome.status == 1
    assert outcome.state("indexes.scrape") == "success"
    assert outcome.state("indexes.complete") == "failed"
    assert re.search(r"expected the fields .*found no cod and an unknown code", outcome.printed), outcome.printed
    assert any(key.endswith("/GetPortfolioDay.IBOV.json") for key in exchange.objects("landing/rejected/"))
    assert outcome.state("calendar_agrees") == "failed"
    assert re.search(r"CalendarDiffers: .*expected .*found", outcome.printed), outcome.printed
    assert {outcome.state(task) for task in QUOTES} == {"success"}
    assert outcome.state("validate.index_stocks_agree_with_the_portfolio") == "success"
    constituents = f"SELECT index_code, count(*) FROM index_stocks WHERE trade_date = date '{date}' GROUP BY index_code"
    assert exchange.query(constituents) == [["SMLL", str(len(indexes.portfolio("SMLL", date).constituents))]]
    ((rows,),) = exchange.query(f"SELECT count(*) FROM quotes WHERE trade_date = date '{date}'")
    assert int(rows) == len(cotahist_file.session_columns(date)["ticker"])
    assert not exchange.objects(f"landing/index/IBOV/portfolio_day/{date}")


def test_the_answers_are_kept_as_sent(exchange):
    ensure(exchange)
    for endpoint, method in (("portfolio_day", "GetPortfolioDay"), ("theoretical", "GetTheoreticalPortfolio")):
        kept = exchange.s3.get_object(
            Bucket=exchange.lake.home.bucket, Key=f"landing/index/IBOV/{endpoint}/{DATE}.json"
        )
        if endpoint == "portfolio_day":
            assert json.loads(kept["Body"].read()) == json.loads(
                (exchange.exchange / f"{method}.IBOV.json").read_bytes()
            )
        assert kept["Metadata"]["source"] == "replay"


def test_all_that_was_called_is_allowed_and_no_role_of_the_template_allows_more(exchange, recording):
    """A session captured with its indexes, and run again."""
    ensure(exchange)
    outcome = exchange.run(DATE)

    assert outcome.status == 0, outcome.printed
    assert permissions.compare(calls.read(recording), permissions.roles(exchange.lake.endpoint)) == []
