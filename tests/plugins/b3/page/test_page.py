"""The pages say what the overview holds, in both languages, without script and without a request elsewhere."""

import datetime as dt
import re
from collections.abc import Iterable

import pytest

from b3.page import page
from b3.page.overview import Overview, Year
from b3.page.states import Reason, Session, State
from b3.page.wording import WORDS, chosen
from b3.report.wording import ENGLISH, PORTUGUESE

DAY = dt.date(2024, 3, 14)
PARTIAL = Session(dt.date(2024, 3, 15), State.PARTIAL, (Reason.STALE, Reason.NO_FINDINGS))
MISSING = Session(dt.date(2024, 3, 18), State.MISSING)
SESSIONS = [Session(DAY, State.COMPLETE, (), has_report=True), PARTIAL, MISSING]


def overview_of(sessions: Iterable[Session] = SESSIONS, **replaced) -> Overview:
    values = {
        "uri": "s3://a-lake/", "taken_at": dt.datetime(2024, 3, 19, 12, 30, tzinfo=dt.UTC),
        "dates": [DAY, PARTIAL.trade_date], "size": 1_234_567, "rows": "5628", "source": "b3", "behind": 1,
        "reports": [DAY], "per_year": {2024: 2}, "years": [Year(2024, list(sessions))],
    }  # fmt: skip
    return Overview(**{**values, **replaced})


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html.partition("</style>")[2]))


def cell(html: str, day: dt.date) -> str:
    [found] = [tag for tag in re.findall(r"<(?:a|span) class=\"cell[^>]*>", html) if f'"{day}: ' in tag]
    return found


def test_it_shows_the_latest_report_span_rows_and_size():
    html = page.lake_page(overview_of(), ENGLISH)
    text = text_of(html)

    assert 'href="reports/2024-03-14?language=en"' in html
    for said in ("Thursday, 14 March 2024", "2024-03-14 to 2024-03-15", "5,628 quotes", "1.2 MB", "s3://a-lake/",
                 "As of 2024-03-19 12:30 UTC", "complete: 1 · partial: 1 · missing: 1"):  # fmt: skip
        assert said in text


def test_it_speaks_portuguese():
    html = page.lake_page(overview_of(), PORTUGUESE)
    assert '<html lang="pt-BR">' in html
    for said in ("Último relatório", "1,2 MB", "5.628 cotações", "completos: 1 · parciais: 1 · ausentes: 1", "março"):
        assert said in text_of(html)


@pytest.mark.parametrize(
    ("asked", "accepted", "language"),
    [
        (None, "", ENGLISH), (None, "pt-BR,pt;q=0.9,en;q=0.8", PORTUGUESE), (None, "en-US,en;q=0.9,pt;q=0.1", ENGLISH),
        ("pt-BR", "en", PORTUGUESE), ("en", "pt-BR", ENGLISH), (None, "de", ENGLISH), ("<script>", "", ENGLISH),
    ],
)  # fmt: skip
def test_the_language_is_the_one_that_is_asked_for_else_the_browsers(asked, accepted, language):
    assert chosen(asked, accepted) == language


def test_each_word_differs_from_its_name_and_each_state_and_reason_has_one():
    assert {*State, *Reason} <= WORDS.keys()
    assert all(len(texts) == 2 and all(texts) for texts in WORDS.values())


def test_a_session_is_a_cell_with_its_state_its_reasons_and_its_report():
    html = page.lake_page(overview_of(), ENGLISH)

    assert 'class="cell complete" href="reports/2024-03-14?language=en"' in cell(html, DAY)
    assert 'aria-label="2024-03-14: complete; report"' in cell(html, DAY)
    reasons = "raw quotes were corrected after they were refined; findings are missing"
    assert f'aria-label="2024-03-15: partial; {reasons}"' in cell(html, PARTIAL.trade_date)
    assert 'class="cell missing" role="img"' in cell(html, MISSING.trade_date)


def test_partial_sessions_are_listed_with_their_reasons_latest_first_and_the_rest_counted():
    days = [dt.date(2024, 1, 1) + dt.timedelta(days=number) for number in range(25)]
    html = page.lake_page(overview_of(Session(day, State.PARTIAL, (Reason.NOT_REFINED,)) for day in days), ENGLISH)

    listed = re.findall(r'<th scope="row">(.*?)</th><td>in raw, not yet refined</td>', html)
    assert listed == [str(day) for day in reversed(days)][:20]
    assert "and more: 5" in text_of(html)


def test_a_lake_without_partial_sessions_has_no_list_of_them():
    assert "Partial sessions" not in page.lake_page(overview_of([SESSIONS[0]]), ENGLISH)


@pytest.mark.parametrize(("source", "said"), [("simulated", True), ("b3", False), ("", False)])
def test_simulated_is_said_where_the_source_says_so(source, said):
    html = page.lake_page(overview_of(source=source), ENGLISH)
    assert ("<title>B3 data lake SIMULATED</title>" in html) == said
    assert ("SIMULATED: an invented exchange" in html) == said


def test_an_empty_lake_says_what_to_do():
    empty = overview_of(dates=[], reports=[], per_year={}, years=[], rows="", source="")
    assert "Trigger b3_daily for a session" in page.lake_page(empty, ENGLISH)


def test_a_lake_without_a_report_says_so():
    assert "No session has a report yet." in page.lake_page(overview_of(reports=[]), ENGLISH)


def test_weekends_are_columns_only_in_a_month_with_a_session_on_them():
    saturday = Session(dt.date(2024, 3, 16), State.COMPLETE)
    found = page.months(Year(2024, [*SESSIONS, saturday]))

    widths = {month: width for month, width, _ in found}
    assert widths[3] == 6 and widths[4] == 5
    assert all(len(week) == width for _, width, weeks in found for week in weeks)
    assert (saturday.trade_date, saturday) in found[2][2][2]


@pytest.mark.parametrize("year", [2021, 2022, 2023, 2024])
def test_every_day_from_monday_to_friday_is_shown_once(year):
    shown = [day[0] for _, _, weeks in page.months(Year(year, [])) for week in weeks for day in week if day]
    days = (dt.date(year, 1, 1) + dt.timedelta(days=number) for number in range(366))
    assert shown == [day for day in days if day.year == year and day.isoweekday() <= 5]


@pytest.mark.parametrize(
    ("date", "previous", "following"),
    [(dt.date(2024, 3, 14), None, "2024-03-18"), (dt.date(2024, 3, 18), "2024-03-14", "2024-03-19"),
     (dt.date(2024, 3, 19), "2024-03-18", None)],
)  # fmt: skip
def test_a_report_leads_to_the_reports_before_and_after_it(date, previous, following):
    html = page.report_page(date, [dt.date(2024, 3, 14), dt.date(2024, 3, 18), dt.date(2024, 3, 19)], ENGLISH)

    assert f'<iframe src="{date}/index.html"' in html and " sandbox>" in html
    assert re.findall(r'rel="prev" href="(\S+)\?', html) == ([previous] if previous else [])
    assert re.findall(r'rel="next" href="(\S+)\?', html) == ([following] if following else [])


def test_a_session_without_a_report_says_so_between_its_neighbours():
    html = page.report_page(dt.date(2024, 3, 15), [DAY, dt.date(2024, 3, 18)], ENGLISH)
    assert "There is no report of 2024-03-15." in html and "<iframe" not in html
    assert 'rel="prev" href="2024-03-14?' in html and 'rel="next" href="2024-03-18?' in html


def test_a_problem_is_a_sentence_with_what_was_said_and_never_markup():
    html = page.problem_page("unreachable", ValueError("<b>no</b> answer"), ENGLISH)
    assert "The lake does not answer." in html and "&lt;b&gt;no&lt;/b&gt; answer" in html


@pytest.mark.parametrize("language", [ENGLISH, PORTUGUESE])
def test_no_page_has_a_script_or_leads_off_the_machine(language):
    for html in (page.lake_page(overview_of(source="simulated"), language), page.report_page(DAY, [DAY], language),
                 page.problem_page("unset", ValueError("?"), language)):  # fmt: skip
        assert not re.search(r"<script|<link|@import|url\(|https?://|\son\w+=", html)
