"""B3's sector classification and its page of trading holidays are not as their readers expect."""

import datetime as dt
from typing import Any

import pytest

from b3.calendar import holidays
from b3.errors import SourceError
from b3.lake.layout import Lake
from b3.sectors import land
from local.exchange.files import holiday_page
from tests.faults.fault import Fault, Shown, shows
from tests.plugins.b3.exchange import Answer, Exchange
from tests.plugins.b3.indexes import index_pages as pages
from tests.plugins.b3.sectors.sector_workbook import HEADING, MAIN, ROWS, make_workbook, packed

DATE = dt.date(2026, 10, 5)
BOOK = make_workbook()
NAME = "GetDownloadIndustryClassification.xlsx"
RED = "The branch of the sectors fails; quotes and indexes do not wait for it. "
KEPT = RED + "The answer is in landing/rejected/; the classification that landed last stays."
# A few KB that unpack to more than a workbook may have.
BOMB = packed({"xl/workbook.xml": "<workbook/>" + " " * (8 << 20)})
# A byte of the directory's record of each member: its flags.
ENCRYPTED = BOOK.replace(b"PK\1\2\x14\x03\x14\0\0", b"PK\1\2\x14\x03\x14\0\1")
CELLS = packed({
    "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/'
    'relationships"><sheets><sheet name="a" sheetId="1" r:id="r"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="r" Target="worksheets/sheet7.xml"/></Relationships>',
    "xl/worksheets/sheet7.xml": f'<worksheet xmlns="{MAIN}"><sheetData>{"<row/>" * 300_000}</sheetData></worksheet>',
})  # fmt: skip


@pytest.fixture
def capture(exchange: Exchange, hook_to: Any, s3: Any, lake: Lake) -> Any:
    def run(answer: Answer, at: dt.date = DATE) -> Any:
        exchange.will(Answer(body=pages.day(header=pages.day_header(date=f"{at:%d/%m/%y}"))), answer)
        return land.capture_sectors(hook_to(exchange.url, attempts=1), s3, lake, DATE, "IBOV")

    return run


@shows(
    Fault("a web page comes in place of the workbook", 'NotB3Data: …expected an xlsx workbook; found a web page, "Em '
          'manutenção".', KEPT, "<html><title>Em manutenção</title></html>".encode()),
    Fault("the workbook is cut short", "Truncated: …expected a whole workbook; found File is not a zip file.", KEPT,
          BOOK[:-300]),
    Fault("the workbook is encrypted", "expected a workbook in a plain ZIP, not encrypted", KEPT, ENCRYPTED),
    Fault("a small workbook unpacks beyond measure", "expected a workbook that unpacks to at most 8388608 bytes; found "
          "8388619.", KEPT + " It is not unpacked.", BOMB),
    Fault("a small workbook has cells without end", "expected at most 200000 elements in xl/worksheets/sheet7.xml",
          KEPT + " It is read up to there.", CELLS),
    Fault("B3 renamed a heading of the workbook", "expected the heading 'SUBSETOR' in cell B3; found 'SUB-SETOR'.",
          KEPT + " Bring b3.sectors.workbook up to it.",
          make_workbook([*ROWS[:2], ("SETOR ECONÔMICO", "SUB-SETOR", *HEADING[0][2:]), *ROWS[3:]])),
    Fault("a company's code is in the workbook twice", "found MAQS", KEPT,
          make_workbook([*ROWS[:6], ("", "", "OUTRA", "MAQS"), *ROWS[6:]])),
)  # fmt: skip
def test_a_bad_workbook_is_kept_apart(fault: Shown, capture: Any, objects: Any) -> None:
    with pytest.raises(SourceError) as error:
        capture(Answer(body=fault.given))

    fault.is_seen(error.value)
    left = [f"landing/received/…/{name}" for name in (NAME, "GetPortfolioDay.IBOV.json")]
    fault.is_left(sorted(objects()), [*left, f"landing/rejected/…/{NAME}"])


@shows(
    Fault("the classification is asked for after its session", "OtherSession: B3's sector classification: expected "
          "that of 2026-10-05; found B3 at the session 2026-10-06.",
          "The branch of the sectors is skipped with this reason; the newest classification up to that day counts."),
)  # fmt: skip
def test_a_classification_of_a_later_session_is_not_taken(fault: Shown, capture: Any, objects: Any) -> None:
    with pytest.raises(SourceError) as error:
        capture(Answer(body=BOOK), at=dt.date(2026, 10, 6))

    fault.is_seen(error.value)
    fault.is_left(list(objects()), ["landing/received/…/GetPortfolioDay.IBOV.json"])


PAGE = holiday_page.html(dt.date(2026, 6, 1))
BESIDE = "The task `calendar_agrees` fails, and with it the run; the day's tables are written. "


@shows(
    Fault("B3 closes on a day that the calendar has open", "CalendarDiffers: …found Thursday 2026-11-19: B3 closes, "
          "the calendar has a session, so runs ask for it in vain", BESIDE + "Upgrade exchange_calendars.",
          PAGE.replace(b"<td>20</td>", b"<td>19</td>")),
    Fault("the page of holidays is nested without end", "expected a web page of at most 256 elements, one within the "
          "other; found 257.", BESIDE + "Open the address, and look at the page.", b"<div>" * 4000),
    Fault("the page of holidays is of 1900", "expected a year from 1986 to 2100; found 1900",
          BESIDE + "Bring b3.calendar.holidays up to the page.", PAGE.replace(b"2026", b"1900")),
    Fault("another page comes in place of the holidays", 'found a web page, "Acesso negado"',
          BESIDE + "Bring b3.calendar.holidays up to the page.", b"<html><title>Acesso negado</title></html>"),
)  # fmt: skip
def test_a_page_of_holidays_that_differs_writes_nothing(
    fault: Shown, exchange: Exchange, hook_to: Any, objects: Any
) -> None:
    exchange.will(Answer(body=fault.given))

    with pytest.raises(SourceError) as error:
        holidays.check(hook_to(exchange.url))

    fault.is_seen(error.value)
    fault.is_left(objects(), {})
