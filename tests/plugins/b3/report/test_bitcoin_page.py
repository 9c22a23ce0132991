import datetime as dt
from decimal import Decimal

import pytest

from b3.errors import SourceError
from b3.report import bitcoin_charts, bitcoin_page
from b3.report.wording import LANGUAGES
from tests.places import SQL

DAY = dt.date(2026, 10, 30)
QUERIES = {path.stem: path.read_text() for path in (SQL / "report_bitcoin").glob("*.sql")}


def minute(at, close, symbol="BTCBRL"):
    """A row of minutes.sql."""
    prices = {"open": Decimal(350_000), "high": Decimal(close) + 10, "low": Decimal(349_000), "close": Decimal(close)}
    return {"symbol": symbol, "time_of_day": at, **prices, "volume": Decimal("0.5"), "provider": "binance"}


MINUTES = [minute("00:00", 350_000), minute("00:01", 357_000), minute("00:00", 70_000, "BTCUSDT")]
SESSION = {
    "trade_date": DAY, "symbol": "BTCBRL", "bitcoin_change_pct": Decimal("1.5000"),
    "ibov_change_pct": Decimal("-0.2500"),
}  # fmt: skip


def page(minutes=MINUTES, sessions=(SESSION,), simulated=False):
    def ask(sql):
        assert f"date '{DAY}'" in sql
        return list(minutes if "date_format" in sql else sessions)

    return bitcoin_page.make(ask, QUERIES, DAY, simulated=simulated).decode()


def test_each_market_has_its_figures_and_its_day_in_both_languages():
    text = page()

    assert text.count("<h2>BTC") == 2
    assert '<span lang="en">+2.00%</span><span lang="pt-BR">+2,00%</span>' in text
    assert '<span lang="en">357,000.00</span>' in text
    assert text.count("<svg") == 2 * len(LANGUAGES)
    assert "binance" in text


def test_bitcoin_stands_against_the_ibov_with_their_difference():
    text = page()

    assert [text.count(f'<span lang="en">{each}</span>') for each in ("+1.50%", "−0.25%", "+1.75%")] == [1, 1, 1]


def test_without_a_session_that_has_both_it_says_so():
    assert "No session of the last 45 days" in page(sessions=())


def test_an_invented_price_is_told():
    assert "SIMULATED: no price here is real." in page(simulated=True)
    assert "SIMULATED" not in page()


def test_the_same_figures_are_the_same_bytes():
    assert page() == page()


def test_a_missing_minute_breaks_the_line():
    def path_of(minutes):
        return bitcoin_charts.prices(minutes, LANGUAGES[0])

    whole = path_of([minute(f"00:{number:02}", 350_000 + number) for number in range(10)])
    broken = path_of([minute(f"00:{number:02}", 350_000 + number) for number in range(10) if number != 5])

    assert broken.count("M") > whole.count("M")


def test_a_day_without_minutes_has_no_page():
    with pytest.raises(SourceError, match="expected minutes of 2026-10-30, to report on; found no row"):
        page(minutes=())


def test_a_query_that_does_not_ask_for_the_last_day_is_refused():
    with pytest.raises(ValueError, match="once, to put DATE in its place; found it 0x"):
        bitcoin_page.for_day("SELECT 1", DAY)
