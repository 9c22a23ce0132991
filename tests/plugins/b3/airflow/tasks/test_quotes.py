import datetime as dt
from types import SimpleNamespace

import pytest

from b3.airflow.tasks import quotes
from b3.errors import CalendarDiffers, Flood, RecordsLost, SourceError
from b3.quotes import raw
from b3.quotes.raw import RawQuotes


def refusal(kind):
    return kind(source="COTAHIST", expected="few odd rows", found="many", hint="Accept them.")


@pytest.fixture(autouse=True)
def lake(monkeypatch):
    monkeypatch.setenv("B3_LAKE_BUCKET", "lake")
    monkeypatch.setattr(quotes.aws, "s3_client", lambda: None)


def run_of(**conf):
    return SimpleNamespace(run_type="manual", conf=conf, logical_date=dt.datetime(2024, 3, 14, tzinfo=dt.UTC))


@pytest.mark.parametrize("kind", [Flood, RecordsLost, CalendarDiffers])
def test_what_only_a_person_can_accept_is_not_tried_again(monkeypatch, kind):
    def refuse(*_):
        raise refusal(kind)

    monkeypatch.setattr(raw, "write_quotes", refuse)

    with pytest.raises(Exception, match=f"^{kind.__name__}: ") as failed:
        quotes.upload.function(run_of(), ti=None)

    assert type(failed.value).__name__ == "AirflowFailException"


def test_what_may_pass_is_tried_again(monkeypatch):
    def fail(*_):
        raise refusal(SourceError)

    monkeypatch.setattr(raw, "write_quotes", fail)

    with pytest.raises(SourceError):
        quotes.upload.function(run_of(), ti=None)


@pytest.mark.parametrize("refused", [2003, 2005])
def test_a_year_that_is_refused_says_whether_years_before_it_are_written(monkeypatch, refused):
    def write(s3, lake, year, accepted):
        if year == refused:
            raise refusal(Flood)
        return RawQuotes([], [])

    monkeypatch.setattr(raw, "write_year", write)

    with pytest.raises(Exception, match=r"^Flood: ") as failed:
        quotes.upload_years.function(run_of(year=2003, last_year=2006), ti=None)

    assert type(failed.value).__name__ == "AirflowFailException"
    assert ("raw/ has the years of this run before 2005 already" in str(failed.value)) == (refused == 2005)
