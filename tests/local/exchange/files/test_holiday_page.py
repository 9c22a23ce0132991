"""The page with the days without trading, read as a browser does."""

from __future__ import annotations

import datetime as dt

import pytest
from bs4 import BeautifulSoup

from local.exchange.files import holiday_page
from local.exchange.market import trading_days
from local.exchange.simulation import Simulation

PATH = "/pt_br/solucoes/plataformas/puma-trading-system/para-participantes-e-traders/calendario-de-negociacao/feriados/"
MONTHS = [
    "Janeiro",
    "Fevereiro",
    "Março",
    "Abril",
    "Maio",
    "Junho",
    "Julho",
    "Agosto",
    "Setembro",
    "Outubro",
    "Novembro",
    "Dezembro",
]


def rows_of(html):
    """(date, event, market, text) of each row, dated by the headings of the accordion around it."""
    found = []
    for table in BeautifulSoup(html, "html.parser").find_all("table"):
        month, year = (li.a.get_text(strip=True) for li in table.find_parents("li", class_="accordion-navigation"))
        assert year.startswith("Calendário do mercado ")
        for row in table.tbody.find_all("tr"):
            day, *texts = (cell.get_text(strip=True) for cell in row.find_all("td"))
            found.append((dt.date(int(year[-4:]), MONTHS.index(month) + 1, int(day)), *texts))
    return found


def closures(rows):
    return {date for date, _, _, text in rows if "não haverá negociação" in text.lower()}


def weekdays_without_session(year):
    days = (dt.date(year, 1, 1) + dt.timedelta(days=n) for n in range(365 + (year % 4 == 0)))
    return {day for day in days if day.weekday() < 5 and not trading_days.is_session(day)}


@pytest.mark.parametrize("year", [1986, 1990, 1999, 2012, 2021, 2026])
def test_the_closures_are_the_weekdays_without_session(year):
    rows = rows_of(holiday_page.html(dt.date(year, 6, 1)))
    assert closures(rows) == weekdays_without_session(year) | weekdays_without_session(year + 1)


def test_days_on_which_the_market_was_closed_against_the_calendar_are_announced():
    closed = closures(rows_of(holiday_page.html(dt.date(1990, 1, 1))))
    assert {dt.date(1990, 3, day) for day in (14, 15, 16)} <= closed
    assert dt.date(1990, 3, 19) not in closed


def test_it_is_served_for_the_year_and_the_next(serving):
    with serving(Simulation(lambda: dt.date(2026, 12, 31))) as request:
        status, headers, body = request(PATH)
    assert status == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert {date.year for date, *_ in rows_of(body)} == {2026, 2027}


def test_days_on_which_b3_opens_are_listed_too():
    rows = rows_of(holiday_page.html(dt.date(2026, 1, 1)))
    opened = {date: event for date, event, *_ in rows if date not in closures(rows)}
    assert opened[dt.date(2026, 2, 18)] == "Quarta-feira de Cinzas"
    assert opened[dt.date(2026, 11, 26)] == "Feriado nos EUA - Thanksgiving Day"
    assert opened[dt.date(2027, 1, 18)] == "Feriado nos EUA - Martin Luther King Jr. Day"
    assert all(trading_days.is_session(date) for date in opened)


def test_a_day_may_have_two_rows():
    rows = rows_of(holiday_page.html(dt.date(2026, 1, 1)))
    assert sorted(event for date, event, *_ in rows if date == dt.date(2026, 9, 7)) == [
        "Feriado nos EUA - Labor Day",
        "Independência do Brasil",
    ]


def test_known_holidays_have_their_names():
    events = {
        date: event for date, event, market, _ in rows_of(holiday_page.html(dt.date(2026, 1, 1))) if "B3" in market
    }
    assert events[dt.date(2026, 2, 16)] == events[dt.date(2026, 2, 17)] == "Carnaval"
    assert events[dt.date(2026, 4, 3)] == "Paixão de Cristo"
    assert events[dt.date(2026, 6, 4)] == "Corpus Christi"
    assert events[dt.date(2026, 11, 20)] == "Consciência Negra"
