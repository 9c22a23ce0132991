"""The pages of the lake in Airflow's UI. They need no script, and ask the machine that they come from for all."""

from __future__ import annotations

import calendar
import datetime as dt
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from pathlib import Path

from babel import dates
from jinja2 import Template
from markupsafe import Markup

from b3.page.overview import Overview, Year
from b3.page.states import Session, State
from b3.page.wording import word
from b3.report import templates
from b3.report.wording import LANGUAGES, Language

_FOLDER = Path(__file__).parent
_SHOWN = 20
# Months may have a session on a Saturday, as in 1986.
_FRIDAY, _SATURDAY = 5, 6


def lake_page(overview: Overview, language: Language) -> str:
    """Return the page on the lake: latest report, size and span, and sessions by state."""
    partial = [each for year in overview.years for each in reversed(year.sessions) if each.state == State.PARTIAL]
    return _render(
        "lake.html.j2",
        language,
        overview=overview,
        partial=partial[:_SHOWN],
        more=len(partial) - _SHOWN,
        months=months,
        states=list(State),
        counted=(State.COMPLETE, State.PARTIAL, State.MISSING),
    )


def report_page(trade_date: dt.date, reports: Sequence[dt.date], language: Language) -> str:
    """Return the page around a session's report, with ways to the reports before and after it.

    Args:
        trade_date: the session.
        reports: the sessions with a report, in order.
        language: of the page.
    """
    before, after = bisect_left(reports, trade_date), bisect_right(reports, trade_date)
    return _render(
        "report.html.j2",
        language,
        trade_date=trade_date,
        has_report=before < after,
        previous=reports[before - 1] if before else None,
        next=reports[after] if after < len(reports) else None,
    )


def problem_page(name: str, error: Exception, language: Language) -> str:
    """Return a page with one sentence and what an error says.

    Args:
        name: the sentence's name in WORDS.
        error: what went wrong.
        language: of the page.
    """
    return _render("problem.html.j2", language, name=name, error=error)


def months(year: Year) -> list[tuple[int, int, list[list[tuple[dt.date, Session | None] | None]]]]:
    """Return the months of a year: number, days in a week, and weeks from Monday.

    A day is a date with its session, or with None if B3 was closed. Days of other months are None. Saturday and Sunday
    are left out of a month without sessions on them.
    """
    by_date = {each.trade_date: each for each in year.sessions}
    found = []
    for month in range(1, 13):
        days = max((date.isoweekday() for date in by_date if date.month == month), default=0)
        width = max(days, _FRIDAY)
        weeks = [
            [(date, by_date.get(date)) if date.month == month else None for date in week[:width]]
            for week in calendar.Calendar().monthdatescalendar(year.number, month)
        ]
        found.append((month, width, [week for week in weeks if any(week)]))
    return found


def _size(language: Language, size: int) -> str:
    for unit, power in (("GB", 9), ("MB", 6), ("kB", 3)):
        if size >= 10**power:
            return f"{language.number(Decimal(size).scaleb(-power), 1)} {unit}"
    return f"{language.number(size)} B"


def _label(language: Language, session: Session) -> str:
    """Return what a cell of the calendar says to who points at it, or does not see it."""
    said = [word(language, session.state), *(word(language, reason) for reason in session.reasons)]
    if session.has_report:
        said.append(word(language, "has_report"))
    return f"{session.trade_date}: {'; '.join(said)}"


@cache
def _template(name: str) -> Template:
    environment = templates.environment(_FOLDER)
    environment.globals["style"] = Markup((_FOLDER / "page.css").read_text())
    return environment.get_template(name)


def _render(template: str, language: Language, **values: object) -> str:
    month_names = dates.get_month_names("wide", locale=language.locale)
    return _template(template).render(
        language=language,
        languages=LANGUAGES,
        word=lambda name: word(language, name),
        day=language.day,
        number=language.number,
        size=lambda value: _size(language, value),
        label=lambda session: _label(language, session),
        month_name=lambda month: month_names[month],
        **values,
    )
