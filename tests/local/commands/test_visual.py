"""`make visual`: what it refuses; tests/e2e/test_daily.py runs it."""

import datetime as dt

import pytest

from local.commands import visual
from local.lake import home, query_client, servers, source


def test_without_a_lake_it_says_what_makes_one(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("B3_LOCAL_HOME", str(tmp_path))

    assert visual.main([]) == 1
    assert "there is no lake yet: `make run` makes one" in capsys.readouterr().err


@pytest.fixture
def lake(tmp_path) -> servers.Lake:
    return servers.Lake(home.Home(home.REAL, tmp_path), "http://127.0.0.1:1", {})


def answer(monkeypatch, session: str | None) -> None:
    """Let every query have this answer."""
    result = type("Result", (), {"rows": [[session]]})
    monkeypatch.setattr(query_client, "query", lambda lake, sql: result)


def test_takes_the_last_session_that_has_constituents(lake, monkeypatch):
    answer(monkeypatch, "2024-03-14")

    assert visual._last_session(lake) == dt.date(2024, 3, 14)


def test_a_lake_without_constituents_fails_with_its_sentence(lake, monkeypatch, capsys):
    answer(monkeypatch, None)
    monkeypatch.setattr(source, "asked_lake", lambda exchange: lake.home)
    monkeypatch.setattr(visual, "run", lambda lake_home, date: visual._last_session(lake))

    assert visual.main([]) == 1
    assert "expected constituents of an index in the lake in" in capsys.readouterr().err
