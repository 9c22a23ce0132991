"""Answers are kept for a while, failures for a shorter one."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from b3.page.recent import Busy, Recent


class Clock:
    """A clock that stands still until it is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def recent(clock):
    return Recent(60, 10, clock)


def test_an_answer_is_made_once_a_minute(recent, clock):
    answers = iter("ab")
    assert recent.get("year", lambda: next(answers)) == "a"
    clock.now = 59
    assert recent.get("year", lambda: next(answers)) == "a"
    clock.now = 60
    assert recent.get("year", lambda: next(answers)) == "b"


@pytest.mark.parametrize(("took", "kept"), [(5, 100), (30, 120)], ids=["twenty times as long", "two minutes at most"])
def test_what_takes_long_is_kept_longer(recent, clock, took, kept):
    def slow():
        clock.now += took
        return "a"

    assert recent.get("year", slow) == "a"
    clock.now = took + kept - 1
    assert recent.get("year", lambda: "b") == "a"
    clock.now = took + kept
    assert recent.get("year", lambda: "b") == "b"


def test_a_failure_that_took_long_is_forgotten_as_soon(recent, clock):
    def hang():
        clock.now += 26
        raise OSError("S3 is away")

    with pytest.raises(OSError, match="S3 is away"):
        recent.get("year", hang)
    clock.now = 26 + 10
    assert recent.get("year", lambda: "a") == "a"


def test_who_comes_while_an_answer_takes_long_is_told_so(recent, monkeypatch):
    monkeypatch.setattr("b3.page.recent._PATIENCE_SECONDS", 0.1)

    def slow():
        with pytest.raises(Busy, match="is being listed for somebody else"), ThreadPoolExecutor() as pool:
            pool.submit(recent.get, "another year", lambda: "b").result()
        return "a"

    assert recent.get("year", slow) == "a"


def test_each_key_has_its_answer(recent):
    assert recent.get(2023, lambda: "a") == "a" and recent.get(2024, lambda: "b") == "b"


def test_a_failure_is_raised_again_without_another_try_and_soon_forgotten(recent, clock):
    def fail():
        raise OSError("S3 is away")

    def unexpected():
        raise AssertionError("asked again")

    for make in (fail, unexpected):
        with pytest.raises(OSError, match="S3 is away"):
            recent.get("year", make)
    clock.now = 10
    assert recent.get("year", lambda: "a") == "a"
