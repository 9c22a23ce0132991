import base64
import datetime as dt
import hashlib
import json
import re

import pytest

from b3.errors import BadLayout, NotB3Data, OtherSession, SourceError, TransientError, Truncated, WrongDate
from b3.lake.landed import LandedFile
from b3.sectors import land, raw
from tests.plugins.b3.exchange import Answer
from tests.plugins.b3.indexes import index_pages as pages
from tests.plugins.b3.sectors.sector_workbook import ROWS, make_workbook

DATE = dt.date(2026, 10, 5)
NEXT = dt.date(2026, 10, 6)
HTML = b"<html><title>Em manuten\xe7\xe3o</title></html>"


def rejected(body, name):
    return f"landing/rejected/{hashlib.sha256(body).hexdigest()}/{name}"


def asked(path):
    """Method, index and page of a request."""
    query = json.loads(base64.b64decode(path.rpartition("/")[2]))
    return path.split("/")[-2], query["index"], query["pageNumber"]


def workbooks(landed_versions):
    """The sessions under which a workbook landed."""
    found = landed_versions()
    return [key.removeprefix("landing/sectors/").removesuffix(".xlsx") for key in found if key.endswith(".xlsx")]


class TestTheSectorClassification:
    BOOK = make_workbook()
    CHANGED = make_workbook(ROWS[:-4])
    # Deflated, and said to be bzip2.
    MISPACKED = BOOK.replace(b"\x08\x00", b"\x0c\x00")

    @pytest.fixture
    def capture(self, exchange, hook_to, s3, lake):
        def run(answer, date=DATE, at=None, index="IBOV"):
            portfolio = pages.day(header=pages.day_header(date=f"{at or date:%d/%m/%y}"))
            exchange.will(Answer(body=portfolio), answer if isinstance(answer, Answer) else Answer(body=answer))
            return land.capture_sectors(hook_to(exchange.url, attempts=1), s3, lake, date, index)

        return run

    @pytest.fixture
    def publish(self, capture, s3, lake):
        """Capture, and write what landed to raw/ as well."""

        def run(answer, date=DATE):
            landed = capture(answer, date)
            raw.write_sectors(s3, lake, landed, date)
            return landed

        return run

    def test_lands_under_the_session_with_its_origin(self, capture, exchange, landed_versions, body, lake):
        landed = capture(self.BOOK, index="SMLL")

        assert landed == LandedFile(
            lake.uri("landing/sectors/2026-10-05.xlsx"),
            exchange.url + exchange.requests[1].path,
            hashlib.sha256(self.BOOK).hexdigest(),
            "b3",
        )
        assert asked(exchange.requests[0].path) == ("GetPortfolioDay", "SMLL", 1)
        assert landed_versions() == {"landing/sectors/2026-10-05.xlsx": 1}
        assert body("landing/sectors/2026-10-05.xlsx") == self.BOOK

    def test_that_is_unchanged_since_an_earlier_session_does_not_land(self, capture, publish, landed_versions):
        publish(self.BOOK)

        assert capture(self.BOOK, NEXT) is None
        assert capture(self.BOOK, dt.date(2027, 3, 1)) is None

        assert workbooks(landed_versions) == ["2026-10-05"]

    def test_that_never_came_to_raw_lands_again_for_the_next_session(self, publish, capture, landed_versions):
        capture(self.BOOK)

        assert publish(self.BOOK, NEXT).uri.endswith("/2026-10-06.xlsx")
        assert capture(self.BOOK, dt.date(2026, 10, 7)) is None

        assert workbooks(landed_versions) == ["2026-10-05", "2026-10-06"]

    def test_that_lies_there_under_a_name_without_a_date_lands_under_its_session(self, capture, s3, lake):
        former = capture(self.BOOK)
        key, stray = lake.key(former.uri), "landing/sectors/2026-10-05 copy.xlsx"
        s3.copy_object(Bucket=lake.bucket, Key=stray, CopySource={"Bucket": lake.bucket, "Key": key})

        assert capture(self.BOOK, NEXT).uri.endswith("/2026-10-06.xlsx")

    def test_that_changed_lands_and_is_what_later_ones_are_compared_with(self, capture, publish, landed_versions):
        publish(self.BOOK)

        assert publish(self.CHANGED, NEXT).uri.endswith("/2026-10-06.xlsx")
        assert capture(self.CHANGED, dt.date(2026, 10, 7)) is None
        assert capture(self.BOOK, dt.date(2026, 10, 8)).uri.endswith("/2026-10-08.xlsx")

        assert workbooks(landed_versions) == ["2026-10-05", "2026-10-06", "2026-10-08"]

    def test_captured_again_for_its_session_is_that_file(self, capture, landed_versions):
        first = capture(self.BOOK)

        assert capture(self.BOOK) == first

        assert landed_versions() == {"landing/sectors/2026-10-05.xlsx": 1}

    def test_corrected_within_its_session_becomes_a_new_version(self, capture, landed_versions, body):
        capture(self.BOOK)

        assert capture(self.CHANGED).sha256 == hashlib.sha256(self.CHANGED).hexdigest()

        assert landed_versions() == {"landing/sectors/2026-10-05.xlsx": 2}
        assert body("landing/sectors/2026-10-05.xlsx") == self.CHANGED

    def test_is_not_compared_with_one_of_a_later_session(self, capture):
        capture(self.BOOK, NEXT)

        assert capture(self.BOOK).uri.endswith("/2026-10-05.xlsx")

    @pytest.mark.parametrize("at", [NEXT, dt.date(2026, 10, 9)])
    def test_is_not_taken_for_a_session_that_has_passed(self, capture, exchange, landed_versions, at):
        with pytest.raises(OtherSession, match=rf"expected that of {DATE}; found B3 at the session {at}"):
            capture(self.BOOK, at=at)

        assert landed_versions() == {}
        assert len(exchange.requests) == 1

    @pytest.mark.parametrize("at", [dt.date(2026, 10, 4), dt.date(2099, 10, 5)], ids=["a Sunday", "2099"])
    def test_is_not_taken_while_b3_names_no_session_that_it_can_be_at(self, capture, exchange, landed_versions, at):
        with pytest.raises(WrongDate, match=rf"the portfolio of a weekday within .* found that of {at:%A} {at}"):
            capture(self.BOOK, at=at)

        assert [re.sub("/[0-9a-f]{64}/", "/…/", of) for of in landed_versions()] == [
            "landing/rejected/…/GetPortfolioDay.IBOV.json"
        ]
        assert len(exchange.requests) == 1

    def test_of_a_session_that_has_passed_is_the_one_that_landed(self, capture, landed_versions):
        first = capture(self.BOOK)

        assert capture(self.CHANGED, at=NEXT) == first

        assert landed_versions() == {"landing/sectors/2026-10-05.xlsx": 1}

    def test_whose_session_b3_does_not_tell_is_not_taken(self, capture, exchange, hook_to, s3, lake, landed_versions):
        exchange.will(Answer(body=HTML))

        with pytest.raises(NotB3Data):
            land.capture_sectors(hook_to(exchange.url, attempts=1), s3, lake, DATE, "IBOV")

        assert landed_versions() == {rejected(HTML, "GetPortfolioDay.IBOV.json"): 1}

    def test_is_found_among_more_files_than_one_listing_gives(self, capture, publish, s3, lake, monkeypatch):
        publish(self.CHANGED, dt.date(2026, 1, 5))
        publish(self.BOOK, dt.date(2026, 1, 6))
        paginator = s3.get_paginator("list_objects_v2")
        monkeypatch.setattr(
            s3, "get_paginator", lambda _: type("One", (), {"paginate": lambda _, **k: paginator.paginate(
                **k, PaginationConfig={"PageSize": 1})})()
        )  # fmt: skip

        assert capture(self.BOOK) is None

    def test_lands_as_sent_where_b3_wraps_it(self, capture, body):
        sent = b'"' + base64.b64encode(self.BOOK) + b'"'

        capture(sent)

        assert body("landing/sectors/2026-10-05.xlsx") == sent

    @pytest.mark.parametrize(
        ("sent", "kind"),
        [(HTML, NotB3Data), (BOOK[:-30], Truncated), (make_workbook(ROWS[:4]), BadLayout), (MISPACKED, BadLayout)],
        ids=["HTML page", "truncated workbook", "workbook without companies", "another compression"],
    )
    def test_that_is_something_else_is_kept_apart(self, capture, landed_versions, body, lake, sent, kind):
        with pytest.raises(kind) as error:
            capture(sent)

        kept = rejected(sent, "GetDownloadIndustryClassification.xlsx")
        assert landed_versions() == {kept: 1}
        assert body(kept) == sent
        assert body(kept.replace("rejected", "received")) == sent
        assert error.value.__notes__[0].endswith(f"are kept in {lake.uri(kept)}")

    def test_that_the_hook_refuses_is_kept_apart_too(self, capture, landed_versions):
        with pytest.raises(SourceError, match="one number in the header Content-Length"):
            capture(Answer(body=self.BOOK, headers={"Content-Length": "abc"}))

        assert landed_versions() == {rejected(self.BOOK, "GetDownloadIndustryClassification.xlsx"): 1}

    def test_that_b3_fails_to_give_is_an_error_unless_it_has_landed_for_that_session(self, capture, landed_versions):
        first = capture(self.BOOK)

        assert capture(Answer(520)) == first
        with pytest.raises(TransientError):
            capture(Answer(520), NEXT)

        assert landed_versions() == {"landing/sectors/2026-10-05.xlsx": 1}
