import datetime as dt
import urllib.request
from zoneinfo import ZoneInfo

import pytest

from b3.indexes import portfolio
from b3.site.hook import B3Hook
from local.lake import home, source
from local.lake.source import Source
from tests.plugins.b3.exchange import Answer, Exchange

LIVE, SIMULATED = Source("live"), Source("simulated")


def sao_paulo(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("America/Sao_Paulo"))


@pytest.fixture
def b3(monkeypatch):
    """What answers in B3's place."""
    server = Exchange()
    monkeypatch.setattr("local.lake.source.QUOTES_HOST", server.url)
    yield server
    server.close()


class TestChoose:
    @pytest.mark.parametrize("kind", ["live", "simulated"])
    def test_takes_a_kind_by_name_and_asks_nobody(self, b3, kind):
        assert source.choose(kind) == Source(kind)
        assert b3.requests == []

    def test_takes_a_folder_for_a_replay_of_it(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path.parent)

        assert source.choose(str(tmp_path)) == Source("replay", tmp_path)
        assert source.choose(tmp_path.name) == Source("replay", tmp_path)

    @pytest.mark.parametrize("name", ["Live", "simulate", "/no/such/folder"])
    def test_refuses_anything_else(self, name):
        with pytest.raises(ValueError, match=rf"expected EXCHANGE=auto, live, simulated or a folder.*found '{name}'"):
            source.choose(name)

    @pytest.mark.parametrize("answer", [Answer(200, b"hello"), Answer(404), Answer(503)], ids=["200", "404", "503"])
    def test_auto_is_live_where_b3_answers_anything(self, b3, answer):
        b3.will(answer)

        assert source.choose("auto") == LIVE

    def test_auto_is_simulated_where_b3_breaks_off(self, b3):
        b3.will(Answer(fault="reset"))

        assert source.choose("auto") == SIMULATED

    def test_auto_is_simulated_where_nothing_answers(self, b3):
        b3.close()

        assert source.choose("auto") == SIMULATED


class TestASource:
    def test_belongs_in_the_lake_of_real_or_of_simulated_data(self, tmp_path):
        assert (LIVE.data, Source("replay", tmp_path).data, SIMULATED.data) == (home.REAL, home.REAL, home.SIMULATED)

    def test_says_what_it_is(self, tmp_path):
        assert str(LIVE) == "B3 itself, https://bvmf.bmfbovespa.com.br"
        assert "SIMULATED" in str(SIMULATED)
        assert str(Source("replay", tmp_path)) == f"replay of the files in {tmp_path}"


class TestLastSession:
    @pytest.mark.parametrize("kind", ["live", "simulated"])
    @pytest.mark.parametrize(
        ("now", "expected"),
        [
            (sao_paulo("2024-03-14T22:44:59"), "2024-03-13"),
            (sao_paulo("2024-03-14T22:45"), "2024-03-14"),
            (dt.datetime(2024, 3, 15, 1, 45, tzinfo=dt.UTC), "2024-03-14"),
            (dt.datetime(2024, 3, 15, 1, 44, tzinfo=dt.UTC), "2024-03-13"),
            (sao_paulo("2024-03-15T00:10"), "2024-03-14"),
            (sao_paulo("2024-03-16T12:00"), "2024-03-15"),
            (sao_paulo("2024-03-17T23:59"), "2024-03-15"),
            (sao_paulo("2024-03-18T09:00"), "2024-03-15"),
            (sao_paulo("2020-05-01T23:00"), "2020-04-30"),
            (sao_paulo("2025-01-01T23:00"), "2024-12-30"),
        ],
        ids=[
            "just before publication ends",
            "publication over",
            "the same, told in UTC",
            "a minute before, told in UTC",
            "after midnight",
            "Saturday",
            "Sunday night",
            "Monday morning",
            "evening of a holiday",
            "New Year",
        ],
    )
    def test_is_the_newest_that_b3_has_published(self, kind, now, expected):
        assert source.last_session(Source(kind), now) == dt.date.fromisoformat(expected)

    def test_of_a_folder_is_its_newest_daily_file(self, tmp_path):
        for name in (
            "COTAHIST_D30042020.ZIP",
            "COTAHIST_D04052020.ZIP",
            "COTAHIST_D28012014.ZIP",
            "COTAHIST_M122021.ZIP",
            "COTAHIST_D31122023.demo.ZIP",
            "notes.txt",
        ):
            (tmp_path / name).touch()

        assert source.last_session(Source("replay", tmp_path), sao_paulo("2024-03-14T12:00")) == dt.date(2020, 5, 4)

    def test_of_a_folder_without_one_is_an_error_that_names_it(self, tmp_path):
        (tmp_path / "COTAHIST_A2020.ZIP").touch()

        with pytest.raises(
            ValueError, match=rf"expected files named COTAHIST_D<ddmmyyyy>\.ZIP in {tmp_path}, found none"
        ):
            source.last_session(Source("replay", tmp_path), sao_paulo("2024-03-14T12:00"))


class TestServe:
    def test_b3_itself_needs_no_server(self):
        with source.serve(LIVE) as url:
            assert url == ""

    def test_a_folder_is_served_at_b3s_paths(self, tmp_path):
        (tmp_path / "COTAHIST_D30042020.ZIP").write_bytes(b"PK as recorded")

        with (
            source.serve(Source("replay", tmp_path)) as url,
            urllib.request.urlopen(f"{url}/InstDados/SerHist/COTAHIST_D30042020.ZIP") as answer,
        ):
            assert answer.read() == b"PK as recorded"


class TestIndexes:
    @pytest.mark.parametrize("chosen", [LIVE, SIMULATED])
    def test_are_the_ibovespa_unless_the_caller_names_others(self, chosen, monkeypatch):
        assert chosen.indexes == "IBOV"

        monkeypatch.setenv("B3_INDEXES", "SMLL,IBXX")

        assert chosen.indexes == "SMLL,IBXX"

    def test_of_a_folder_are_those_it_has_portfolios_of(self, tmp_path):
        assert Source("replay", tmp_path).indexes == "none"

        for name in ("GetPortfolioDay.SMLL.json", "GetPortfolioDay.IBOV.json", "GetPortfolioDay.IBOV.page2.json"):
            (tmp_path / name).touch()

        assert Source("replay", tmp_path).indexes == "IBOV,SMLL"


def test_a_simulated_exchange_serves_the_portfolios_of_the_day_it_is_told():
    with source.serve(Source("simulated", today=dt.date(2024, 3, 14))) as url:
        page, _ = B3Hook(connection=Connection(url)).download_index("GetPortfolioDay", index="IBOV")

    assert portfolio.header_date(page) == dt.date(2024, 3, 14)


class Connection:
    """An Airflow connection to a URL."""

    def __init__(self, host: str) -> None:
        self.host, self.schema, self.port, self.extra_dejson = host, None, None, {}


@pytest.mark.parametrize(("today", "indexes"), [("1986-12-30", "none"), ("1998-01-05", "none"), ("2024-03-14", "IBOV")])
def test_no_index_is_asked_for_on_days_that_its_two_digits_of_the_year_cannot_name(monkeypatch, today, indexes):
    monkeypatch.delenv("B3_INDEXES", raising=False)
    assert Source("simulated", today=dt.date.fromisoformat(today)).indexes == indexes
