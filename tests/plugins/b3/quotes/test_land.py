import datetime as dt
import hashlib

import pytest

from b3.calendar import known_sessions, sessions
from b3.errors import (
    BadLayout,
    ClosedDay,
    NotB3Data,
    NotPublished,
    NotServed,
    SourceError,
    TransientError,
    Truncated,
    Unreadable,
    WrongDate,
)
from b3.lake import landed as landed_files
from b3.lake.landed import LandedFile
from b3.quotes import choose, land
from tests.plugins.b3.downloads import downloaded
from tests.plugins.b3.exchange import Answer
from tests.plugins.b3.quotes.cotahist.cotahist_lines import build_file, build_zip, record

DATE = dt.date(2020, 4, 30)
NAME = "COTAHIST_D30042020.ZIP"
KEY = f"landing/quotes/{NAME}"
SENT = build_zip(build_file([record(), record(CODNEG="SINT4")]))
CORRECTED = build_zip(build_file([record(), record(CODNEG="SINT4", PREULT=1051)]))


@pytest.fixture
def capture(exchange, hook_to, s3, lake):
    """Capture DATE from an exchange that gives this answer."""

    def run(answer: Answer, date: dt.date = DATE) -> LandedFile:
        exchange.will(answer)
        return land.capture_quotes(hook_to(exchange.url, attempts=1), s3, lake, date)

    return run


@pytest.fixture
def asked(exchange):
    """The file names the exchange was asked for."""
    return lambda: [request.path.rpartition("/")[2] for request in exchange.requests]


@pytest.fixture
def damage(s3, lake):
    """Replace an object's bytes under the metadata that it has."""

    def run(key: str) -> None:
        metadata = s3.head_object(Bucket=lake.bucket, Key=key)["Metadata"]
        s3.put_object(Bucket=lake.bucket, Key=key, Body=b"damaged", Metadata=metadata)

    return run


class TestAFileOfTheSession:
    def test_lands_byte_for_byte_with_its_origin(self, capture, exchange, s3, lake):
        landed = capture(Answer(body=SENT))

        sha256 = hashlib.sha256(SENT).hexdigest()
        url = f"{exchange.url}/InstDados/SerHist/{NAME}"
        assert landed == LandedFile(f"s3://{lake.bucket}/{KEY}", url, sha256, "b3")
        found = s3.get_object(Bucket=lake.bucket, Key=KEY)
        assert found["Body"].read() == SENT
        fetched_at = dt.datetime.fromisoformat(found["Metadata"].pop("fetched-at"))
        assert found["Metadata"] == {"source": "b3", "source-url": url, "source-sha256": sha256}
        assert abs(dt.datetime.now(dt.UTC) - fetched_at) < dt.timedelta(minutes=1)

    def test_is_the_only_object(self, capture, versions):
        capture(Answer(body=SENT))

        assert list(versions()) == [KEY]

    def test_carries_the_label_of_its_source(self, exchange, hook_to, s3, lake):
        exchange.will(Answer(body=SENT))

        land.capture_quotes(hook_to(exchange.url, source="simulated"), s3, lake, DATE)

        assert s3.head_object(Bucket=lake.bucket, Key=KEY)["Metadata"]["source"] == "simulated"

    def test_captured_again_is_left_as_it_is(self, capture, exchange, versions):
        first = capture(Answer(body=SENT))
        before = versions()

        assert capture(Answer(body=SENT)) == first

        assert versions() == before
        assert len(exchange.requests) == 2

    def test_whose_object_is_damaged_is_mended(self, capture, damage, body):
        capture(Answer(body=SENT))
        damage(KEY)

        capture(Answer(body=SENT))

        assert body(KEY) == SENT

    def test_corrected_by_b3_becomes_a_new_version_and_the_former_stays(self, capture, versions, body):
        capture(Answer(body=SENT))

        landed = capture(Answer(body=CORRECTED))

        assert landed.sha256 == hashlib.sha256(CORRECTED).hexdigest()
        assert body(KEY) == CORRECTED
        newest, former = versions()[KEY]
        assert body(KEY, VersionId=newest) == CORRECTED
        assert body(KEY, VersionId=former) == SENT


class TestAFileOfLanding:
    """Where a run is to ask nothing of B3."""

    def test_is_the_one_that_upload_reads(self, capture, exchange, s3, lake):
        landed = capture(Answer(body=SENT))
        asked = len(exchange.requests)

        assert land.landed_quotes(s3, lake, DATE) == landed
        assert len(exchange.requests) == asked

    def test_that_is_not_there_is_said(self, s3, lake):
        with pytest.raises(NotPublished, match=f"expected a file that holds {DATE} in landing/; found no object"):
            land.landed_quotes(s3, lake, DATE)
        with pytest.raises(NotPublished, match="expected B3's file of 2020 in landing/; found no object"):
            choose.landed_year(s3, lake, 2020)


class TestAFileB3NoLongerServes:
    def test_is_taken_as_landed(self, capture, versions):
        first = capture(Answer(body=SENT))
        before = versions()

        assert capture(Answer(404)) == first

        assert versions() == before

    @pytest.mark.parametrize("answer", [Answer(404), Answer(200, b"")], ids=["404", "empty 200"])
    def test_is_an_error_where_none_landed(self, capture, versions, answer):
        with pytest.raises(NotPublished):
            capture(answer)

        assert versions() == {}

    @pytest.mark.parametrize(
        ("answer", "error"),
        [(Answer(503), TransientError), (Answer(403), SourceError), (Answer(200, b""), NotPublished)],
        ids=["failing", "refusing", "empty 200"],
    )
    def test_is_not_assumed_of_any_other_answer(self, capture, versions, answer, error):
        capture(Answer(body=SENT))
        before = versions()

        with pytest.raises(error):
            capture(answer)

        assert versions() == before

    def test_is_not_taken_from_an_object_of_unknown_origin(self, capture, s3, lake):
        s3.put_object(Bucket=lake.bucket, Key=KEY, Body=SENT, Metadata={"source": "b3"})

        with pytest.raises(
            SourceError, match=rf"{KEY}: expected .*found one without source-sha256, source-url\. Delete"
        ):
            capture(Answer(404))


BAD_ANSWERS = {
    "a cut ZIP": (SENT[:-40], Truncated),
    "a cut text": (build_zip(build_file([record()], trailer_records=1745)), Truncated),
    "a deflated member that is said to be bzip2": (SENT.replace(b"\x08\x00", b"\x0c\x00"), Truncated),
    "a web page": (b"<html><title>Em manuten\xe7\xe3o</title></html>", NotB3Data),
    "another session": (build_zip(build_file([record(DATPRE=dt.date(2020, 4, 29))])), WrongDate),
    "another layout": (build_zip(build_file([record(PREULT="12,50")])), BadLayout),
}


class TestABadAnswer:
    @pytest.mark.parametrize(("sent", "error"), BAD_ANSWERS.values(), ids=BAD_ANSWERS)
    def test_is_kept_apart_and_the_landed_file_stays(self, capture, exchange, versions, body, lake, sent, error):
        capture(Answer(body=SENT))
        before = versions()

        with pytest.raises(error) as raised:
            capture(Answer(body=sent))

        kept = f"landing/rejected/{hashlib.sha256(sent).hexdigest()}/{NAME}"
        after = versions()
        assert body(kept) == sent
        assert len(after.pop(kept)) == 1
        assert after == before
        assert raised.value.source == f"{exchange.url}/InstDados/SerHist/{NAME}"
        assert raised.value.expected
        assert raised.value.found
        assert raised.value.__notes__ == [
            f"the {len(sent)} bytes that came from {raised.value.source} are kept in s3://{lake.bucket}/{kept}"
        ]

    def test_that_the_hook_refuses_is_kept_apart_too(self, capture, versions, body, lake):
        with pytest.raises(SourceError, match="one number in the header Content-Length") as raised:
            capture(Answer(body=SENT, headers={"Content-Length": "abc"}))

        kept = f"landing/rejected/{hashlib.sha256(SENT).hexdigest()}/{NAME}"
        assert list(versions()) == [kept]
        assert body(kept) == SENT
        assert raised.value.__notes__[0].endswith(f"are kept in s3://{lake.bucket}/{kept}")

    def test_never_lands_where_nothing_was(self, capture, versions):
        sent = BAD_ANSWERS["a cut ZIP"][0]

        with pytest.raises(Truncated):
            capture(Answer(body=sent))

        assert list(versions()) == [f"landing/rejected/{hashlib.sha256(sent).hexdigest()}/{NAME}"]

    def test_says_where_it_came_from(self, capture, s3, lake):
        sent = BAD_ANSWERS["a web page"][0]

        with pytest.raises(NotB3Data):
            capture(Answer(body=sent))

        sha256 = hashlib.sha256(sent).hexdigest()
        metadata = s3.head_object(Bucket=lake.bucket, Key=f"landing/rejected/{sha256}/{NAME}")["Metadata"]
        assert metadata.keys() == {"source", "source-url", "source-sha256", "fetched-at"}
        assert metadata["source-sha256"] == sha256

    def test_is_kept_once_however_often_it_comes(self, capture, versions):
        for _ in range(2):
            with pytest.raises(Truncated):
                capture(Answer(body=BAD_ANSWERS["a cut ZIP"][0]))

        (kept,) = versions().values()
        assert len(kept) == 1


class TestAFailureThatNobodyForesaw:
    def test_is_kept_and_said(self, capture, versions, monkeypatch):
        monkeypatch.setattr(land.cotahist, "verify", lambda *_, **__: 1 / 0)

        with pytest.raises(
            Unreadable, match=r"COTAHIST_D30042020\.ZIP: expected an answer that .*; found ZeroDivisionError"
        ):
            capture(Answer(body=SENT))

        assert list(versions()) == [f"landing/rejected/{hashlib.sha256(SENT).hexdigest()}/{NAME}"]


class TestAClosedDay:
    def test_is_refused_with_the_sessions_around_it_and_b3_is_not_asked(self, capture, exchange, versions):
        with pytest.raises(ClosedDay) as error:
            capture(Answer(body=SENT), dt.date(2020, 5, 1))

        assert (error.value.previous, error.value.following) == (DATE, dt.date(2020, 5, 4))
        assert str(error.value) == (
            "COTAHIST_D01052020.ZIP: expected a trading session; found Friday 2020-05-01, on which B3 was closed. "
            "Ask for 2020-04-30, the session before it, or 2020-05-04, the one after."
        )
        assert exchange.requests == []
        assert versions() == {}


class TestADayBefore2000:
    """The calendar has sessions on all weekdays of these; B3's file of the year decides."""

    BEFORE, CLOSED, AFTER = dt.date(1990, 3, 13), dt.date(1990, 3, 14), dt.date(1990, 3, 19)
    DAY, MONTH, YEAR = "COTAHIST_D14031990.ZIP", "COTAHIST_M031990.ZIP", "COTAHIST_A1990.ZIP"
    GONE = Answer(404)

    @pytest.fixture
    def capture(self, exchange, hook_to, s3, lake):
        """Capture a day from an exchange that gives these answers, in this order."""

        def run(date: dt.date, *answers: Answer) -> LandedFile:
            exchange.requests.clear()
            exchange.will(*answers)
            return land.capture_quotes(hook_to(exchange.url, attempts=1), s3, lake, date)

        return run

    @pytest.fixture
    def land_year(self, exchange, hook_to, s3, lake):
        def run(*days: dt.date) -> LandedFile:
            exchange.will(Answer(body=of_days(*days)))
            landed = land.capture_year(hook_to(exchange.url, attempts=1), s3, lake, days[0].year)
            exchange.requests.clear()
            return landed

        return run

    def test_that_the_landed_year_lacks_is_closed_and_b3_is_not_asked(self, capture, asked, land_year, versions):
        land_year(self.BEFORE, self.AFTER)
        before = versions()

        with pytest.raises(ClosedDay) as error:
            capture(self.CLOSED, Answer(body=SENT))

        assert (error.value.previous, error.value.following) == (self.BEFORE, self.AFTER)
        assert asked() == []
        assert versions() == before

    def test_that_b3s_year_lacks_is_closed_from_then_on(self, capture, asked, versions):
        gone = [self.GONE, self.GONE, Answer(body=of_days(self.BEFORE, self.AFTER))]

        with pytest.raises(ClosedDay, match=r"closed \(no record in COTAHIST_A1990\.ZIP\)") as error:
            capture(self.CLOSED, *gone)

        assert (error.value.previous, error.value.following) == (self.BEFORE, self.AFTER)
        assert asked() == [self.DAY, self.MONTH, self.YEAR]
        assert list(versions()) == [f"landing/quotes/{self.YEAR}"]
        with pytest.raises(ClosedDay):
            capture(self.CLOSED, *gone)
        assert asked() == []

    def test_that_b3s_month_lacks_is_looked_for_in_the_year(self, capture, asked):
        month = Answer(body=of_days(self.BEFORE, self.AFTER))

        with pytest.raises(ClosedDay):
            capture(self.CLOSED, self.GONE, month, Answer(body=of_days(self.BEFORE, self.AFTER)))

        assert asked() == [self.DAY, self.MONTH, self.YEAR]

    def test_that_a_landed_month_lacks_is_not_taken_from_it(self, capture, asked):
        month = Answer(body=of_days(self.BEFORE, self.AFTER))
        assert capture(self.BEFORE, self.GONE, month).uri.endswith(self.MONTH)

        with pytest.raises(ClosedDay):
            capture(self.CLOSED, self.GONE, month, Answer(body=of_days(self.BEFORE, self.AFTER)))

        assert asked() == [self.DAY, self.MONTH, self.YEAR]

    def test_after_the_last_session_of_a_year_that_goes_on_is_closed_if_b3s_lacks_it(self, capture):
        """A simulated exchange gives such a year, whose today is the day asked for."""
        served = Answer(body=of_days(dt.date(1990, 3, 12), self.BEFORE))

        with pytest.raises(ClosedDay, match=r"no record in COTAHIST_A1990\.ZIP") as error:
            capture(dt.date(1990, 3, 15), self.GONE, self.GONE, served)

        assert (error.value.previous, error.value.following) == (self.BEFORE, dt.date(1990, 3, 16))

    def test_of_which_b3_has_no_file_is_not_served(self, capture, asked, versions):
        with pytest.raises(NotServed) as error:
            capture(self.CLOSED, self.GONE)

        assert [note.partition(":")[0] for note in error.value.__notes__] == [
            f"nor is it in {self.MONTH}",
            f"nor is it in {self.YEAR}",
        ]
        assert asked() == [self.DAY, self.MONTH, self.YEAR]
        assert versions() == {}

    @pytest.mark.parametrize("served", ["by its day", "by its year", "not, but its year is in landing"])
    def test_that_is_a_saturday_is_taken_where_there_is_a_file_of_it(self, capture, asked, land_year, served):
        saturday, rest = dt.date(1986, 5, 24), [dt.date(1986, 5, 23), dt.date(1986, 5, 26)]
        names = ["COTAHIST_D24051986.ZIP", "COTAHIST_M051986.ZIP", "COTAHIST_A1986.ZIP"]
        of_its_year = of_days(*rest, saturday)
        if served == "by its day":
            answers, requests, name = [Answer(body=of_days(saturday))], names[:1], names[0]
        elif served == "by its year":
            answers, requests, name = [self.GONE, self.GONE, Answer(body=of_its_year)], names, names[2]
        else:
            land_year(*rest, saturday)
            answers, requests, name = [self.GONE], names[:1], names[2]

        assert capture(saturday, *answers).uri.endswith(f"landing/quotes/{name}")

        assert asked() == requests

    def test_that_is_a_sunday_is_closed_and_b3_is_not_asked(self, capture, asked):
        with pytest.raises(ClosedDay, match="Sunday 1990-03-18"):
            capture(dt.date(1990, 3, 18), Answer(body=SENT))

        assert asked() == []


BEFORE, AFTER = dt.date(2020, 4, 29), dt.date(2020, 5, 4)
MONTH, YEAR = "COTAHIST_M042020.ZIP", "COTAHIST_A2020.ZIP"


def of_days(*days: dt.date) -> bytes:
    return build_zip(build_file([record(DATPRE=day) for day in days]))


class TestASessionWhoseDailyFileIsGone:
    @pytest.fixture
    def capture(self, exchange, hook_to, s3, lake):
        """Capture DATE from an exchange that gives these answers, in this order."""

        def run(*answers: Answer) -> LandedFile:
            exchange.requests.clear()
            exchange.will(*answers)
            return land.capture_quotes(hook_to(exchange.url, attempts=1), s3, lake, DATE)

        return run

    @pytest.mark.parametrize(
        "gone", [Answer(404), Answer(200, b""), Answer(200, b"<html>")], ids=["404", "empty 200", "web page"]
    )
    def test_is_taken_from_the_file_of_its_month(self, capture, asked, body, gone):
        sent = of_days(BEFORE, DATE)

        landed = capture(gone, Answer(body=sent))

        assert landed.uri.endswith(f"landing/quotes/{MONTH}")
        assert body(f"landing/quotes/{MONTH}") == sent
        assert asked() == [NAME, MONTH]

    def test_may_be_left_for_later(self, exchange, hook_to, asked, s3, lake):
        exchange.will(Answer(404), Answer(body=of_days(BEFORE, DATE)))

        with pytest.raises(NotPublished):
            land.capture_quotes(hook_to(exchange.url, attempts=1), s3, lake, DATE, use_longer=False)

        assert asked() == [NAME]

    def test_or_else_of_its_year(self, capture, asked, body):
        sent = of_days(BEFORE, DATE, AFTER)

        landed = capture(Answer(404), Answer(404), Answer(body=sent))

        assert landed.uri.endswith(f"landing/quotes/{YEAR}")
        assert body(f"landing/quotes/{YEAR}") == sent
        assert asked() == [NAME, MONTH, YEAR]

    def test_a_landed_year_that_reaches_to_it_is_not_fetched_again(self, capture, asked, versions):
        first = capture(Answer(404), Answer(404), Answer(body=of_days(BEFORE, AFTER, DATE)))
        before = versions()

        assert capture(Answer(404)) == first

        assert versions() == before
        assert asked() == [NAME]

    def test_a_landed_month_that_ends_before_it_is_fetched_again(self, capture, asked, s3, lake, body):
        landed_files.keep(
            s3, lake, f"landing/quotes/{MONTH}", *downloaded(of_days(BEFORE)), **{"last-session": str(BEFORE)}
        )

        capture(Answer(404), Answer(body=of_days(BEFORE, DATE)))

        assert asked() == [NAME, MONTH]
        assert body(f"landing/quotes/{MONTH}") == of_days(BEFORE, DATE)

    def test_is_not_published_where_the_month_goes_on_without_it(self, capture, asked):
        with pytest.raises(NotPublished) as raised:
            capture(Answer(404), Answer(body=of_days(BEFORE)))

        assert raised.value.source.endswith(NAME)
        assert raised.value.__notes__ == [f"nor is it in {MONTH}, which goes up to {BEFORE}"]
        assert asked() == [NAME, MONTH]

    def test_is_not_published_where_no_file_has_it(self, capture, versions):
        with pytest.raises(NotPublished) as raised:
            capture(Answer(404))

        assert [note.partition(":")[0] for note in raised.value.__notes__] == [
            f"nor is it in {MONTH}",
            f"nor is it in {YEAR}",
        ]
        assert versions() == {}

    @pytest.mark.parametrize("name", [MONTH, YEAR])
    def test_of_a_month_or_year_that_is_another_s_is_an_error_each_time(self, capture, versions, name):
        sent = of_days(DATE, dt.date(2021, 1, 4))
        gone = [Answer(404)] * (1 if name == MONTH else 2)

        for _ in range(2):
            with pytest.raises(WrongDate, match=r"expected sessions from 2020-\d\d-01 to .* alone; found 2021-01-04"):
                capture(*gone, Answer(body=sent))

        assert list(versions()) == [f"landing/rejected/{hashlib.sha256(sent).hexdigest()}/{name}"]

    def test_of_a_damaged_month_is_an_error(self, capture, versions):
        sent = of_days(BEFORE, DATE)[:-40]

        with pytest.raises(Truncated):
            capture(Answer(404), Answer(body=sent))

        assert list(versions()) == [f"landing/rejected/{hashlib.sha256(sent).hexdigest()}/{MONTH}"]


class TestASessionThatIsInSeveralLandedFiles:
    def test_of_a_daily_file_that_b3_serves_as_before_nothing_is_put(self, capture, s3, lake, versions):
        daily = capture(Answer(body=SENT))
        landed_files.keep(s3, lake, f"landing/quotes/{YEAR}", *downloaded(of_days(DATE)), **{"last-session": str(DATE)})
        before = versions()

        assert capture(Answer(body=SENT)) == daily
        assert versions() == before

    def test_is_found_there_where_b3_has_no_daily_file(self, capture, asked, s3, lake):
        key = f"landing/quotes/{YEAR}"
        year = landed_files.keep(s3, lake, key, *downloaded(of_days(DATE)), **{"last-session": str(DATE)})

        assert capture(Answer(404)) == year
        assert asked() == [NAME]

    def test_is_not_taken_from_any_where_b3s_answer_is_no_404(self, capture, s3, lake):
        capture(Answer(body=SENT))
        landed_files.keep(s3, lake, f"landing/quotes/{YEAR}", *downloaded(of_days(DATE)), **{"last-session": str(DATE)})

        with pytest.raises(NotPublished):
            capture(Answer(200, b""))


class TestAYear:
    @pytest.fixture
    def capture(self, exchange, hook_to, s3, lake):
        def run(sent: bytes) -> LandedFile:
            exchange.will(Answer(body=sent))
            return land.capture_year(hook_to(exchange.url, attempts=1), s3, lake, 2020)

        return run

    def test_lands_byte_for_byte(self, capture, body):
        sent = of_days(DATE, AFTER)

        assert capture(sent).uri.endswith(f"landing/quotes/{YEAR}")

        assert body(f"landing/quotes/{YEAR}") == sent

    def test_says_which_days_have_records_in_less_than_s3_takes(self, capture, s3, lake):
        days = sessions.sessions(dt.date(2020, 1, 1), dt.date(2020, 12, 31))

        capture(of_days(*reversed(days)))

        metadata = s3.head_object(Bucket=lake.bucket, Key=f"landing/quotes/{YEAR}")["Metadata"]
        assert metadata["last-session"] == "2020-12-30"
        assert known_sessions.decode(metadata["session-days"], 2020) == days
        assert sum(len(key) + len(value) for key, value in metadata.items()) < 2048

    def test_that_is_complete_is_not_fetched_again(self, capture, exchange):
        first = capture(of_days(DATE, dt.date(2020, 12, 30)))
        asked = len(exchange.requests)

        assert capture(b"anything else") == first

        assert len(exchange.requests) == asked

    def test_whose_object_is_damaged_is_fetched_again(self, capture, damage, body):
        sent = of_days(DATE, dt.date(2020, 12, 30))
        capture(sent)
        damage(f"landing/quotes/{YEAR}")

        capture(sent)

        assert body(f"landing/quotes/{YEAR}") == sent

    def test_that_goes_on_is_fetched_again_and_the_former_stays(self, capture, versions):
        capture(of_days(DATE))

        capture(of_days(DATE, AFTER))

        assert len(versions()[f"landing/quotes/{YEAR}"]) == 2

    def test_with_a_session_of_another_is_refused(self, capture):
        with pytest.raises(WrongDate, match="expected sessions from 2020-01-01 to 2020-12-31 alone; found 2019-12-30"):
            capture(of_days(dt.date(2019, 12, 30), DATE))

    def test_before_1986_is_refused(self, hook_to, exchange, s3, lake):
        with pytest.raises(ValueError, match="begin in 1986"):
            land.capture_year(hook_to(exchange.url), s3, lake, 1985)
