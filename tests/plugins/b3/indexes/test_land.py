import base64
import dataclasses
import datetime as dt
import hashlib
import json
import logging
import re
import subprocess
import sys
import threading
import time

import pytest

from b3.errors import (
    BadLayout,
    NoPortfolio,
    NotB3Data,
    NotPublished,
    OtherSession,
    SourceError,
    TransientError,
    Truncated,
)
from b3.indexes import land, raw
from b3.indexes.land import CapturedPortfolios, LandedPortfolio
from b3.lake.landed import LandedFile
from b3.site.addresses import INDEX_METHODS
from local.exchange.server import ExchangeHTTPServer
from local.exchange.simulation import Simulation
from tests.places import PLUGINS
from tests.plugins.b3.exchange import Answer
from tests.plugins.b3.indexes import index_pages as pages

DATE = dt.date(2026, 10, 5)
NEXT = dt.date(2026, 10, 6)
DAY, THEORETICAL, PREVIEW = pages.day(), pages.undated(), pages.undated(header=pages.portfolio_header(reductor=None))
DAY_OF_NEXT = pages.day(header=pages.day_header(date="06/10/26"))
NO_ROWS = pages.as_bytes(pages.documents(rows=[], header=dict.fromkeys(pages.portfolio_header()))[0])
NO_DAY = pages.as_bytes(pages.documents(rows=[], header=dict.fromkeys(pages.day_header()))[0])
BOTH = ("IBOV", "SMLL")
WHOLE = (Answer(body=DAY), Answer(body=THEORETICAL), Answer(body=PREVIEW))


def key(endpoint, date=DATE, index="IBOV"):
    return f"landing/index/{index}/{endpoint}/{date}.json"


def keys(date=DATE, index="IBOV"):
    return {key(endpoint, date, index) for endpoint in ("portfolio_day", "theoretical", "preview")}


def of_each(*answers):
    """The answers for several indexes in the order in which B3 is asked: each endpoint of all of them."""
    return [answer for endpoint in zip(*answers, strict=True) for answer in endpoint]


def rejected(body, name):
    return f"landing/rejected/{hashlib.sha256(body).hexdigest()}/{name}"


def asked(path):
    """Method, index and page of a request."""
    query = json.loads(base64.b64decode(path.rpartition("/")[2]))
    return path.split("/")[-2], query["index"], query["pageNumber"]


@pytest.fixture
def capture(exchange, hook_to, s3, lake):
    """Capture the portfolios of DATE from an exchange that gives these answers, one a request, the last for ever."""

    def run(*answers, date=DATE, indexes=("IBOV",)):
        exchange.will(*answers)
        return land.capture_portfolios(hook_to(exchange.url, attempts=1), s3, lake, date, indexes)

    return run


class TestAPortfolioOfTheSession:
    def test_lands_byte_for_byte_with_its_origin(self, capture, exchange, landed_versions, body, s3, lake):
        captured = capture(*WHOLE)

        landed = captured.landed
        assert captured.errors == []
        assert landed_versions() == dict.fromkeys(keys(), 1)
        assert [(of.index, of.endpoint) for of in landed] == [
            ("IBOV", "portfolio_day"),
            ("IBOV", "theoretical"),
            ("IBOV", "preview"),
        ]
        for of, sent, request in zip(landed, (DAY, THEORETICAL, PREVIEW), exchange.requests, strict=True):
            assert asked(request.path) == (INDEX_METHODS[of.endpoint], "IBOV", 1)
            url, sha256 = exchange.url + request.path, hashlib.sha256(sent).hexdigest()
            assert of.file == LandedFile(lake.uri(key(of.endpoint)), url, sha256, "b3")
            found = s3.get_object(Bucket=lake.bucket, Key=key(of.endpoint))
            assert found["Body"].read() == sent
            fetched_at = dt.datetime.fromisoformat(found["Metadata"].pop("fetched-at"))
            assert found["Metadata"] == {"source": "b3", "source-url": url, "source-sha256": sha256}
            assert abs(dt.datetime.now(dt.UTC) - fetched_at) < dt.timedelta(minutes=1)

    def test_survives_the_way_between_tasks(self, capture):
        captured = capture(*WHOLE[:2], Answer(520))

        sent = json.loads(json.dumps(dataclasses.asdict(captured)))

        assert CapturedPortfolios.of(sent) == captured
        assert all(type(of) is LandedPortfolio for of in CapturedPortfolios.of(sent).landed)

    def test_captured_again_is_left_as_it_is(self, capture, landed_versions):
        first = capture(*WHOLE)

        assert capture(*WHOLE) == first

        assert landed_versions() == dict.fromkeys(keys(), 1)

    def test_corrected_by_b3_becomes_a_new_version(self, capture, landed_versions, body):
        capture(*WHOLE)
        corrected = pages.day(header=pages.day_header(reductor="16.134.548,84098889"))

        landed = capture(Answer(body=corrected), *WHOLE[1:]).landed

        assert landed[0].file.sha256 == hashlib.sha256(corrected).hexdigest()
        assert body(key("portfolio_day")) == corrected
        assert landed_versions()[key("portfolio_day")] == 2

    def test_of_several_pages_is_one_object_of_all_of_them(self, capture, exchange, body, s3, lake):
        day = [pages.as_bytes(page) for page in pages.documents(page_size=2)]

        landed = capture(*(Answer(body=page) for page in day), *WHOLE[1:]).landed

        assert [asked(request.path) for request in exchange.requests[:3]] == [
            ("GetPortfolioDay", "IBOV", number) for number in (1, 2, 3)
        ]
        joined = body(key("portfolio_day"))
        assert json.loads(joined) == [json.loads(page) for page in day]
        assert landed[0].file.sha256 == hashlib.sha256(joined).hexdigest()
        assert landed[0].file.url == exchange.url + exchange.requests[0].path

    def test_has_no_preview_while_b3_has_none(self, capture, landed_versions):
        captured = capture(*WHOLE[:2], Answer(body=NO_ROWS))

        assert [of.endpoint for of in captured.landed] == ["portfolio_day", "theoretical"]
        assert captured.errors == []
        assert landed_versions() == dict.fromkeys(keys() - {key("preview")}, 1)

    def test_is_taken_of_each_index_that_of_the_day_first(self, capture, exchange, landed_versions):
        landed = capture(*of_each(WHOLE, WHOLE), indexes=("SMLL", "IBOV")).landed

        assert [asked(request.path)[:2] for request in exchange.requests] == [
            (method, index) for method in INDEX_METHODS.values() for index in ("SMLL", "IBOV")
        ]
        assert [of.index for of in landed] == ["SMLL"] * 3 + ["IBOV"] * 3
        assert landed_versions() == dict.fromkeys(keys() | keys(index="SMLL"), 1)


class TestAPortfolioOfLanding:
    """Where a run is to ask nothing of B3."""

    def test_is_the_one_that_landed(self, capture, exchange, s3, lake):
        captured = capture(*WHOLE)
        asked = len(exchange.requests)

        assert land.landed_portfolios(s3, lake, DATE, ["IBOV", "SMLL"]) == captured
        assert len(exchange.requests) == asked

    def test_that_is_not_there_is_said(self, s3, lake):
        with pytest.raises(OtherSession, match=f"expected portfolios of IBOV for {DATE}; found none"):
            land.landed_portfolios(s3, lake, DATE, ["IBOV"])


class TestAPortfolioOfAnIndexThatIsNoLongerAskedFor:
    """A run of an old session must not take from the tables what was captured on its day."""

    def test_is_used_with_those_that_are(self, capture):
        capture(*of_each(WHOLE, WHOLE), indexes=BOTH)

        again = capture(*WHOLE, indexes=("IBOV",))

        assert again.errors == []
        assert [of.index for of in again.landed] == ["IBOV"] * 3 + ["SMLL"] * 3

    def test_is_used_where_b3_is_not_asked(self, capture, s3, lake):
        capture(*WHOLE, indexes=("SMLL",))

        found = land.landed_portfolios(s3, lake, DATE, ["IBOV"])

        assert [of.index for of in found.landed] == ["SMLL"] * 3

    def test_is_left_out_where_only_half_of_it_landed(self, capture, s3, lake):
        capture(*of_each(WHOLE, (WHOLE[0], Answer(520), Answer(520))), indexes=BOTH)

        assert {of.index for of in land.landed_portfolios(s3, lake, DATE, ["IBOV"]).landed} == {"IBOV"}


class TestAPortfolioOfAnotherSession:
    SERVED = (Answer(body=DAY_OF_NEXT), *WHOLE[1:])

    def test_lands_under_its_own_and_the_run_has_none(self, capture, landed_versions):
        with pytest.raises(OtherSession) as error:
            capture(*self.SERVED)

        assert landed_versions() == dict.fromkeys(keys(NEXT), 1)
        assert str(error.value) == (
            "B3's index portfolios: expected those of 2026-10-05; found IBOV of 2026-10-06, and no portfolio_day and "
            "no theoretical of 2026-10-05 in landing. B3 serves one portfolio at a time. For a future session, run the "
            "task again on its day. That of a past session can't be fetched any more."
        )

    def test_captured_the_day_before_is_used_on_its_day(self, capture, landed_versions):
        with pytest.raises(OtherSession):
            capture(*self.SERVED)

        landed = capture(
            Answer(body=pages.day(header=pages.day_header(date="07/10/26"))),
            Answer(body=THEORETICAL),
            Answer(body=NO_ROWS),
            date=NEXT,
        ).landed

        assert [of.file.uri.split("/", 3)[3] for of in landed] == [
            key(endpoint, NEXT) for endpoint in ("portfolio_day", "theoretical", "preview")
        ]
        seventh = dt.date(2026, 10, 7)
        assert landed_versions() == dict.fromkeys(keys(NEXT) | (keys(seventh) - {key("preview", seventh)}), 1)

    def test_needs_no_preview_to_be_used(self, capture):
        capture(*WHOLE[:2], Answer(body=NO_ROWS))

        assert [of.endpoint for of in capture(*self.SERVED).landed] == ["portfolio_day", "theoretical"]

    def test_of_which_only_half_landed_is_not_used(self, capture):
        with pytest.raises(TransientError):
            capture(WHOLE[0], Answer(520), WHOLE[2])

        with pytest.raises(OtherSession, match="IBOV of 2026-10-06, and no theoretical of 2026-10-05 in landing"):
            capture(*self.SERVED)

    def test_leaves_the_other_indexes_to_go_on(self, capture, caplog):
        with caplog.at_level(logging.WARNING):
            captured = capture(*of_each(self.SERVED, WHOLE), indexes=("SMLL", "IBOV"))

        assert {of.index for of in captured.landed} == {"IBOV"}
        assert captured.errors == []
        assert "SMLL of 2026-10-06, and no portfolio_day and no theoretical of 2026-10-05" in caplog.text

    def test_of_every_index_names_each(self, capture):
        with pytest.raises(OtherSession, match=r"SMLL of 2026-10-06, .*; IBOV of 2026-10-06, "):
            capture(*of_each(self.SERVED, self.SERVED), indexes=("SMLL", "IBOV"))


EN_US = pages.day(header=pages.day_header(part="100.000", theoricalQty="3,461,228,888", date="10/05/26"))
CHANGED_FIELD = pages.day(header={("quantity" if k == "theoricalQty" else k): v for k, v in pages.day_header().items()})
HTML = b"<html><title>Em manuten\xe7\xe3o</title></html>"
BAD_ANSWERS = {
    "a web page": (HTML, NotB3Data, 'a web page, "Em manutenção"'),
    "cut short": (DAY[:-40], Truncated, "JSON that breaks off"),
    "a changed field": (CHANGED_FIELD, BadLayout, "no theoricalQty and an unknown quantity"),
    "en-us": (EN_US, BadLayout, "'100.000', as en-us writes it"),
    "rows missing": (pages.day(rows=pages.day_rows()[:4], totalRecords=5), BadLayout, "found 4"),
}
UNSERVED = {
    "520": (Answer(520, HTML), TransientError, "found status 520"),
    "an empty body": (Answer(), NotPublished, "status 200 and not one byte"),
    "403": (Answer(403), SourceError, "found status 403"),
}


class TestABadAnswer:
    @pytest.mark.parametrize(("sent", "kind", "found"), BAD_ANSWERS.values(), ids=BAD_ANSWERS)
    def test_for_the_day_is_kept_apart_and_nothing_lands(
        self, capture, exchange, landed_versions, body, lake, sent, kind, found
    ):
        with pytest.raises(kind) as error:
            capture(Answer(body=sent), *WHOLE[1:])

        kept = rejected(sent, "GetPortfolioDay.IBOV.json")
        assert landed_versions() == {kept: 1}
        assert body(kept) == sent
        assert found in str(error.value)
        assert error.value.expected
        url = exchange.url + exchange.requests[0].path
        assert error.value.source == url
        assert error.value.__notes__ == [f"the {len(sent)} bytes that came from {url} are kept in {lake.uri(kept)}"]

    @pytest.mark.parametrize(("sent", "kind", "found"), list(BAD_ANSWERS.values())[:2], ids=list(BAD_ANSWERS)[:2])
    def test_for_the_theoretical_portfolio_leaves_the_rest_landed(self, capture, landed_versions, sent, kind, found):
        with pytest.raises(kind, match=found):
            capture(WHOLE[0], Answer(body=sent), WHOLE[2])

        kept = rejected(sent, "GetTheoricalPortfolio.IBOV.json")
        assert landed_versions() == dict.fromkeys({kept} | keys() - {key("theoretical")}, 1)

    @pytest.mark.parametrize(("sent", "kind", "found"), list(BAD_ANSWERS.values())[:2], ids=list(BAD_ANSWERS)[:2])
    def test_for_the_preview_leaves_the_rest_to_be_used(self, capture, landed_versions, sent, kind, found):
        captured = capture(*WHOLE[:2], Answer(body=sent))

        kept = rejected(sent, "GetQuartelyPreview.IBOV.json")
        assert landed_versions() == dict.fromkeys({kept} | keys() - {key("preview")}, 1)
        assert [of.endpoint for of in captured.landed] == ["portfolio_day", "theoretical"]
        with pytest.raises(SourceError, match=found):
            captured.check()

    def test_among_the_pages_is_kept_by_its_number(self, capture, landed_versions):
        first = pages.as_bytes(pages.documents(page_size=3)[0])

        with pytest.raises(NotB3Data, match="a web page"):
            capture(Answer(body=first), Answer(body=HTML), *WHOLE[1:])

        assert landed_versions() == {rejected(HTML, "GetPortfolioDay.IBOV.page2.json"): 1}

    def test_of_a_page_that_comes_twice_names_the_one_that_is_missing(self, capture, landed_versions, body):
        first = pages.as_bytes(pages.documents(page_size=3)[0])

        with pytest.raises(Truncated, match="expected the pages 1 to 2; found no page 2"):
            capture(Answer(body=first), Answer(body=first), *WHOLE[1:])

        (kept,) = landed_versions()
        assert kept == rejected(body(kept), "GetPortfolioDay.IBOV.json")
        assert json.loads(body(kept)) == [json.loads(first)] * 2

    def test_of_pages_without_end_is_not_followed(self, capture, exchange):
        with pytest.raises(BadLayout, match=r"expected at most 50 pages; found 100000 in page\.totalPages"):
            capture(Answer(body=pages.day(totalPages=100000)), *WHOLE[1:])

        assert [asked(request.path)[0] for request in exchange.requests] == list(INDEX_METHODS.values())

    def test_of_an_index_that_b3_does_not_know_says_so(self, capture, landed_versions):
        with pytest.raises(NoPortfolio, match="an answer of no rows"):
            capture(Answer(body=NO_DAY), *WHOLE[1:])

        assert landed_versions() == {}

    def test_is_an_error_where_the_session_has_landed_too(self, capture, landed_versions):
        """Else a change of layout would be noticed only once nothing is left to go on with."""
        first = capture(*WHOLE)

        captured = capture(Answer(body=CHANGED_FIELD), *WHOLE[1:])

        assert captured.landed == first.landed
        with pytest.raises(SourceError, match="no theoricalQty and an unknown quantity"):
            captured.check()
        assert landed_versions() == dict.fromkeys({rejected(CHANGED_FIELD, "GetPortfolioDay.IBOV.json")} | keys(), 1)


def day_changed(**changes):
    """A portfolio_day whose first row is changed."""
    first, *rest = pages.day_rows()
    return pages.day(rows=[first | changes, *rest])


REFUSED = {
    "half a letter": (
        day_changed(asset="MAQ?").replace(b"MAQ?", rb"MAQ\ud800"),
        r"expected a text of whole letters in asset in row 1 of page 1; found 'MAQ\\ud800'",
    ),
    "deep nesting": (b"[" * 100_000 + b"]" * 100_000, "expected an answer that can be read; found RecursionError: "),
    "a ticker that is none": (
        day_changed(cod="A B"),
        "expected a ticker of A-Z and 0-9, 12 characters at most, in cod in row 1 of page 1; found 'A B'",
    ),
    "2099": (
        pages.day(header=pages.day_header(date="05/10/99")),
        "expected the portfolio of a weekday within 5 sessions of 2026-10-05, .*; found that of Monday 2099-10-05",
    ),
    "a Sunday": (
        pages.day(header=pages.day_header(date="04/10/26")),
        "expected the portfolio of a weekday within .*; found that of Sunday 2026-10-04",
    ),
}


class TestAnIndexOfWhichThePortfolioOfTheDayFails:
    @pytest.mark.parametrize(("sent", "message"), REFUSED.values(), ids=REFUSED)
    def test_leaves_the_others_to_be_used_and_keeps_the_bytes(
        self, capture, exchange, landed_versions, body, s3, lake, sent, message
    ):
        captured = capture(*of_each((Answer(body=sent), *WHOLE[1:]), WHOLE), indexes=BOTH)

        kept = rejected(sent, "GetPortfolioDay.IBOV.json")
        assert body(kept) == sent
        assert landed_versions() == dict.fromkeys({kept, key("theoretical"), key("preview")} | keys(index="SMLL"), 1)
        (error,) = captured.errors
        assert error.startswith(f"{exchange.url}{exchange.requests[0].path}: expected ")
        assert re.search(message, error)
        assert f"are kept in {lake.uri(kept)}" in error
        written = raw.write_portfolios(s3, lake, captured.landed, DATE)
        assert written.rows_of == {"SMLL": {"portfolio_day": 5, "theoretical": 5, "preview": 5}}
        with pytest.raises(SourceError, match="found 1 that is not: ") as raised:
            captured.check()
        assert error in str(raised.value)

    @pytest.mark.parametrize("failing", [Answer(520), Answer(body=HTML), Answer(body=NO_DAY)])
    def test_takes_the_session_that_the_others_name_for_its_other_endpoints(self, capture, landed_versions, failing):
        served = (Answer(body=DAY_OF_NEXT), *WHOLE[1:])

        with pytest.raises(SourceError):
            capture(*of_each((failing, *WHOLE[1:]), served, served), indexes=(*BOTH, "IBXX"))

        landed = {of for of in landed_versions() if "rejected" not in of}
        ibov = {key("theoretical", NEXT), key("preview", NEXT)}
        assert landed == ibov | keys(NEXT, "SMLL") | keys(NEXT, "IBXX")

    @pytest.mark.parametrize(
        "others",
        [(), (WHOLE, (Answer(body=DAY_OF_NEXT), *WHOLE[1:]))],
        ids=["there are no others", "the others name two sessions"],
    )
    def test_leaves_its_other_endpoints_where_they_came_if_nobody_names_their_session(
        self, capture, exchange, landed_versions, body, caplog, lake, others
    ):
        names = ("IBOV", "SMLL", "IBXX")[: 1 + len(others)]

        with caplog.at_level(logging.WARNING):
            try:
                capture(*of_each((Answer(520), *WHOLE[1:]), *others), indexes=names).check()
            except SourceError as error:
                assert "found status 520" in str(error)
            else:
                raise AssertionError("no error")

        assert [asked(request.path)[0] for request in exchange.requests if asked(request.path)[1] == "IBOV"] == list(
            INDEX_METHODS.values()
        )
        assert not [of for of in landed_versions() if "/IBOV/" in of]
        for endpoint, sent in (("theoretical", THEORETICAL), ("preview", PREVIEW)):
            at = f"landing/received/{hashlib.sha256(sent).hexdigest()}/{INDEX_METHODS[endpoint]}.IBOV.json"
            assert body(at) == sent
            assert f"names the session of {endpoint} of IBOV: it stays in {lake.uri(at)}" in caplog.text

    def test_that_had_landed_before_is_used_as_it_landed(self, capture):
        first = capture(*of_each(WHOLE, WHOLE), indexes=BOTH)

        captured = capture(*of_each((Answer(body=HTML), *WHOLE[1:]), WHOLE), indexes=BOTH)

        assert captured.landed == first.landed
        assert len(captured.errors) == 1


class TestAnAnswerThatDoesNotCome:
    @pytest.mark.parametrize(("answer", "kind", "found"), UNSERVED.values(), ids=UNSERVED)
    def test_is_an_error_that_names_what_was_asked_for(self, capture, landed_versions, answer, kind, found):
        with pytest.raises(kind, match=found) as error:
            capture(answer, *WHOLE[1:])

        assert type(error.value) is kind
        assert error.value.__notes__ == ["asked for: GetPortfolioDay of IBOV, page 1"]
        assert landed_versions() == {}

    def test_of_a_later_page_lands_nothing_of_the_portfolio(self, capture, landed_versions):
        first = pages.as_bytes(pages.documents(page_size=3)[0])

        with pytest.raises(TransientError) as error:
            capture(Answer(body=first), Answer(520), *WHOLE[1:])

        assert error.value.__notes__ == ["asked for: GetPortfolioDay of IBOV, page 2"]
        assert landed_versions() == {}

    @pytest.mark.parametrize("failing", [0, 1, 2])
    @pytest.mark.parametrize("answer", [Answer(520), Answer()], ids=["520", "an empty body"])
    def test_is_taken_as_landed_for_the_session_before(self, capture, landed_versions, caplog, failing, answer):
        first = capture(*WHOLE)

        with caplog.at_level(logging.WARNING):
            assert capture(*WHOLE[:failing], answer, *WHOLE[failing + 1 :]) == first

        assert landed_versions() == dict.fromkeys(keys(), 1)
        assert "using the files of IBOV that landed for 2026-10-05 before: http://127.0.0.1:" in caplog.text

    def test_is_not_taken_for_a_preview_that_b3_does_not_have(self, capture, landed_versions):
        for _ in range(2):
            with pytest.raises(SourceError, match="found status 520"):
                capture(*WHOLE[:2], Answer(520)).check()

        assert landed_versions() == dict.fromkeys(keys() - {key("preview")}, 1)

    def test_of_several_is_one_error_that_says_each(self, capture, landed_versions, lake):
        ibov, smll = (WHOLE[0], Answer(520), Answer(body=HTML)), (*WHOLE[:2], Answer())

        captured = capture(*of_each(ibov, smll), indexes=("IBOV", "SMLL"))

        assert {of.index for of in captured.landed} == {"SMLL"}
        with pytest.raises(SourceError) as error:
            captured.check()
        kept = rejected(HTML, "GetQuartelyPreview.IBOV.json")
        assert landed_versions() == dict.fromkeys(
            {key("portfolio_day"), kept, key("portfolio_day", index="SMLL"), key("theoretical", index="SMLL")}, 1
        )
        said = str(error.value)
        assert said.startswith(
            "B3's index portfolios: expected every answer there and whole; found 3 that are not: [1]"
        )
        assert "expected status 200; found status 520" in said
        assert "(asked for: GetTheoricalPortfolio of IBOV, page 1)" in said
        assert 'expected a page of JSON; found a web page, "Em manutenção"' in said
        assert f"are kept in {lake.uri(kept)})" in said
        assert "found status 200 and not one byte" in said
        assert "(asked for: GetQuartelyPreview of SMLL, page 1)" in said
        assert said.endswith("Run indexes.scrape again before the next session: B3 serves no past portfolio.")
        assert len(captured.errors) == 3

    def test_of_every_index_is_one_error_where_nothing_of_the_session_has_landed(self, capture, landed_versions):
        with pytest.raises(SourceError, match=r"found 4 that are not: \[1\] .*status 520.* \[4\] "):
            capture(*of_each((Answer(520), Answer(520), WHOLE[2]), (Answer(520), Answer(520), WHOLE[2])), indexes=BOTH)

        assert landed_versions() == {}


CAPTURE = """
import datetime as dt, sys, types
import boto3
from b3.site.hook import B3Hook
from b3.indexes.land import capture_portfolios
from b3.lake.layout import Lake
exchange, aws, secret, bucket = sys.argv[1:]
connection = types.SimpleNamespace(host=exchange, schema="", port=None, extra_dejson={"attempts": 1})
s3 = boto3.client("s3", endpoint_url=aws, region_name="sa-east-1", aws_access_key_id="local",
                  aws_secret_access_key=secret)
capture_portfolios(B3Hook(connection=connection), s3, Lake(bucket), dt.date(2026, 10, 5), ("IBOV",))
"""


@pytest.mark.parametrize("answered", [1, 2])
def test_a_capture_killed_between_endpoints_and_run_again_leaves_the_same_objects(
    exchange, capture, landed_versions, body, s3, lake, aws_server, answered
):
    exchange.will(*WHOLE[:answered], Answer(fault="silence"))
    process = subprocess.Popen(
        [sys.executable, "-c", CAPTURE, exchange.url, aws_server.endpoint, aws_server.secret, lake.bucket],
        env={"PYTHONPATH": str(PLUGINS)},
    )
    until = time.monotonic() + 60
    while len(exchange.requests) <= answered and time.monotonic() < until:
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert len(exchange.requests) == answered + 1
    assert landed_versions() == {key(endpoint): 1 for endpoint in list(INDEX_METHODS)[:answered]}

    capture(*WHOLE)

    assert landed_versions() == dict.fromkeys(keys(), 1)
    assert [body(key(endpoint)) for endpoint in INDEX_METHODS] == [DAY, THEORETICAL, PREVIEW]


class TestOnTheSimulatedExchange:
    @pytest.fixture
    def today(self):
        return [dt.date(2026, 9, 4)]

    @pytest.fixture
    def run(self, today, hook_to, s3, lake):
        """Capture a session's portfolios on a day."""
        with ExchangeHTTPServer(Simulation(lambda: today[0])) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()

            def capture(day, session):
                today[0] = day
                hook = hook_to(server.endpoint, source="simulated")
                return land.capture_portfolios(hook, s3, lake, session, BOTH).landed

            yield capture
            server.shutdown()
            thread.join()

    def test_what_is_served_on_a_sunday_and_a_holiday_lands_under_the_session_after_them(self, run, landed_versions):
        friday, sunday, holiday, tuesday = (dt.date(2026, 9, day) for day in (4, 6, 7, 8))

        for day in (sunday, holiday):
            with pytest.raises(OtherSession, match=r"IBOV of 2026-09-08, .*; SMLL of 2026-09-08, "):
                run(day, friday)
        assert landed_versions() == dict.fromkeys(keys(tuesday) | keys(tuesday, "SMLL"), 1)

        landed = run(tuesday, tuesday)

        assert landed_versions() == dict.fromkeys(keys(tuesday) | keys(tuesday, "SMLL"), 1)
        assert {of.file.source for of in landed} == {"simulated"}
        assert run(dt.date(2026, 9, 9), tuesday) == landed
