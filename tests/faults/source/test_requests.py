"""B3 does not answer a request, or not as HTTP has it. The session was published before, and `scrape` runs again."""

import datetime as dt
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from b3.errors import SourceError
from b3.quotes import land, late_files
from tests.faults.fault import Fault, Shown, shows
from tests.faults.quotes import BEFORE, DATE, DEADLINE, GOOD, REJECTED, is_waited_for, publish
from tests.plugins.b3.exchange import Answer, Exchange, self_signed

AFTER = DEADLINE + dt.timedelta(hours=1)
WAITS = "The lake as it was. The run asks again every 10 minutes, until its deadline."
FAILS = "The lake as it was. The task fails at once: waiting would not help."
NO_LENGTH = {"Content-Length": None}

Capture = Callable[..., SourceError]


@pytest.fixture
def capture(exchange: Exchange, hook_to: Any, s3: Any, lake: Any, put_landed: Any, waits: Any) -> Capture:
    """Capture a published session once more, with answers that B3 gives, and return the error."""
    publish(put_landed, s3, lake)

    def run(*answers: Answer, url: str = "", **extra: Any) -> SourceError:
        exchange.will(*answers or (Answer(body=GOOD),))
        hook = hook_to(url or exchange.url, **{"attempts": 2, "timeout": 0.3, "total_timeout": 0.6, **extra})
        with pytest.raises(SourceError) as error:
            land.capture_quotes(hook, s3, lake, DATE)
        return error.value

    return run


@shows(
    Fault("B3's server fails", "expected status 200; found status 500", WAITS, [Answer(500)]),
    Fault("B3 is down for a while", "found status 503", WAITS, [Answer(503, headers={"Retry-After": "7"})]),
    Fault("the content delivery network loses B3", "found status 520", WAITS, [Answer(520)]),
    Fault("the content delivery network is overloaded", "found status 529", WAITS, [Answer(529)]),
    Fault("B3 finds that it is asked too often", "found status 429 Too Many Requests", WAITS, [Answer(429)]),
    Fault(
        "a firewall cuts the connection",
        "B3's firewall, or one on the way, may cut the connection: run the task again later.",
        WAITS,
        [Answer(fault="reset")],
    ),
    Fault("B3 takes the request and stays silent", "expected a whole answer; found ReadTimeout", WAITS,
          [Answer(fault="silence")]),
    Fault(
        "the answer comes byte by byte",
        "expected an answer within the time of one answer; found that it was not over yet.",
        WAITS,
        [Answer(fault="trickle", headers=NO_LENGTH)],
    ),
    Fault("the connection breaks within the body", "found ChunkedEncodingError", WAITS,
          [Answer(body=GOOD[:99], headers={"Content-Length": "100000"})]),
    Fault("the answer is compressed on the way, and damaged", "found ContentDecodingError", WAITS,
          [Answer(body=GOOD, headers={"Content-Encoding": "gzip"})]),
    Fault("B3 answers with no byte where it had a file", "found status 200 and not one byte.", WAITS, [Answer()]),
)  # fmt: skip
def test_what_may_pass_is_waited_for(fault: Shown, capture: Capture, objects: Any, changed: Any) -> None:
    before = objects()

    error = capture(*fault.given)

    fault.is_seen(error)
    fault.is_left((changed(before), is_waited_for(error)), ([], True))


@shows(
    Fault(
        "B3's firewall refuses this client",
        "found status 403 Forbidden. B3's firewall refuses some clients with 403: see extra `user_agent`",
        FAILS,
        [Answer(403)],
    ),
    Fault("redirects go round in a circle", "expected an answer after at most 10 redirects; found one more", FAILS,
          [Answer(302, headers={"Location": "/round"})]),
    Fault(
        "the answer announces two numbers of bytes",
        "expected an answer in HTTP; found InvalidHeader: Content-Length contained multiple unmatching values",
        FAILS,
        [Answer(body=GOOD, headers={"Content-Length": ("100", "200")})],
    ),
    Fault(
        "the answer announces more than a file can have",
        "expected a ZIP file of at most 134217728 bytes; found 999999999999 bytes announced.",
        "The lake as it was; not a byte is taken. The run asks again until its deadline.",
        [Answer(headers={"Content-Length": "999999999999"})],
    ),
)  # fmt: skip
def test_what_is_refused_unread_leaves_nothing(fault: Shown, capture: Capture, objects: Any, changed: Any) -> None:
    before = objects()

    error = capture(*fault.given)

    fault.is_seen(error)
    waited_for = fault.fault.left != FAILS
    fault.is_left((changed(before), is_waited_for(error)), ([], waited_for))


@shows(
    Fault(
        "the answer announces no number of bytes",
        "expected one number in the header Content-Length; found 'abc'",
        "The bytes are kept in landing/rejected/; readers keep the former quotes. Run the task again.",
        [Answer(body=GOOD, headers={"Content-Length": "abc"})],
    ),
)
def test_what_came_of_an_answer_that_cannot_be_whole_is_kept(
    fault: Shown, capture: Capture, objects: Any, changed: Any
) -> None:
    before = objects()

    fault.is_seen(capture(*fault.given))

    fault.is_left(changed(before), [REJECTED])


@shows(
    Fault("nobody listens at B3's address", "Connection refused", WAITS, {"url": "http://127.0.0.1:9"}),
    Fault(
        "a proxy is set that is no URL",
        "See the host and the extra of the connection, and the proxy in the environment (HTTPS_PROXY).",
        FAILS,
        {"url": "http://b3.example", "proxy": "gopher://127.0.0.1:70"},
    ),
    Fault(
        "the file of certificates is not there",
        "expected a CA bundle: a PEM file of certificates",
        FAILS,
        {"url": "https://127.0.0.1:9", "ca_bundle": "/nowhere/bundle.pem"},
    ),
    Fault(
        "the connection's host is no address",
        "expected a URL as https://host:port, or https://user:password@host:port with %-escapes; found a text that is "
        "no such URL.",
        FAILS,
        {"url": "https://127.0.0.1:port"},
    ),
)
def test_what_the_settings_or_the_network_have_wrong(
    fault: Shown, capture: Capture, objects: Any, changed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = dict(fault.given)
    if "proxy" in given:
        monkeypatch.setenv("HTTP_PROXY", given.pop("proxy"))
        monkeypatch.setenv("NO_PROXY", "")
    before = objects()

    error = capture(**given)

    fault.is_seen(error)
    fault.is_left((changed(before), is_waited_for(error)), ([], fault.fault.left == WAITS))


@pytest.fixture
def of_unknown_authority(tmp_path: Path) -> Iterator[Exchange]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*self_signed(tmp_path))
    server = Exchange(context)
    yield server
    server.close()


@shows(Fault("B3's certificate does not verify", "expected a certificate chain that verifies", FAILS))
def test_an_unknown_certificate_is_refused(
    fault: Shown, capture: Capture, of_unknown_authority: Exchange, objects: Any, changed: Any
) -> None:
    before = objects()

    error = capture(url=of_unknown_authority.url)

    fault.is_seen(error)
    fault.is_left((changed(before), of_unknown_authority.requests, is_waited_for(error)), ([], [], False))


NOWHERE = "Nothing has landed. Clear the task once B3 serves the file."


@shows(
    Fault("the file is not published yet", "NotServed: …found status 404 Not Found. No session on that day, not "
          "published yet, or no longer served as a daily file.", WAITS),
)  # fmt: skip
def test_a_file_that_is_late_is_waited_for(
    fault: Shown, exchange: Exchange, hook_to: Any, s3: Any, lake: Any, objects: Any
) -> None:
    with pytest.raises(SourceError) as error:
        land.capture_quotes(hook_to(exchange.url), s3, lake, DATE, use_longer=False)

    fault.is_seen(error.value)
    fault.is_left((objects(), is_waited_for(error.value)), ({}, True))


@shows(
    Fault("the file does not come by the deadline", "DeadlineOver: …expected the file of 2020-04-30 by 2020-05-01 "
          "12:00, São Paulo; found status 404 Not Found at 2020-05-01 00:00, 2020-05-01 13:00.", NOWHERE),
)  # fmt: skip
def test_a_file_that_does_not_come_is_told_with_every_answer(
    fault: Shown, exchange: Exchange, hook_to: Any, s3: Any, lake: Any, objects: Any
) -> None:
    earlier: list[late_files.Answer] = []
    with pytest.raises(late_files.DeadlineOver) as over:
        for at in (BEFORE, AFTER):
            with pytest.raises(SourceError) as error:
                land.capture_quotes(hook_to(exchange.url), s3, lake, DATE)
            earlier = late_files.record_answer(error.value, earlier, DATE, until=DEADLINE, at=at)

    fault.is_seen(over.value)
    fault.is_left(objects(), {})


@shows(
    Fault("a session is asked for that is yet to come", "the session of 2020-04-30 is yet to come: run it from the "
          "evening of that day on", "Nothing has landed. Run it again in the evening of that day."),
)  # fmt: skip
def test_a_session_to_come_is_not_waited_for(
    fault: Shown, exchange: Exchange, hook_to: Any, s3: Any, lake: Any, objects: Any
) -> None:
    with pytest.raises(SourceError) as error:
        land.capture_quotes(hook_to(exchange.url), s3, lake, DATE)

    assert not is_waited_for(error.value, at=BEFORE - dt.timedelta(days=2))
    fault.is_seen(error.value)
    fault.is_left(objects(), {})


@shows(
    Fault("a day is asked for on which B3 was closed", "ClosedDay: …expected a trading session; found Friday "
          "2020-05-01, on which B3 was closed. Ask for 2020-04-30, the session before it, or 2020-05-04",
          "B3 is not asked, and nothing is written. A scheduled run is skipped."),
)  # fmt: skip
def test_a_closed_day_is_not_asked_for(
    fault: Shown, exchange: Exchange, hook_to: Any, s3: Any, lake: Any, objects: Any
) -> None:
    with pytest.raises(SourceError) as error:
        land.capture_quotes(hook_to(exchange.url), s3, lake, dt.date(2020, 5, 1))

    fault.is_seen(error.value)
    fault.is_left((objects(), exchange.requests), ({}, []))
