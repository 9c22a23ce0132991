import datetime as dt
from dataclasses import asdict
from types import SimpleNamespace

import pytest

from b3.airflow.tasks import indexes
from b3.calendar import known_sessions
from b3.errors import SourceError
from b3.indexes import land
from b3.indexes.land import CapturedPortfolios, LandedPortfolio
from b3.lake.landed import LandedFile

GOOD = LandedPortfolio(
    "IBOV", "portfolio_day", LandedFile("s3://lake/landing/index/IBOV/x.json", "https://x", "0", "b3")
)
HALF = CapturedPortfolios([GOOD], ["SMLL: expected an answer, found status 403"])
RUN = SimpleNamespace(run_type="scheduled", conf=None, logical_date=dt.datetime(2024, 3, 14, 3, tzinfo=dt.UTC))


class Task(SimpleNamespace):
    """A task instance in one of its tries, of which Airflow makes two more than the first."""

    max_tries = 2

    def xcom_push(self, key, value):
        pass


@pytest.fixture(autouse=True)
def half_of_b3_answers(monkeypatch):
    monkeypatch.setenv("B3_LAKE_BUCKET", "lake")
    monkeypatch.setenv("B3_INDEXES", "IBOV,SMLL")
    monkeypatch.setattr(known_sessions, "check_session", lambda *_: None)
    monkeypatch.setattr(land, "capture_portfolios", lambda *_: HALF)
    monkeypatch.setattr(indexes.lineage, "record", lambda *_, **__: None)


@pytest.mark.parametrize("number", [1, 2])
def test_an_answer_that_is_missing_beside_good_ones_is_asked_for_again(number):
    with pytest.raises(SourceError, match="every answer there and whole; found 1 that is not"):
        indexes.scrape.function(RUN, Task(try_number=number))


def test_the_last_try_goes_on_with_the_good_ones():
    assert indexes.scrape.function(RUN, Task(try_number=3)) == asdict(HALF)


def test_then_the_run_fails_for_good_at_its_end():
    with pytest.raises(Exception, match=r"^SourceError: B3's index portfolios") as failed:
        indexes.complete.function(asdict(HALF), Task(try_number=1))

    assert type(failed.value).__name__ == "AirflowFailException"
