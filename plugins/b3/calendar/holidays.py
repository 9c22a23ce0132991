"""Compare B3's page of trading holidays with the calendar that runs use.

The page is an accordion of years ("Calendário do mercado 2026") and months, with one table per month. A row begins
with the day. Not every row is a closure: the page also lists Ash Wednesday, on which B3 opens late, and holidays of the
United States. A closure says "Não haverá negociação". A heading row begins with "Dia", in td or th cells.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING

from bs4 import Tag

from b3.calendar import sessions
from b3.errors import BadLayout, CalendarDiffers, reading
from b3.site import markup, webpage

if TYPE_CHECKING:
    from b3.site.hook import B3Hook

MONTHS = (
    "janeiro",
    "fevereiro",
    "março",
    "abril",
    "maio",
    "junho",
    "julho",
    "agosto",
    "setembro",
    "outubro",
    "novembro",
    "dezembro",
)
_YEAR = re.compile(r"\W*calendário do mercado (?:de )?(\d{4})\W*")
_DAY = re.compile(r"\d{1,2}", re.ASCII)
# A heading has few texts. To read all texts of every element takes as many steps as they are deep.
_MOST_TEXTS = 20
_CLOSED = "não haverá negociação"
_HEADING = "dia"
_READ_PAGE = "B3 changed its page of trading holidays: open it, and bring b3.calendar.holidays up to it."


def check(hook: B3Hook) -> None:
    """Compare the page that B3 serves now with `b3.calendar.sessions`.

    Raises:
        CalendarDiffers: B3 announces other closures than the calendar has; the message names each date.
        BadLayout, Unreadable: the page can't be read.
        SourceError: or a subclass: B3 does not serve the page.
    """
    body, download = hook.download_holidays()
    with reading(download.url):
        found = differences(read_page(body, source=download.url))
    if found:
        raise CalendarDiffers(
            source=download.url,
            expected="the days without trading that b3.calendar.sessions has",
            found="; ".join(found),
            hint="Upgrade exchange_calendars in constraints.txt; if its newest release has it wrong too, correct the "
            "dates in b3.calendar.sessions.",
        )


def read_page(html: bytes, *, source: str = "page of trading holidays") -> dict[int, set[dt.date]]:
    """Return the closures on the page, by year. Years without any closure are left out.

    Args:
        html: the page.
        source: name of the page in messages.

    Raises:
        BadLayout: the bytes are another page, or a row can't be read.
    """
    closures: dict[int, set[dt.date]] = {}
    for year, month, table in _tables(html, source):
        for cells in _rows(table):
            table_name = f"the table of {MONTHS[month - 1]} {year}"
            closed = _CLOSED in " ".join(cells[1:]).casefold()
            if cells[0].casefold() == _HEADING and not closed:
                continue
            if not _DAY.fullmatch(cells[0]):
                raise _bad(source, f"a day first in each row of {table_name}", repr(" | ".join(cells)))
            try:
                date = dt.date(year, month, int(cells[0]))
            except ValueError:
                raise _bad(source, f"a day of the month in {table_name}", repr(cells[0])) from None
            if closed:
                closures.setdefault(year, set()).add(date)
    if not closures:
        found = webpage.found(html) or repr(html[:40])
        raise _bad(source, f'tables below "Calendário do mercado" and a year, with rows that say "{_CLOSED}"', found)
    return closures


def differences(closures: Mapping[int, set[dt.date]]) -> list[str]:
    """Return a sentence for each weekday on which the page and `b3.calendar.sessions` disagree, in order.

    Years before 2000 are left out, because the calendar is not sure of them.
    """
    found = []
    for year, closed in sorted(closures.items()):
        if year < sessions.CALENDAR_IS_SURE_FROM:
            continue
        first, last = dt.date(year, 1, 1), dt.date(year, 12, 31)
        known = set(sessions.sessions(first, last))
        for offset in range((last - first).days + 1):
            day = first + dt.timedelta(days=offset)
            if day.weekday() >= calendar.SATURDAY:
                continue
            if day in closed and day in known:
                found.append(f"{day:%A} {day}: B3 closes, the calendar has a session, so runs ask for it in vain")
            elif day not in closed and day not in known:
                found.append(f"{day:%A} {day}: B3 opens, the calendar has it closed, so runs skip a session")
    return found


def _tables(html: bytes, source: str) -> Iterator[tuple[int, int, Tag]]:
    """Yield the year and month of the headings above a table, and the table."""
    year = month = None
    page = markup.parse(html, source=source)
    tables = page.find_all("table")
    # Sets: to search each element for a table takes as many steps as the page has elements, times their depth.
    around = {id(parent) for table in tables for parent in table.parents}
    within = {id(element) for table in tables for element in table.find_all(True)}
    for element in page.find_all(True):
        if element.name == "table":
            if year is None and month is None:
                continue  # a table outside the accordion
            if year is None or month is None:
                raise _bad(source, "a year and a month above each table", f"{year or 'no year'}, {month or 'no month'}")
            yield year, month, element
        elif id(element) not in around and id(element) not in within:
            text = " ".join(" ".join(islice(element.strings, _MOST_TEXTS)).split()).casefold()
            if heading := _YEAR.fullmatch(text):
                if not sessions.FIRST_YEAR <= int(heading[1]) <= sessions.LAST_YEAR:
                    raise _bad(source, f"a year from {sessions.FIRST_YEAR} to {sessions.LAST_YEAR}", heading[1])
                if year != int(heading[1]):
                    year, month = int(heading[1]), None
            elif text in MONTHS:
                month = MONTHS.index(text) + 1


def _rows(table: Tag) -> Iterator[list[str]]:
    """Yield the cell texts of each row with td cells. A day that spans rows is repeated in each of them."""
    spanned, day = 0, ""
    for row in table.find_all("tr"):
        cells = row.find_all("td")
        if not cells:
            continue
        texts = [" ".join(cell.get_text(" ").split()) for cell in cells]
        if spanned:
            texts.insert(0, day)
            spanned -= 1
        else:
            day, span = texts[0], str(cells[0].get("rowspan", "1"))
            spanned = int(span) - 1 if _DAY.fullmatch(span) else 0
        yield texts


def _bad(source: str, expected: str, found: str) -> BadLayout:
    return BadLayout(source=source, expected=expected, found=found, hint=_READ_PAGE)
