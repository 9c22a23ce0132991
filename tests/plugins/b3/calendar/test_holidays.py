import datetime as dt

import pytest

from b3.calendar import holidays, sessions
from b3.errors import BadLayout, CalendarDiffers, NotServed, TransientError, Unreadable
from local.exchange.files import holiday_page
from tests.plugins.b3.exchange import Answer

CLOSED = "Não haverá negociação nos mercados de renda variável."
OPEN = "Haverá negociação a partir das 13h00."
PAGE = holiday_page.html(dt.date(2026, 6, 1))


def html(*rows, month="Setembro", year="Calendário do mercado 2026"):
    """A page of one month, without any more than it takes; a row is the texts of its cells."""
    lines = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<html><title>Feriados</title><h2>{year}</h2><h3>{month}</h3><table>{lines}</table></html>".encode()


def weekday_closures(year):
    days = (dt.date(year, 1, 1) + dt.timedelta(days=n) for n in range(366))
    return {day for day in days if day.year == year and day.weekday() < 5 and not sessions.is_session(day)}


class TestThePage:
    def test_gives_the_closures_of_each_year(self):
        found = holidays.read_page(PAGE)

        assert found.keys() == {2026, 2027}
        assert dt.date(2026, 9, 7) in found[2026]
        assert dt.date(2027, 12, 24) in found[2027]
        assert found == {year: weekday_closures(year) for year in found}

    def test_has_days_on_which_b3_opens_which_are_no_closures(self):
        closed = set().union(*holidays.read_page(PAGE).values())

        assert "Quarta-feira de Cinzas" in PAGE.decode()
        assert dt.date(2026, 2, 18) not in closed
        assert "Thanksgiving Day" in PAGE.decode()
        assert dt.date(2026, 11, 26) not in closed

    def test_is_read_by_its_headings_and_texts_however_they_are_wrapped(self):
        page = f"""
            <nav><table><tr><td>Soluções</td></tr></table></nav>
            <div><button><span>CALENDÁRIO DO  MERCADO <b>2025</b></span></button><section><p><em> novembro </em></p>
            <div><table><thead><tr><th>Dia</th></tr></thead><tr><td><p>20</p></td><td>Consciência
            Negra</td><td>NÃO HAVERÁ <b>negociação</b></td></tr></table></div></section></div>
            <a>Calendário do mercado de 2026</a><h4>Abril</h4>
            <table><tr><td>3</td><td>Paixão</td><td>{CLOSED}</td></tr></table>
        """

        assert holidays.read_page(page.encode()) == {2025: {dt.date(2025, 11, 20)}, 2026: {dt.date(2026, 4, 3)}}

    def test_may_have_a_day_that_spans_several_rows(self):
        page = html(("07", "Labor Day", OPEN), ("Independência", CLOSED), ("08", "Outro", OPEN)).replace(
            b"<td>07", b'<td rowspan="2">07'
        )

        assert holidays.read_page(page) == {2026: {dt.date(2026, 9, 7)}}

    def test_may_have_its_headings_in_cells_like_any_other(self):
        heading = ("Dia", "Evento", "", "Descrição")
        february = html(
            heading,
            ("16", "Carnaval", "", f"Segmento BM&amp;FBOVESPA: {CLOSED}"),
            ("18", "Quarta-feira de Cinzas", "", "A negociação terá início às 13h."),
            ("16", "Washington's birthday (feriado EUA)", "", "A Câmara B3 fará o registro das operações."),
            month="Fevereiro",
        )
        december = html(heading, ("24", "Véspera de Natal", "", f"Listado B3 {CLOSED}"), month="Dezembro")

        assert holidays.read_page(february + december) == {2026: {dt.date(2026, 2, 16), dt.date(2026, 12, 24)}}

    @pytest.mark.parametrize("first", ["Data", "Dia útil", "", "16/02", "Segunda"])
    def test_has_no_other_word_for_a_day(self, first):
        with pytest.raises(BadLayout, match=rf"a day first in each row of the table of setembro 2026; found '{first} "):
            holidays.read_page(html((first, "Evento", "", "Descrição"), ("07", "x", CLOSED)))

    def test_has_no_closure_among_its_headings(self):
        with pytest.raises(BadLayout, match=r"a day first in each row of the table of setembro 2026; found 'Dia \|"):
            holidays.read_page(html(("Dia", "Carnaval", CLOSED), ("07", "x", CLOSED)))

    def test_may_announce_nothing_of_a_year_yet(self):
        assert holidays.read_page(html(("07", "x", CLOSED)) + html(year="Calendário do mercado 2027")).keys() == {2026}

    def test_has_no_month_of_the_year_before_for_a_year_whose_own_cannot_be_read(self):
        page = html(("07", "x", CLOSED)) + html(("07", "x", CLOSED), year="Calendário do mercado 2027", month="Sept.")

        with pytest.raises(BadLayout, match="a year and a month above each table; found 2027, no month"):
            holidays.read_page(page)

    @pytest.mark.parametrize(
        ("page", "message"),
        [
            (html(("7 e 8", "Carnaval", CLOSED)), r"a day first in each row of the table of setembro 2026; found '7 e"),
            (html(("31", "Nada", CLOSED)), r"a day of the month in the table of setembro 2026; found '31'"),
            (html(("07", "x", CLOSED), month="September"), "a year and a month above each table; found 2026, no month"),
            (
                html(("07", "x", CLOSED), year="Market calendar"),
                "a year and a month above each table; found no year, 9",
            ),
            (html(("07", "x", "Sem pregão")), 'rows that say "não haverá negociação"; found a web page, "Feriados"'),
            (b"<html><title>Access denied</title></html>", 'below "Calendário do mercado".* page, "Access denied"'),
            (b'{"error": 1}', "found b'{"),
            (b"", "found b''"),
        ],
        ids=["two days", "no such day", "no month", "no year", "no closure", "another page", "no page", "nothing"],
    )
    def test_that_cannot_be_read_is_refused(self, page, message):
        with pytest.raises(BadLayout, match=message) as error:
            holidays.read_page(page, source="https://www.b3.example/feriados/")

        assert error.value.source == "https://www.b3.example/feriados/"
        assert "bring b3.calendar.holidays up to it" in error.value.hint

    @pytest.mark.parametrize("year", ["0000", "1900", "1985", "2101", "9999"])
    def test_of_a_year_without_a_calendar_is_refused(self, year):
        with pytest.raises(BadLayout, match=f"expected a year from 1986 to 2100; found {year}"):
            holidays.read_page(html(("7", CLOSED), year=f"Calendário do mercado {year}"))


class TestDifferences:
    def test_are_none_where_both_agree(self):
        assert holidays.differences({year: weekday_closures(year) for year in (2019, 2024, 2026)}) == []

    def test_are_said_a_sentence_a_day_in_order(self):
        closures = {2026: weekday_closures(2026) - {dt.date(2026, 11, 20)} | {dt.date(2026, 7, 9)}}

        assert holidays.differences(closures) == [
            "Thursday 2026-07-09: B3 closes, the calendar has a session, so runs ask for it in vain",
            "Friday 2026-11-20: B3 opens, the calendar has it closed, so runs skip a session",
        ]

    def test_do_not_count_weekends(self):
        weekend = dt.date(2026, 11, 15)
        assert weekend.weekday() == 6

        assert holidays.differences({2026: weekday_closures(2026) | {weekend}}) == []

    def test_count_for_the_years_of_the_page_alone(self):
        found = holidays.differences({2026: set()})

        assert [line.split(":")[0].split()[1] for line in found] == sorted(map(str, weekday_closures(2026)))


class TestTheCheck:
    @pytest.fixture
    def check(self, exchange, hook_to):
        def run(answer):
            exchange.will(answer)
            holidays.check(hook_to(exchange.url, attempts=1))

        return run

    def test_passes_where_page_and_calendar_agree(self, check, exchange):
        check(Answer(body=PAGE))

        assert [request.path.rpartition("/calendario-de-negociacao")[2] for request in exchange.requests] == [
            "/feriados/"
        ]

    def test_raises_each_date_and_what_to_do(self, check, exchange):
        lines = PAGE.decode().splitlines()
        moved = [line.replace("<td>20</td>", "<td>19</td>") if "Consciência Negra" in line else line for line in lines]

        with pytest.raises(CalendarDiffers) as error:
            check(Answer(body="\n".join(moved).encode()))

        assert error.value.source == exchange.url + exchange.requests[0].path
        assert [line.split(":")[0] for line in error.value.found.split("; ")] == [
            "Thursday 2026-11-19",
            "Friday 2026-11-20",
        ]
        assert "Upgrade exchange_calendars" in error.value.hint

    def test_raises_what_nobody_foresaw_by_the_address(self, check, exchange, monkeypatch):
        monkeypatch.setattr(holidays, "differences", lambda _: 1 / 0)

        with pytest.raises(Unreadable, match="found ZeroDivisionError: ") as error:
            check(Answer(body=PAGE))

        assert error.value.source == exchange.url + exchange.requests[0].path

    @pytest.mark.parametrize(("answer", "kind"), [(Answer(404), NotServed), (Answer(520), TransientError)])
    def test_raises_what_the_hook_raises(self, check, answer, kind):
        with pytest.raises(kind):
            check(answer)


def test_years_of_which_the_calendar_is_not_sure_are_not_compared():
    assert holidays.differences({1990: {dt.date(1990, 3, 14)}, 1999: set()}) == []
