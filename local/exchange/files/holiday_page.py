"""Make B3's page of trading holidays: days without trading, and other notices that only look like them."""

from __future__ import annotations

import calendar
import datetime as dt
from collections import defaultdict
from typing import NamedTuple

from local.exchange.market import trading_days

_MONTHS = (
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
)
_FIXED = {
    (1, 1): "Confraternização Universal",
    (1, 25): "Aniversário de São Paulo",
    (4, 21): "Tiradentes",
    (5, 1): "Dia do Trabalho",
    (7, 9): "Revolução Constitucionalista",
    (9, 7): "Independência do Brasil",
    (10, 12): "Nossa Senhora Aparecida",
    (11, 2): "Finados",
    (11, 15): "Proclamação da República",
    (11, 20): "Consciência Negra",
    (12, 24): "Véspera de Natal",
    (12, 25): "Natal",
}
# Days from Easter Sunday.
_MOVABLE = {-48: "Carnaval", -47: "Carnaval", -2: "Paixão de Cristo", 60: "Corpus Christi"}
_ASH_WEDNESDAY = -46
_OTHER = "Sem expediente"

_CLOSED = "Não haverá negociação nos mercados de renda variável, renda fixa privada, câmbio e derivativos."
_LATE = "Haverá negociação a partir das 13h00."
_NO_DOLLARS = "Não haverá liquidação de operações de câmbio em dólares. Demais mercados: funcionamento normal."

# Month, weekday, and index of that weekday in the month; -1 is the last.
_AMERICAN = (
    (1, calendar.MONDAY, 2, "Martin Luther King Jr. Day"),
    (2, calendar.MONDAY, 2, "Presidents' Day"),
    (5, calendar.MONDAY, -1, "Memorial Day"),
    (9, calendar.MONDAY, 0, "Labor Day"),
    (11, calendar.THURSDAY, 3, "Thanksgiving Day"),
)
_AMERICAN_FIXED = ((6, 19, "Juneteenth"), (7, 4, "Independence Day"))


class Notice(NamedTuple):
    """A row of the page."""

    date: dt.date
    event: str
    market: str
    text: str


def notices(year: int) -> list[Notice]:
    """Return the rows of a year, by date: closures, Ash Wednesday, and holidays of the United States."""
    easter = _easter(year)
    movable = {easter + dt.timedelta(days=offset): name for offset, name in _MOVABLE.items()}
    first, last = dt.date(year, 1, 1), dt.date(year, 12, 31)
    opened = set(trading_days.sessions(first, last))
    days = (first + dt.timedelta(days=n) for n in range((last - first).days + 1))
    # B3 does not list weekends.
    closed = [day for day in days if day not in opened and day.weekday() < calendar.SATURDAY]
    found = [
        Notice(day, movable.get(day) or _FIXED.get((day.month, day.day), _OTHER), "Listado B3", _CLOSED)
        for day in closed
    ]
    ashes = easter + dt.timedelta(days=_ASH_WEDNESDAY)
    found.append(Notice(ashes, "Quarta-feira de Cinzas", "Listado B3", _LATE))
    found += [Notice(day, f"Feriado nos EUA - {name}", "Câmara de Câmbio", _NO_DOLLARS) for day, name in _abroad(year)]
    return sorted(found)


def _abroad(year: int) -> list[tuple[dt.date, str]]:
    by_weekday = [(_nth(year, month, weekday, which), name) for month, weekday, which, name in _AMERICAN]
    fixed = [(dt.date(year, month, day), name) for month, day, name in _AMERICAN_FIXED]
    return by_weekday + [(day, name) for day, name in fixed if day.weekday() < calendar.SATURDAY]


def _nth(year: int, month: int, weekday: int, which: int) -> dt.date:
    days = [dt.date(year, month, day) for day in range(1, calendar.monthrange(year, month)[1] + 1)]
    return [day for day in days if day.weekday() == weekday][which]


def _easter(year: int) -> dt.date:
    """Return Easter Sunday of a year, by the algorithm of Meeus, Jones and Butcher."""
    golden, century, of_century = year % 19, year // 100, year % 100
    epact = (19 * golden + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    weekday = (32 + 2 * (century % 4) + 2 * (of_century // 4) - epact - of_century % 4) % 7
    correction = (golden + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * correction + 114, 31)
    return dt.date(year, month, day + 1)


def html(today: dt.date) -> bytes:
    """Return the page as of `today`: an accordion of this year and the next, with one table per month."""
    years = "".join(_year(year) for year in (today.year, today.year + 1))
    return (
        '<!DOCTYPE html>\n<html lang="pt-br"><head><meta charset="utf-8"><title>Feriados | B3</title></head>\n'
        f'<body><h1>Feriados</h1>\n<ul class="accordion" data-accordion>\n{years}</ul>\n</body></html>\n'
    ).encode()


def _year(year: int) -> str:
    by_month: defaultdict[int, list[Notice]] = defaultdict(list)
    for notice in notices(year):
        by_month[notice.date.month].append(notice)
    months = "".join(_month(year, month, by_month[month]) for month in sorted(by_month))
    return (
        f'<li class="accordion-navigation"><a href="#panel{year}"><h2>Calendário do mercado {year}</h2></a>\n'
        f'<div id="panel{year}" class="content"><ul class="accordion" data-accordion>\n{months}</ul></div></li>\n'
    )


def _month(year: int, month: int, found: list[Notice]) -> str:
    panel = f"panel{year}-{month}"
    rows = "".join(
        f"<tr><td>{notice.date.day:02d}</td><td>{notice.event}</td><td>{notice.market}</td><td>{notice.text}</td></tr>\n"
        for notice in found
    )
    return (
        f'<li class="accordion-navigation"><a href="#{panel}">{_MONTHS[month - 1]}</a>\n'
        f'<div id="{panel}" class="content"><table>\n'
        "<thead><tr><th>Dia</th><th>Evento</th><th>Mercado</th><th>Descrição</th></tr></thead>\n"
        f"<tbody>\n{rows}</tbody></table></div></li>\n"
    )
