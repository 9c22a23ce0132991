"""Which files the simulated exchange has published, and what it answers for those it has not."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from b3.calendar import sessions
from local.exchange.files import cotahist_file
from local.exchange.market import trading_days
from local.exchange.simulation import Simulation

TODAY = dt.date(2021, 1, 12)


@pytest.fixture(scope="module")
def simulation():
    simulation = Simulation(lambda: TODAY)
    yield simulation
    simulation.close()


def body_of(answer):
    if isinstance(answer.body, bytes):
        return answer.body
    with answer.body as file:
        return file.read()


def ask(simulation, name):
    answer = simulation.historical_quotes(f"COTAHIST_{name}.ZIP")
    return answer, body_of(answer)


def text_of(archive):
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        return file.read(file.namelist()[0])


def test_the_daily_file_of_a_session_is_the_market_of_that_session(simulation):
    answer, body = ask(simulation, "D11012021")
    assert answer.status == 200
    assert body == cotahist_file.session_file(dt.date(2021, 1, 11))


def test_every_response_says_that_it_is_simulated(simulation, serving):
    names = ("D11012021", "D10012021", "D13012021", "M012021", "M022021", "A1985", "D99999999", "other")
    paths = ["/", *(f"/InstDados/SerHist/COTAHIST_{name}.ZIP" for name in names)]
    with serving(simulation) as request:
        for method in ("GET", "HEAD", "POST"):
            assert {request(path, method)[1]["X-B3-Source"] for path in paths} == {"simulated"}


def test_a_whole_month_goes_over_the_wire(simulation, serving):
    with serving(simulation) as request:
        status, headers, body = request("/InstDados/SerHist/COTAHIST_M012021.ZIP")
    assert (status, headers["Content-Length"]) == (200, str(len(body)))
    assert body == ask(simulation, "M012021")[1]


def test_a_day_without_file_is_answered_in_all_three_ways(simulation):
    days = [dt.date(2020, 1, 1) + dt.timedelta(days=n) for n in range(366)]
    answers = [ask(simulation, f"D{day:%d%m%Y}") for day in days if not sessions.is_session(day)]
    kinds = {(answer.status.value, body[:5]) for answer, body in answers}
    assert kinds == {(404, b"<html"), (200, b""), (200, b"<html")}


def test_the_way_depends_on_the_date_alone(simulation):
    assert ask(simulation, "D10012021") == ask(Simulation(lambda: dt.date(2024, 1, 1)), "D10012021")


@pytest.mark.parametrize("name", ["D13012021", "D14012021", "D15012021"])
def test_a_session_after_today_is_not_published(simulation, name):
    assert not ask(simulation, name)[1].startswith(b"PK")


@pytest.mark.parametrize("name", ["D31022020", "M132020", "A1985", "A2022", "M022021", "A0000", "D1"])
def test_a_period_that_does_not_exist_or_holds_no_session_yet_has_no_file(simulation, name):
    assert not ask(simulation, name)[1].startswith(b"PK")


@pytest.mark.parametrize("name", ["M012021", "A2021"])
def test_monthly_and_annual_files_are_the_sessions_so_far_one_after_the_other(simulation, name):
    answer, body = ask(simulation, name)
    lines = text_of(body).split(b"\r\n")
    days = sessions.sessions(dt.date(2021, 1, 1), TODAY)
    expected = [line for day in days for line in cotahist_file.session_records(day).split(b"\r\n")[1:-2]]
    assert lines[1:-2] == expected
    assert lines[0].rstrip() == b"00COTAHIST.2021BOVESPA 20210112"
    assert lines[-2].rstrip() == b"99COTAHIST.2021BOVESPA 20210112" + b"%011d" % (len(expected) + 2)
    assert answer.last_modified.date() == TODAY


@pytest.mark.parametrize("name", ["D0801", "M01", "A"])
@pytest.mark.parametrize(("year", "beside_quotes"), [(2024, 2), (2026, 0)])
def test_trailers_of_all_files_count_the_header_and_themselves_until_2024(name, year, beside_quotes):
    simulation = Simulation(lambda: dt.date(year, 1, 8))
    _, body = ask(simulation, f"{name}{year}")
    simulation.close()
    header, *quotes, trailer, _ = text_of(body).split(b"\r\n")
    assert header.startswith(b"00")
    assert int(trailer[31:42]) == len(quotes) + beside_quotes


def test_old_files_hold_the_sessions_of_the_market_and_not_those_of_the_calendar(simulation):
    quotes = text_of(ask(simulation, "M111986")[1]).split(b"\r\n")[1:-2]
    days = {dt.datetime.strptime(line[2:10].decode(), "%Y%m%d").date() for line in quotes}  # noqa: DTZ007
    first, last = dt.date(1986, 11, 1), dt.date(1986, 11, 30)
    assert sorted(days) == trading_days.sessions(first, last) != sessions.sessions(first, last)


def test_the_saturday_of_1986_has_a_file_and_a_day_of_closure_has_none(simulation):
    assert text_of(ask(simulation, f"D{trading_days.SATURDAY:%d%m%Y}")[1]).count(b"\r\n") == 3 + 2
    for name in ("D14031990", "D15031990", "D16031990"):
        assert not ask(simulation, name)[1].startswith(b"PK")


def test_the_month_grows_when_the_day_changes():
    today = dt.date(2021, 1, 4)
    simulation = Simulation(lambda: today)
    first, before = ask(simulation, "M012021")
    today = dt.date(2021, 1, 5)
    second, after = ask(simulation, "M012021")
    simulation.close()
    assert len(text_of(after)) > len(text_of(before))
    assert first.etag != second.etag


def test_requests_at_the_same_time_get_the_same_file():
    simulation = Simulation(lambda: TODAY)
    with ThreadPoolExecutor(8) as pool:
        names = ["D08012021", "D11012021"] * 8
        answers = list(pool.map(lambda name: ask(simulation, name), names))
    simulation.close()
    assert {len(body) for _, body in answers[::2]} == {len(answers[0][1])}
    assert len({answer.etag for answer, _ in answers}) == 2
