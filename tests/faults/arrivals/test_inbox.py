"""Files that come to inbox/: each lands once, or is kept apart with the reason beside it."""

import datetime as dt
import hashlib
import signal
from collections.abc import Callable
from typing import Any

import pytest

from b3.arrivals import inbox, landing, runs
from b3.arrivals.landing import Landed, Rejected
from b3.lake import layout
from b3.lake.layout import Lake
from local.aws import launch
from tests.faults.crash.steps import STEPS, Place, die_in_a_process, run
from tests.faults.fault import Fault, Shown, shows
from tests.faults.quotes import DAILY, GOOD, LANDED, file_of, rows
from tests.plugins.b3.exchange import Exchange

KEPT_APART = (
    "The file is in landing/rejected/ with the reason beside it, has left inbox/, and people are told. No table "
    "changes. Put the right file into inbox/."
)
CORRECTED = file_of(rows(PREULT=1051))


@pytest.fixture
def take(s3: Any, lake: Lake) -> Callable[..., Landed | Rejected]:
    """Let bytes come to inbox/ under B3's name of the day, at a minute of 2 May 2020, and land them."""

    def put(sent: bytes, minute: int = 0) -> Landed | Rejected:
        s3.put_object(Bucket=lake.bucket, Key=f"inbox/{DAILY}", Body=sent)
        (found,) = inbox.waiting(s3, lake)
        arrival = inbox.Arrival(found.key, found.etag, dt.datetime(2020, 5, 2, 0, minute, tzinfo=dt.UTC))
        outcome = landing.land(s3, lake, arrival, "b3")
        inbox.remove(s3, lake, arrival.key, arrival.etag)
        return outcome

    return put


@shows(
    Fault("a web page is put into inbox/", 'NotB3Data: …found a web page, "Em manutenção"', KEPT_APART,
          "<html><title>Em manutenção</title></html>".encode()),
    Fault("half of a file is put into inbox/", "Truncated: …expected a ZIP with its central directory at the end",
          KEPT_APART, GOOD[: len(GOOD) // 2]),
    Fault("an empty file is put into inbox/", "NotPublished: …expected a COTAHIST file; found 0 bytes", KEPT_APART,
          b""),
    Fault("a file is put into inbox/ under the name of another day", "WrongDate: …expected every record of trade date "
          "2020-04-30; found 2020-04-29", KEPT_APART, file_of(rows(date=dt.date(2020, 4, 29)))),
)  # fmt: skip
def test_a_file_that_is_none_is_kept_apart(fault: Shown, take: Any, objects: Any, body: Any) -> None:
    take(GOOD)
    before = objects()

    outcome = take(fault.given, 1)

    assert isinstance(outcome, Rejected)
    fault.is_seen(outcome.reason)
    apart = f"landing/rejected/…/{DAILY}"
    fault.is_left(sorted(objects().keys() - before.keys()), [apart, f"{apart}.reason.txt"])
    assert body(layout.rejected_key(hashlib.sha256(fault.given).hexdigest(), DAILY)) == fault.given
    assert body(LANDED) == GOOD


@shows(
    Fault("a file waits in inbox/ until a newer one has landed", "Outdated: …expected a file that came after the one "
          "in …landing/quotes/COTAHIST_D30042020.ZIP; found one that came before it",
          "The newer file stays. " + KEPT_APART),
)  # fmt: skip
def test_a_file_older_than_the_landed_one_is_kept_apart(fault: Shown, take: Any, body: Any) -> None:
    take(CORRECTED, 2)

    outcome = take(GOOD, 1)

    fault.is_seen(outcome.reason)
    fault.is_left(body(LANDED), CORRECTED)


@shows(
    Fault("the same file is put into inbox/ again", "landing/quotes/COTAHIST_D30042020.ZIP already holds these bytes",
          "Nothing changes: its run is there already. Nothing is to do.", GOOD),
)  # fmt: skip
def test_a_file_that_comes_again_changes_nothing(
    fault: Shown, take: Any, objects: Any, versions: Any, caplog: Any
) -> None:
    caplog.set_level("INFO")
    first, before, count = take(GOOD), objects(), len(versions()[LANDED])

    again = take(fault.given, 1)

    fault.is_seen(caplog.text)
    fault.is_left((objects(), len(versions()[LANDED]), runs.of_file(again)), (before, count, runs.of_file(first)))


@shows(
    Fault("a corrected file is put into inbox/", "landing/quotes/COTAHIST_D30042020.ZIP: …bytes from s3://",
          "The file is a new version in landing/, and a new run takes it. A loss of many records waits for a person "
          "there.", CORRECTED),
)  # fmt: skip
def test_other_bytes_are_a_correction(fault: Shown, take: Any, versions: Any, body: Any, caplog: Any) -> None:
    caplog.set_level("INFO")
    first = take(GOOD)
    caplog.clear()

    second = take(fault.given, 1)

    fault.is_seen(caplog.text)
    assert runs.of_file(second) != runs.of_file(first)
    fault.is_left((body(LANDED), len(versions()[LANDED])), (CORRECTED, 2))


@shows(
    Fault("`land` is killed before a file of inbox/ has landed", "COTAHIST_D30042020.ZIP: …bytes from s3://",
          "The file is in inbox/ alone. The next run lands it.", ("before", [])),
    Fault("`land` is killed while it sends a file of inbox/", "COTAHIST_D30042020.ZIP: …bytes from s3://",
          "The file is in inbox/ alone. The next run lands it.", ("half", [])),
    Fault("`land` is killed after a file of inbox/ has landed", "COTAHIST_D30042020.ZIP already holds these bytes",
          "The file is in landing/ and in inbox/. The next run starts its run, and removes it from inbox/.",
          ("after", [LANDED])),
)  # fmt: skip
def test_a_killed_arrival_is_finished_by_the_next_run(
    fault: Shown,
    aws_server: launch.Server,
    exchange: Exchange,
    lake: Lake,
    s3: Any,
    objects: Any,
    changed: Any,
    versions: Any,
    body: Any,
    caplog: Any,
) -> None:
    caplog.set_level("INFO")
    when, landed = fault.given
    place = Place(aws_server.endpoint, aws_server.secret, lake.bucket, exchange.url)
    STEPS["land arrival"].prepare(s3, lake)
    before = objects()

    assert die_in_a_process("land arrival", place, 1, when) == -signal.SIGKILL
    fault.is_left(changed(before), landed)

    run("land arrival", place, s3)
    fault.is_seen(caplog.text)
    assert (body(LANDED), len(versions()[LANDED]), inbox.waiting(s3, lake)) == (GOOD, 1, [])
