import datetime as dt
from dataclasses import asdict
from types import SimpleNamespace

import pytest

from b3.airflow.tasks import indexes, sectors
from b3.calendar import known_sessions
from b3.errors import OtherSession
from b3.indexes import land
from b3.indexes.land import CapturedPortfolios, LandedPortfolio
from b3.lake.landed import LandedFile

GOOD = LandedPortfolio(
    "IBOV", "portfolio_day", LandedFile("s3://lake/landing/index/IBOV/x.json", "https://x", "0", "b3")
)
HALF = CapturedPortfolios([GOOD], ["SMLL: expected an answer, found status 403"])
RUN = SimpleNamespace(run_type="scheduled", conf=None, logical_date=dt.datetime(2024, 3, 14, 3, tzinfo=dt.UTC))


class Task:
    """A task instance."""

    def xcom_push(self, key, value):
        pass


@pytest.fixture(autouse=True)
def half_of_b3_answers(monkeypatch):
    monkeypatch.setenv("B3_LAKE_BUCKET", "lake")
    monkeypatch.setenv("B3_INDEXES", "IBOV,SMLL")
    monkeypatch.setattr(known_sessions, "check_session", lambda *_: None)
    monkeypatch.setattr(land, "capture_portfolios", lambda *_: HALF)
    monkeypatch.setattr(indexes.lineage, "record", lambda *_, **__: None)


def test_an_answer_that_is_missing_keeps_no_other_portfolio_from_the_tables():
    assert indexes.scrape.function(RUN, Task()) == asdict(HALF)


def test_then_the_run_fails_at_once_and_for_good_while_b3_still_has_it():
    with pytest.raises(Exception, match=r"^SourceError: B3's index portfolios") as failed:
        indexes.complete.function(asdict(HALF), Task())

    assert type(failed.value).__name__ == "AirflowFailException"


class TestWithoutAnIndex:
    @pytest.fixture(autouse=True)
    def none(self, monkeypatch):
        monkeypatch.setenv("B3_INDEXES", "none")
        monkeypatch.setattr(land, "capture_portfolios", lambda *_: pytest.fail("B3 was asked"))

    def test_what_landed_for_the_session_is_used(self, monkeypatch):
        landed = CapturedPortfolios([GOOD], [])
        monkeypatch.setattr(land, "landed_portfolios", lambda s3, lake, date, asked: landed)

        assert indexes.scrape.function(RUN, Task()) == asdict(landed)

    def test_and_without_any_it_is_skipped(self, monkeypatch):
        def none(*_):
            raise OtherSession(source="landing", expected="portfolios", found="none", hint="")

        monkeypatch.setattr(land, "landed_portfolios", none)

        with pytest.raises(Exception, match="B3_INDEXES names no index") as skipped:
            indexes.scrape.function(RUN, Task())

        assert type(skipped.value).__name__ == "AirflowSkipException"

    def test_no_classification_of_sectors_is_asked_for(self):
        with pytest.raises(Exception, match="B3_INDEXES names no index"):
            sectors.scrape.function(RUN, Task())
