import datetime as dt
import hashlib
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from b3.errors import Unreadable, WrongDate
from b3.indexes import answers
from b3.indexes.answers import Unserved
from tests.places import PLUGINS
from tests.plugins.b3.exchange import Answer
from tests.plugins.b3.indexes import index_pages as pages

MONDAY = dt.date(2026, 10, 5)
NESTED = b"[" * 100_000 + b"]" * 100_000


def day_of(date):
    return pages.day(header=pages.day_header(date=f"{date:%d/%m/%y}"))


def received(body, name):
    return f"landing/received/{hashlib.sha256(body).hexdigest()}/{name}"


@pytest.fixture
def objects(s3, lake):
    """How many versions each object of the lake has, by key."""

    def look():
        found = {}
        for version in s3.list_object_versions(Bucket=lake.bucket).get("Versions", []):
            found[version["Key"]] = found.get(version["Key"], 0) + 1
        return found

    return look


@pytest.fixture
def ask(exchange, hook_to, s3, lake):
    """Ask for portfolio_day of IBOV for a session, at an exchange that gives these answers."""

    def run(*bodies, session=MONDAY):
        exchange.will(*(Answer(body=body) for body in bodies))
        hook = hook_to(exchange.url, attempts=1)
        return answers.ask(hook, s3, lake, session, "IBOV", "portfolio_day")

    return run


@pytest.fixture
def asked_at(monkeypatch):
    """Set the hook's clock."""

    def set_clock(at):
        clock = SimpleNamespace(now=lambda zone: dt.datetime.fromisoformat(at).astimezone(zone))
        monkeypatch.setattr("b3.site.hook.dt", SimpleNamespace(datetime=clock, UTC=dt.UTC))

    return set_clock


class TestTheSessionOfAPortfolio:
    """Asked for Monday 2026-10-05, weeks later. Monday 2026-10-12 was a holiday."""

    @pytest.mark.parametrize(
        "date",
        [
            MONDAY,
            dt.date(2026, 10, 6),
            dt.date(2026, 10, 13),
            dt.date(2026, 9, 28),
        ],
        ids=["that asked for", "the next", "the fifth after it", "the fifth before it"],
    )
    def test_is_near_the_session_asked_for(self, ask, asked_at, date):
        asked_at("2026-11-27 22:40-03:00")

        assert ask(day_of(date)).session == date

    def test_may_be_a_weekday_that_the_calendar_has_closed(self, ask, asked_at):
        asked_at("2026-11-27 22:40-03:00")

        assert ask(day_of(dt.date(2026, 10, 12))).session == dt.date(2026, 10, 12)

    @pytest.mark.parametrize(
        "date",
        [
            dt.date(2026, 10, 14),
            dt.date(2026, 9, 25),
            dt.date(2026, 10, 3),
            dt.date(2026, 10, 4),
            dt.date(2025, 10, 6),
            dt.date(2099, 10, 5),
        ],
        ids=["the sixth after it", "the sixth before it", "a Saturday", "a Sunday", "a year before", "2099"],
    )
    def test_is_no_other(self, ask, asked_at, exchange, objects, lake, date):
        asked_at("2026-11-27 22:40-03:00")
        sent = day_of(date)

        with pytest.raises(WrongDate) as error:
            ask(sent)

        assert error.value.source == exchange.url + exchange.requests[0].path
        assert error.value.expected == (
            "the portfolio of a weekday within 5 sessions of 2026-10-05, the session asked for, or of 2026-11-27, "
            "the day of the call"
        )
        assert error.value.found == f"that of {date:%A} {date}"
        kept = received(sent, "GetPortfolioDay.IBOV.json").replace("received", "rejected")
        assert error.value.__notes__[0].endswith(f"are kept in {lake.uri(kept)}")
        assert kept in objects()

    @pytest.mark.parametrize("date", [dt.date(2026, 9, 8), dt.date(2026, 9, 4)], ids=["the next", "the one before"])
    def test_is_near_the_day_of_the_call_when_old_sessions_are_asked_for(self, ask, asked_at, date):
        asked_at("2026-09-06 12:00-03:00")

        assert ask(day_of(date), session=dt.date(2020, 4, 30)).session == date

    def test_is_that_of_an_old_file_replayed_for_its_session(self, ask):
        assert ask(day_of(dt.date(2024, 3, 14)), session=dt.date(2024, 3, 14)).session == dt.date(2024, 3, 14)

    def test_counts_from_the_day_of_the_call_in_sao_paulo(self, ask, asked_at):
        """At one o'clock UTC of the 14th it is still the 13th there."""
        sixth_before_the_14th = dt.date(2026, 10, 5)
        asked_at("2026-10-14 01:00+00:00")
        assert ask(day_of(sixth_before_the_14th), session=dt.date(2020, 4, 30)).session == sixth_before_the_14th

        asked_at("2026-10-14 03:00+00:00")
        with pytest.raises(WrongDate, match="or of 2026-10-14, the day of the call"):
            ask(day_of(sixth_before_the_14th), session=dt.date(2020, 4, 30))

    def test_of_the_one_that_b3_is_at_is_checked_alike(self, exchange, hook_to, s3, lake, objects):
        sent = day_of(dt.date(2099, 10, 5))
        exchange.will(Answer(body=sent))

        with pytest.raises(WrongDate, match="found that of Monday 2099-10-05"):
            answers.current_session(hook_to(exchange.url, attempts=1), s3, lake, MONDAY, "IBOV")

        at = received(sent, "GetPortfolioDay.IBOV.json")
        assert objects() == {at: 1, at.replace("received", "rejected"): 1}


class TestAnAnswer:
    def test_lies_in_received_as_it_came_page_by_page(self, ask, objects, s3, lake):
        sent = [pages.as_bytes(page) for page in pages.documents(page_size=2)]
        names = ["GetPortfolioDay.IBOV.json", "GetPortfolioDay.IBOV.page2.json", "GetPortfolioDay.IBOV.page3.json"]
        expected = [received(page, name) for page, name in zip(sent, names, strict=True)]

        answer = ask(*sent)

        assert answer.received == [lake.uri(key) for key in expected]
        assert objects() == dict.fromkeys(expected, 1)
        for key, page in zip(expected, sent, strict=True):
            found = s3.get_object(Bucket=lake.bucket, Key=key)
            assert found["Body"].read() == page
            assert found["Metadata"].keys() == {"source", "source-url", "source-sha256", "fetched-at"}

    def test_that_comes_again_is_put_once(self, ask, objects):
        for _ in range(2):
            ask(pages.day())

        assert objects() == {received(pages.day(), "GetPortfolioDay.IBOV.json"): 1}

    def test_that_fails_as_nobody_foresaw_is_kept_and_said_by_address(self, ask, exchange, objects, lake):
        with pytest.raises(Unreadable) as error:
            ask(NESTED)

        assert error.value.source == exchange.url + exchange.requests[0].path
        assert error.value.expected == "an answer that can be read"
        assert error.value.found.startswith("RecursionError: maximum recursion depth exceeded")
        assert isinstance(error.value.__cause__, RecursionError)
        at = received(NESTED, "GetPortfolioDay.IBOV.json")
        kept = at.replace("received", "rejected")
        assert objects() == {at: 1, kept: 1}
        assert error.value.__notes__[0].endswith(f"are kept in {lake.uri(kept)}")

    def test_on_a_later_page_that_fails_so_is_kept_by_its_number(self, ask, objects):
        first = pages.as_bytes(pages.documents(page_size=3)[0])

        with pytest.raises(Unreadable):
            ask(first, NESTED)

        assert received(NESTED, "GetPortfolioDay.IBOV.page2.json").replace("received", "rejected") in objects()

    def test_that_redirects_without_end_is_not_served(self, exchange, hook_to, s3, lake):
        exchange.will(Answer(302, headers={"Location": exchange.url}))

        with pytest.raises(Unserved) as failure:
            answers.ask(hook_to(exchange.url, attempts=1), s3, lake, MONDAY, "IBOV", "theoretical")

        assert failure.value.error.expected == "an answer after at most 10 redirects"
        assert failure.value.error.__notes__ == ["asked for: GetTheoricalPortfolio of IBOV, page 1"]

    def test_that_the_hook_refuses_is_kept_as_far_as_it_came(self, exchange, hook_to, s3, lake, objects):
        body = b"{" + bytes(4 << 20)
        exchange.will(Answer(body=body))

        with pytest.raises(Unserved) as failure:
            answers.ask(hook_to(exchange.url, attempts=1), s3, lake, MONDAY, "IBOV", "theoretical")

        key = received(body, "GetTheoricalPortfolio.IBOV.json").replace("received", "rejected")
        assert objects() == {key: 1}
        assert failure.value.error.__notes__[0].endswith(f"are kept in s3://{lake.bucket}/{key}")


KILLED_WHILE_READING = """
import datetime as dt, os, signal, sys, types
import boto3
from b3.indexes import pages
from b3.site.hook import B3Hook
from b3.indexes.answers import ask
from b3.lake.layout import Lake
exchange, aws, secret, bucket = sys.argv[1:]
pages.page_count = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
connection = types.SimpleNamespace(host=exchange, schema="", port=None, extra_dejson={"attempts": 1})
s3 = boto3.client("s3", endpoint_url=aws, region_name="sa-east-1", aws_access_key_id="local",
                  aws_secret_access_key=secret)
ask(B3Hook(connection=connection), s3, Lake(bucket), dt.date(2026, 10, 5), "IBOV", "portfolio_day")
"""


def test_a_process_that_dies_while_it_reads_an_answer_has_not_lost_it(exchange, s3, lake, aws_server, objects):
    exchange.will(Answer(body=pages.day()))

    ran = subprocess.run(
        [sys.executable, "-c", KILLED_WHILE_READING, exchange.url, aws_server.endpoint, aws_server.secret, lake.bucket],
        env={"PYTHONPATH": str(PLUGINS)},
        check=False,
    )

    assert ran.returncode == -signal.SIGKILL
    key = received(pages.day(), "GetPortfolioDay.IBOV.json")
    assert objects() == {key: 1}
    assert s3.get_object(Bucket=lake.bucket, Key=key)["Body"].read() == pages.day()
