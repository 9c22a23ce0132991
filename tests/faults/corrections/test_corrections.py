"""B3 serves a file again, with other content, or with the same."""

import datetime as dt
import json
from typing import Any

import pytest

from b3.errors import Flood, RecordsLost
from b3.indexes import land as index_land
from b3.indexes import raw as index_raw
from b3.lake import layout
from b3.lake.landed import find, keep
from b3.lake.layout import Lake
from b3.quotes import land, raw
from b3.quotes.accepted import Accepted
from b3.sectors import land as sector_land
from b3.sectors import raw as sector_raw
from tests.faults.crash.steps import BOOK, CHANGED_BOOK, PORTFOLIOS, SESSION
from tests.faults.fault import Fault, Shown, shows
from tests.faults.quotes import ANNUAL, DATE, GOOD, LANDED, MONTHLY, RAW, file_of, rows
from tests.plugins.b3.downloads import downloaded
from tests.plugins.b3.exchange import Answer, Exchange
from tests.plugins.b3.indexes import index_pages as pages

EARLY, LATE = dt.datetime(2020, 5, 1, 1, tzinfo=dt.UTC), dt.datetime(2020, 5, 1, 2, tzinfo=dt.UTC)
JANUARY = [dt.date(2020, 1, day) for day in (2, 3, 6)]
CORRECTED = file_of(rows(PREULT=1051))


@pytest.fixture
def run(exchange: Exchange, hook_to: Any, s3: Any, lake: Lake) -> Any:
    """Scrape and upload DATE, with the answers that B3 gives."""

    def run(*answers: Answer, accepted: Accepted = Accepted()) -> None:  # noqa: B008
        exchange.will(*answers)
        land.capture_quotes(hook_to(exchange.url), s3, lake, DATE)
        raw.write_quotes(s3, lake, DATE, accepted)

    return run


@pytest.fixture
def lands(s3: Any, lake: Lake) -> Any:
    """Land a file of quotes as it was fetched at an instant."""

    def lands(sent: bytes, at: dt.datetime, name: str, last: dt.date) -> None:
        file, download = downloaded(sent, at)
        more = {"last-session": last.isoformat()}
        key = layout.landing_quotes_key(name)
        # The name of the file is in the address, and in the metadata of what is made from it.
        keep(s3, lake, key, file, type(download)(**{**vars(download), "url": f"https://b3.example/{name}"}), **more)

    return lands


@shows(
    Fault("B3 corrects the session's file", "is corrected: 30 rows, volume 1050600.00; 30 rows, volume 1050600.00: 0 "
          "added, 0 gone, 30 changed", "Readers see the correction. landing/ keeps both versions; `make diff` shows "
          "the rows.", [CORRECTED, 2]),
    Fault("B3 serves the same bytes again", "already holds these bytes", "Nothing is written: no object has a new "
          "version.", [GOOD, 1]),
    Fault("B3 adds quotes to a session", "31 rows, volume 1085620.00: 1 added, 0 gone, 0 changed", "Readers see the "
          "correction.", [file_of(rows(31)), 2]),
    Fault("B3 serves the same rows in another order", "quotes.parquet: 30 rows", "The partition has the new order; it "
          "is no correction.", [file_of(rows()[::-1]), 2]),
)  # fmt: skip
def test_a_session_served_again(fault: Shown, run: Any, versions: Any, body: Any, caplog: Any) -> None:
    sent, count = fault.given
    run(Answer(body=GOOD))
    caplog.set_level("INFO")
    caplog.clear()

    run(Answer(body=sent))

    fault.is_seen(caplog.text)
    fault.is_left(
        ({key: len(ids) for key, ids in versions().items()}, body(LANDED)), ({LANDED: count, RAW: count}, sent)
    )


@shows(
    Fault("a correction lacks many of the session's quotes", "RecordsLost: …expected most of the 30 quotes that "
          "2020-04-30 has, 90 % at least; found 20. The file is in landing/ and readers keep the former quotes.",
          "The file waits in landing/; readers keep the former quotes. Trigger the run with accept_loss if B3 did take "
          "them back.", [RecordsLost, file_of(rows(20)), Accepted(loss=True), 20]),
    Fault("most rows of a correction break a rule", "Flood: …expected at most half of the 30 quotes of 2020-04-30 to "
          "break a rule; found 30 that break", "The file waits in landing/; readers keep "
          "the former quotes. Compare it with B3's layout; trigger the run with accept_flood to publish it.",
          [Flood, file_of(rows(PREABE=1100)), Accepted(flood=True), 30]),
)  # fmt: skip
def test_a_suspect_correction_waits_for_a_person(
    fault: Shown, run: Any, objects: Any, changed: Any, table: Any
) -> None:
    kind, sent, accepted, count = fault.given
    run(Answer(body=GOOD))
    before = objects()

    with pytest.raises(kind) as error:
        run(Answer(body=sent))

    fault.is_seen(error.value)
    fault.is_left(changed(before), [LANDED])
    run(Answer(body=sent), accepted=accepted)
    assert table(RAW).num_rows == count


@shows(
    Fault("the month's file came after the daily one, and corrects it", f"'source': 's3://…/landing/quotes/{MONTHLY}'",
          "Readers see the month's version: of the files that hold a session, the one fetched last counts.",
          [LATE, "10.51"]),
    Fault("an older file of the month is put beside a newer daily one", "'source': 's3://…/landing/quotes/COTAHIST_D"
          "30042020.ZIP'", "Readers keep the daily file's version, which was fetched later.", [EARLY, "10.50"]),
)  # fmt: skip
def test_a_longer_file_of_the_session(fault: Shown, lands: Any, s3: Any, lake: Lake, table: Any) -> None:
    at, close = fault.given
    lands(GOOD, EARLY + dt.timedelta(minutes=30), "COTAHIST_D30042020.ZIP", DATE)
    raw.write_quotes(s3, lake, DATE)
    lands(CORRECTED, at, MONTHLY, DATE)

    written = raw.write_quotes(s3, lake, DATE)

    fault.is_seen(str([vars(partition) for partition in written.partitions]))
    fault.is_left({str(price.as_py()) for price in table(RAW)["close"]}, {close})


@shows(
    Fault("a session is corrected in the file of its year", "trade_date=2020-01-03/quotes.parquet is corrected: 3 rows",
          "Readers see the correction; the other sessions' objects stay as they are."),
)  # fmt: skip
def test_a_year_that_corrects_a_session(
    fault: Shown, lands: Any, s3: Any, lake: Lake, objects: Any, changed: Any, caplog: Any
) -> None:
    lands(file_of([row for date in JANUARY for row in rows(3, date)]), EARLY, ANNUAL, JANUARY[-1])
    raw.write_year(s3, lake, 2020)
    before = objects()
    other = {JANUARY[1]: {"PREULT": 1051}}
    lands(file_of([row for date in JANUARY for row in rows(3, date, **other.get(date, {}))]), LATE, ANNUAL, JANUARY[-1])

    raw.write_year(s3, lake, 2020)

    fault.is_seen(caplog.text)
    fault.is_left(changed(before), [f"landing/quotes/{ANNUAL}", layout.raw_quotes_key(JANUARY[1])])


@shows(
    Fault("the file of a year lacks a session that an earlier one had", "RecordsLost: …expected every session that a "
          "COTAHIST_A2020.ZIP had before; found 1 of them gone: 2020-01-06.", "No session is written. Trigger the run "
          "with accept_loss if B3 took it back; its partition stays."),
)  # fmt: skip
def test_a_year_that_loses_a_session(fault: Shown, lands: Any, s3: Any, lake: Lake, objects: Any, changed: Any) -> None:
    lands(file_of([row for date in JANUARY for row in rows(3, date)]), EARLY, ANNUAL, JANUARY[-1])
    raw.write_year(s3, lake, 2020)
    before = objects()
    lands(file_of([row for date in JANUARY[:2] for row in rows(3, date, PREULT=1051)]), LATE, ANNUAL, JANUARY[-1])

    with pytest.raises(RecordsLost) as error:
        raw.write_year(s3, lake, 2020)

    fault.is_seen(error.value)
    fault.is_left(changed(before), [f"landing/quotes/{ANNUAL}"])
    assert raw.write_year(s3, lake, 2020, Accepted(loss=True)).kept == ["2020-01-06"]


@shows(
    Fault("the clock was ahead when the first file landed", "is corrected: 30 rows",
          "Readers see the correction: S3's time of the object counts where it is earlier."),
)  # fmt: skip
def test_a_clock_that_was_ahead(
    fault: Shown, lands: Any, run: Any, s3: Any, lake: Lake, body: Any, caplog: Any
) -> None:
    ahead = dt.datetime.now(dt.UTC) + dt.timedelta(days=400)
    lands(GOOD, ahead, "COTAHIST_D30042020.ZIP", DATE)
    raw.write_quotes(s3, lake, DATE)

    run(Answer(body=CORRECTED))

    fault.is_seen(caplog.text)
    fault.is_left(body(LANDED), CORRECTED)
    assert json.loads(s3.head_object(Bucket=lake.bucket, Key=RAW)["Metadata"]["correction"])["before"]


@shows(
    Fault("B3 corrects a portfolio within its day", "portfolio_day/2026-10-05.json: …bytes from", "The portfolio has a "
          "new version in landing/, and raw has the corrected rows."),
)  # fmt: skip
def test_a_portfolio_served_again(
    fault: Shown, exchange: Exchange, hook_to: Any, s3: Any, lake: Lake, versions: Any, caplog: Any
) -> None:
    def run(day: bytes) -> None:
        exchange.will(*(Answer(body=sent) for sent in (day, *PORTFOLIOS[1:])))
        captured = index_land.capture_portfolios(hook_to(exchange.url), s3, lake, SESSION, ["IBOV"])
        index_raw.write_portfolios(s3, lake, captured.landed, SESSION)

    run(PORTFOLIOS[0])
    caplog.set_level("INFO")
    caplog.clear()
    run(pages.day(header=pages.day_header(reductor="16.134.548,84098889")))

    fault.is_seen(caplog.text)
    counts = {key: len(ids) for key, ids in versions().items() if not key.startswith("landing/received/")}
    expected = {f"landing/index/IBOV/{name}/{SESSION}.json": 1 for name in ("preview", "theoretical")}
    corrected = (f"landing/index/IBOV/portfolio_day/{SESSION}.json", layout.raw_index_portfolio_key(SESSION))
    fault.is_left(counts, expected | dict.fromkeys(corrected, 2))


@shows(
    Fault("the classification of the sectors has not changed", "the sector classification is still that of s3://…/"
          "landing/sectors/2026-10-02.xlsx", "Nothing lands; `sectors.upload` is skipped."),
    Fault("B3 changes the classification of the sectors", "landing/sectors/2026-10-05.xlsx: …bytes from", "The new one "
          "lands under the session; those of earlier sessions stay.", CHANGED_BOOK),
    Fault("a classification landed, and its run failed before `raw/`", "landing/sectors/2026-10-05.xlsx: …bytes from",
          "The same bytes land again under the next session, and come to `raw/` with it.", BOOK),
)  # fmt: skip
def test_a_classification_served_again(
    fault: Shown, exchange: Exchange, hook_to: Any, s3: Any, lake: Lake, put_landed: Any, objects: Any, caplog: Any
) -> None:
    put_landed("landing/sectors/2026-10-02.xlsx", BOOK)
    former = find(s3, lake, "landing/sectors/2026-10-02.xlsx")
    assert former
    if fault.given is not BOOK:
        sector_raw.write_sectors(s3, lake, former, dt.date(2026, 10, 2))
    exchange.will(Answer(body=PORTFOLIOS[0]), Answer(body=fault.given or BOOK))
    caplog.set_level("INFO")

    landed = sector_land.capture_sectors(hook_to(exchange.url), s3, lake, SESSION, "IBOV")

    fault.is_seen(caplog.text)
    keys = {key for key in objects() if key.startswith("landing/sectors/")}
    days = {"2026-10-02", "2026-10-05"} if fault.given else {"2026-10-02"}
    fault.is_left(
        (landed is not None, keys), (fault.given is not None, {f"landing/sectors/{day}.xlsx" for day in days})
    )
