"""A task is killed at a write, and then run again: the lake is that of a run that nobody disturbed."""

import signal
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from b3.lake.layout import Lake
from b3.site.addresses import INDEX_METHODS
from b3.verify import inventory, refined
from local.aws import launch
from tests.faults.crash.steps import REFINED, STEPS, Place, die_in_a_process, run, state
from tests.faults.fault import Fault, Shown, shows
from tests.faults.quotes import DATE
from tests.plugins.b3.exchange import Exchange

OLD = "Readers see the former object. "
NEW = "Readers see the new object. "
AGAIN = "Run the task again: the lake is then that of a run that nobody disturbed."
RAW = "raw/quotes/trade_date=2020-04-30/quotes.parquet"
LANDED = "landing/quotes/COTAHIST_D30042020.ZIP"


class Kill(NamedTuple):
    """Where a step is killed.

    Attributes:
        step: its name.
        when: before, half or after.
        changed: keys that are new or replaced when it is dead.
        write: which of the step's writes it is, from 1.
    """

    step: str
    when: str
    changed: tuple[str, ...] = ()
    write: int = 1


@pytest.fixture
def place(aws_server: launch.Server, s3: Any, exchange: Exchange) -> Callable[[Lake], Place]:
    return lambda lake: Place(aws_server.endpoint, aws_server.secret, lake.bucket, exchange.url)


@pytest.fixture
def undisturbed(request: pytest.FixtureRequest, s3: Any) -> Lake:
    """A second lake."""
    bucket = f"undisturbed-{request.getfixturevalue('lake').bucket}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "sa-east-1"})
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return Lake(bucket)


@shows(
    Fault("`scrape` is killed before its file lands", f"{LANDED}: …bytes from", OLD + AGAIN, Kill("scrape", "before")),
    Fault("`scrape` is killed while it sends its file", f"{LANDED}: …bytes from", OLD + AGAIN, Kill("scrape", "half")),
    Fault("`scrape` is killed after its file landed", f"{LANDED} already holds these bytes", NEW + AGAIN,
          Kill("scrape", "after", (LANDED,))),
    Fault("`scrape` is killed before it keeps a file that it refuses", "landing/rejected/…/COTAHIST_D30042020.ZIP: …"
          "bytes from", OLD + AGAIN, Kill("refuse", "before")),
    Fault("`scrape` of a year is killed while it sends the file", "landing/quotes/COTAHIST_A2020.ZIP: …bytes from",
          "Nothing has landed. " + AGAIN, Kill("scrape year", "half")),
    Fault("`upload` is killed before it commits", f"{RAW} is corrected: 30 rows", OLD + AGAIN, Kill("upload",
          "before")),
    Fault("`upload` is killed while it sends the partition", f"{RAW} is corrected: 30 rows", OLD + AGAIN,
          Kill("upload", "half")),
    Fault("`upload` is killed after its commit", f"{RAW} already holds these bytes", NEW + AGAIN,
          Kill("upload", "after", (RAW,))),
    Fault("`indexes.scrape` is killed after an answer came, before it is read", "landing/index/IBOV/portfolio_day/"
          "2026-10-05.json: …bytes from", "The answer is in landing/received/, for 30 days. " + AGAIN,
          Kill("scrape indexes", "after", ("landing/received/…/GetPortfolioDay.IBOV.json",))),
    Fault("`indexes.scrape` is killed between two portfolios", "landing/index/IBOV/portfolio_day/2026-10-05.json "
          "already holds these bytes", "What landed stays. " + AGAIN,
          Kill("scrape indexes", "before", ("landing/index/IBOV/portfolio_day/2026-10-05.json",
          "landing/received/…/GetPortfolioDay.IBOV.json", "landing/received/…/GetTheoricalPortfolio.IBOV.json"), 4)),
    Fault("`indexes.scrape` is killed after its last portfolio landed", "landing/index/IBOV/preview/2026-10-05.json "
          "already holds these bytes", NEW + AGAIN, Kill("scrape indexes", "after", (
          *(f"landing/index/IBOV/{name}/2026-10-05.json" for name in INDEX_METHODS),
          *(f"landing/received/…/{method}.IBOV.json" for method in INDEX_METHODS.values())), 6)),
    Fault("`indexes.upload` is killed before it commits", "raw/index_portfolio/trade_date=2026-10-05/"
          "index_portfolio.parquet: 15 rows", "There is no partition yet. " + AGAIN, Kill("upload indexes", "before")),
    Fault("`indexes.upload` is killed while it sends the partition", "raw/index_portfolio/trade_date=2026-10-05/"
          "index_portfolio.parquet: 15 rows", "There is no partition yet. " + AGAIN, Kill("upload indexes", "half")),
    Fault("`indexes.upload` is killed after its commit", "index_portfolio.parquet already holds these bytes",
          NEW + AGAIN,
          Kill("upload indexes", "after", ("raw/index_portfolio/trade_date=2026-10-05/index_portfolio.parquet",))),
    Fault("`sectors.scrape` is killed before a changed workbook lands", "landing/sectors/2026-10-05.xlsx: …bytes from",
          "The answer is in landing/received/, for 30 days. " + AGAIN,
          Kill("scrape sectors", "before", ("landing/received/…/GetDownloadIndustryClassification.xlsx",
          "landing/received/…/GetPortfolioDay.IBOV.json"), 3)),
    Fault("`sectors.scrape` is killed after a changed workbook landed", "landing/sectors/2026-10-05.xlsx already holds "
          "these bytes", NEW + AGAIN,
          Kill("scrape sectors", "after", ("landing/received/…/GetDownloadIndustryClassification.xlsx",
          "landing/received/…/GetPortfolioDay.IBOV.json", "landing/sectors/2026-10-05.xlsx"), 3)),
    Fault("`sectors.upload` is killed before it commits", "raw/sectors/trade_date=2026-10-05/sectors.parquet: 4 rows",
          "There is no partition yet. " + AGAIN, Kill("upload sectors", "before")),
    Fault("`sectors.upload` is killed while it sends the partition",
          "raw/sectors/trade_date=2026-10-05/sectors.parquet: "
          "4 rows", "There is no partition yet. " + AGAIN, Kill("upload sectors", "half")),
    Fault("`sectors.upload` is killed after its commit", "sectors.parquet already holds these bytes", NEW + AGAIN,
          Kill("upload sectors", "after", ("raw/sectors/trade_date=2026-10-05/sectors.parquet",))),
)  # fmt: skip
def test_a_killed_task_is_finished_by_the_next(
    fault: Shown,
    exchange: Exchange,
    place: Any,
    lake: Lake,
    undisturbed: Lake,
    s3: Any,
    objects: Any,
    changed: Any,
    caplog: Any,
) -> None:
    kill: Kill = fault.given
    step = STEPS[kill.step]
    for each in (undisturbed, lake):
        step.prepare(s3, each)
    before = objects()
    exchange.will(*step.answers or exchange.answers)
    run(kill.step, place(undisturbed), s3)

    exchange.will(*step.answers or exchange.answers)
    assert die_in_a_process(kill.step, place(lake), kill.write, kill.when) == -signal.SIGKILL
    fault.is_left(changed(before), sorted(kill.changed))

    exchange.will(*step.answers or exchange.answers)
    caplog.clear()
    run(kill.step, place(lake), s3)
    fault.is_seen(caplog.text)
    assert state(s3, lake.bucket) == state(s3, undisturbed.bucket)


@shows(
    Fault("`upload` of a year is killed between two sessions", "quotes.parquet already holds these bytes",
          "Each session is the former one or the new one. " + AGAIN, Kill("upload year", "after", write=2)),
)  # fmt: skip
def test_a_killed_year_is_finished_by_the_next(
    fault: Shown, place: Any, lake: Lake, undisturbed: Lake, s3: Any, objects: Any, caplog: Any
) -> None:
    for each in (undisturbed, lake):
        STEPS["upload year"].prepare(s3, each)
    run("upload year", place(undisturbed), s3)

    assert die_in_a_process("upload year", place(lake), 2, "after") == -signal.SIGKILL
    whole = {key: etag for key, etag in objects().items() if key.startswith("raw/")}
    assert len(whole) >= 2

    caplog.clear()
    run("upload year", place(lake), s3)
    fault.is_seen(caplog.text)
    ended = state(s3, lake.bucket)
    assert ended == state(s3, undisturbed.bucket)
    fault.is_left(whole, {key: ended[key][0] for key in whole})


@shows(
    Fault("the Glue job is killed before it commits a session", "stale: …expected raw-etag …; to mend: make rebuild "
          "FROM=2020-04-30 TO=2020-04-30", OLD + "`make verify` says so. Run `refine` again, or as it says.",
          Kill("refine", "before")),
    Fault("the Glue job is killed while it sends a session", "stale: …expected raw-etag …; to mend: make rebuild "
          "FROM=2020-04-30 TO=2020-04-30", OLD + "`make verify` says so. Run `refine` again, or as it says.",
          Kill("refine", "half")),
)  # fmt: skip
def test_a_killed_commit_of_the_glue_job_is_told_by_verify(
    fault: Shown, place: Any, lake: Lake, undisturbed: Lake, s3: Any, objects: Any
) -> None:
    for each in (undisturbed, lake):
        STEPS["refine"].prepare(s3, each)
    before = objects()
    run("refine", place(undisturbed), s3)

    assert die_in_a_process("refine", place(lake), 1, fault.given.when) == -signal.SIGKILL
    fault.is_left(objects(), before)
    fault.is_seen("\n".join(differences(s3, lake)))

    run("refine", place(lake), s3)
    assert state(s3, lake.bucket) == state(s3, undisturbed.bucket)
    assert differences(s3, lake) == []


def differences(s3: Any, lake: Lake) -> list[str]:
    """What `make verify` says of the session's refined quotes."""
    found = refined.quotes(s3, lake, inventory.take(s3, lake, inventory.Days()), DATE, None)
    return [str(difference) for difference in found if difference.uri == lake.uri(REFINED)]
