"""Two tasks write the same session at once: one is held up between what it read and what it puts."""

import datetime as dt
import logging
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import boto3
import pytest

from b3.errors import SourceError
from b3.lake import layout
from b3.lake.landed import keep
from b3.lake.layout import Lake
from b3.quotes import choose, land, raw
from local.aws import launch
from tests.faults.crash.steps import OF_YEAR, STEPS, YEAR, Place
from tests.faults.fault import Fault, Shown, shows
from tests.faults.glue import S3Path, commit, errors
from tests.faults.quotes import ANNUAL, DAILY, DATE, GOOD, LANDED, RAW, file_of, rows
from tests.plugins.b3.downloads import downloaded
from tests.plugins.b3.exchange import Answer, Exchange

EARLY, LATE = dt.datetime(2020, 5, 1, 1, tzinfo=dt.UTC), dt.datetime(2020, 5, 1, 2, tzinfo=dt.UTC)
CORRECTED = file_of(rows(PREULT=1051))


@pytest.fixture
def held_up(aws_server: launch.Server) -> Callable[..., Any]:
    """A client that does something else right before its first PUT of `key`, as if it were held up there."""

    def make(meanwhile: Callable[[], object], key: str = "", every: bool = False) -> Any:
        client = boto3.client(
            "s3", endpoint_url=aws_server.endpoint, region_name="sa-east-1", aws_access_key_id="local",
            aws_secret_access_key=aws_server.secret,
        )  # fmt: skip
        done = threading.Event()

        def sending(request: Any, **_: object) -> None:
            if key in unquote(request.url) and (every or not done.is_set()):
                done.set()
                meanwhile()

        client.meta.events.register("before-send.s3.PutObject", sending)
        return client

    return make


@pytest.fixture
def lands(s3: Any, lake: Lake) -> Callable[..., None]:
    """Land a file of quotes as it was fetched at an instant."""

    def run(sent: bytes, at: dt.datetime, name: str = DAILY, client: Any = None) -> None:
        file, download = downloaded(sent, at)
        keep(client or s3, lake, layout.landing_quotes_key(name), file, download)

    return run


@pytest.fixture
def closes(s3: Any, lake: Lake, table: Any) -> Callable[[], set[str]]:
    """The closing prices that readers of DATE see."""
    return lambda: {str(price.as_py()) for price in table(RAW)["close"]}


@shows(
    Fault("`upload` of a day runs twice at once", "was replaced meanwhile: trying again", "One object of one version. "
          "Both runs are green."),
)  # fmt: skip
def test_a_day_twice_at_once(
    fault: Shown, s3: Any, lake: Lake, held_up: Any, lands: Any, versions: Any, caplog: Any
) -> None:
    lands(GOOD, EARLY)

    results = [raw.write_quotes(held_up(lambda: raw.write_quotes(s3, lake, DATE)), lake, DATE)]
    results.append(raw.write_quotes(s3, lake, DATE))

    fault.is_seen(caplog.text)
    assert results[0] == results[1]
    fault.is_left({key: len(ids) for key, ids in versions().items()}, {LANDED: 1, RAW: 1})


@shows(
    Fault("`upload` is held up past a correction", "was replaced meanwhile: trying again", "Readers see the "
          "correction: old rows do not come over new ones."),
)  # fmt: skip
def test_an_upload_held_up_past_a_correction(
    fault: Shown, s3: Any, lake: Lake, held_up: Any, lands: Any, closes: Any, caplog: Any
) -> None:
    lands(GOOD, EARLY)

    def correct() -> None:
        lands(CORRECTED, LATE)
        raw.write_quotes(s3, lake, DATE)

    raw.write_quotes(held_up(correct), lake, DATE)

    fault.is_seen(caplog.text)
    fault.is_left(closes(), {"10.51"})


@shows(
    Fault("two runs land the same file at once", "already holds these bytes", "One object of one version. Both runs "
          "are green."),
)  # fmt: skip
def test_the_same_file_lands_twice_at_once(
    fault: Shown, s3: Any, lake: Lake, held_up: Any, lands: Any, versions: Any, caplog: Any
) -> None:
    caplog.set_level(logging.INFO)

    lands(OF_YEAR, EARLY, ANNUAL, held_up(lambda: lands(OF_YEAR, EARLY, ANNUAL)))

    fault.is_seen(caplog.text)
    fault.is_left({key: len(ids) for key, ids in versions().items()}, {f"landing/quotes/{ANNUAL}": 1})


@shows(
    Fault("`scrape` is held up, and a later one lands newer bytes", "already holds bytes that were fetched later",
          "The newer file stays in landing/; both runs are green."),
)  # fmt: skip
def test_an_older_answer_does_not_replace_a_newer_one(
    fault: Shown, s3: Any, lake: Lake, held_up: Any, lands: Any, body: Any, caplog: Any
) -> None:
    caplog.set_level(logging.INFO)

    lands(GOOD, EARLY, client=held_up(lambda: lands(CORRECTED, LATE)))

    fault.is_seen(caplog.text)
    fault.is_left(body(LANDED), CORRECTED)


@shows(
    Fault("a day is corrected while the run of its year is at it", "was replaced meanwhile: trying again",
          "The day has its correction, the other days are those of the year's file. Both runs are green."),
)  # fmt: skip
def test_a_day_during_its_year(
    fault: Shown, s3: Any, lake: Lake, held_up: Any, lands: Any, table: Any, caplog: Any
) -> None:
    lands(OF_YEAR, EARLY, ANNUAL)
    day = YEAR[1]

    def correct() -> None:
        lands(file_of(rows(5, day, PREULT=1051), day), LATE, layout.daily_quotes_file(day))
        raw.write_quotes(s3, lake, day)

    raw.write_year(held_up(correct, layout.raw_quotes_key(day)), lake, 2020)

    fault.is_seen(caplog.text)
    found = [{str(price.as_py()) for price in table(layout.raw_quotes_key(date))["close"]} for date in YEAR]
    fault.is_left(found, [{"10.50"}, {"10.51"}, {"10.50"}])


@shows(
    Fault("`make rebuild` works on a session while its run corrects it", "was replaced meanwhile: trying again",
          "Readers see the correction: rebuild reads landing/ again."),
)  # fmt: skip
def test_rebuild_during_a_run(
    fault: Shown,
    exchange: Exchange,
    hook_to: Any,
    s3: Any,
    lake: Lake,
    held_up: Any,
    lands: Any,
    closes: Any,
    caplog: Any,
) -> None:
    lands(GOOD, EARLY)
    raw.write_quotes(s3, lake, DATE)
    s3.delete_object(Bucket=lake.bucket, Key=RAW)

    def run() -> None:
        exchange.will(Answer(body=CORRECTED))
        land.capture_quotes(hook_to(exchange.url), s3, lake, DATE)
        raw.write_quotes(s3, lake, DATE)

    assert land.landed_quotes(s3, lake, DATE) == choose.landed(s3, lake, DATE)[0]
    raw.write_quotes(held_up(run), lake, DATE)

    fault.is_seen(caplog.text)
    fault.is_left(closes(), {"10.51"})


@shows(
    Fault("another program replaces a session again and again", "expected no other task that writes this object at the "
          "same time; found that others replaced it 5 times in the meantime. Clear the task once the other runs of "
          "this session have ended.", "Readers see what the other program wrote. End it, and clear the task."),
)  # fmt: skip
def test_a_task_that_is_always_overtaken_gives_up(
    fault: Shown, s3: Any, lake: Lake, held_up: Any, lands: Any, body: Any
) -> None:
    lands(GOOD, EARLY)
    written = (b"%d" % number for number in range(1, 20))

    def other() -> None:
        s3.put_object(Bucket=lake.bucket, Key=RAW, Body=next(written), Metadata={"source": "other", "rows": "30"})

    with pytest.raises(SourceError) as error:
        raw.write_quotes(held_up(other, every=True), lake, DATE)

    fault.is_seen(error.value)
    fault.is_left(body(RAW), b"5")


@shows(
    Fault("portfolios are uploaded twice at once", "index_portfolio.parquet was replaced meanwhile: trying again",
          "One object of one version. Both runs are green."),
)  # fmt: skip
def test_portfolios_twice_at_once(
    fault: Shown, s3: Any, lake: Lake, held_up: Any, aws_server: launch.Server, versions: Any, caplog: Any
) -> None:
    step, place = STEPS["upload indexes"], Place(aws_server.endpoint, aws_server.secret, lake.bucket, "")
    step.prepare(s3, lake)

    step.run(held_up(lambda: step.run(s3, place)), place)

    fault.is_seen(caplog.text)
    raw_keys = {key: len(ids) for key, ids in versions().items() if key.startswith("raw/")}
    fault.is_left(raw_keys, {"raw/index_portfolio/trade_date=2026-10-05/index_portfolio.parquet": 1})


@shows(
    Fault("the Glue job is held up, and another run refines the session from newer rows", "Overtaken: expected …as "
          "this run found it …found that another run has replaced it since: run the job again if the other one did not "
          "use the newest raw objects", "Readers see what the newer run put. The held up run fails; run it again."),
)  # fmt: skip
def test_a_glue_job_that_was_held_up_does_not_replace_a_newer_one(
    fault: Shown, s3: Any, lake: Lake, held_up: Any, body: Any
) -> None:
    target, said = S3Path(lake.bucket, layout.refined_quotes_key(DATE)), {"source": "b3", "rows": "1"}
    commit(s3, b"first", target, {**said, "raw-etag": "1"}, None)
    former = s3.head_object(Bucket=lake.bucket, Key=target.key)["ETag"]
    slow = held_up(lambda: commit(s3, b"newest", target, {**said, "raw-etag": "3"}, former))

    with pytest.raises(errors.Overtaken) as error:
        commit(slow, b"second", target, {**said, "raw-etag": "2"}, former)

    fault.is_seen(error.value)
    fault.is_left(body(target.key), b"newest")


@shows(
    Fault("two commands start the local AWS of one lake", "expected the local AWS on …to be ready within …found that "
          "it ended with status", "The lake of the first command goes on. Run the second one once it has ended."),
)  # fmt: skip
def test_a_home_in_use_is_refused(fault: Shown, aws_server: launch.Server, s3: Any, lake: Lake) -> None:
    with pytest.raises(RuntimeError) as error:
        launch.start(aws_server.home)

    fault.is_seen(error.value)
    fault.is_left(lake.bucket in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]], True)
