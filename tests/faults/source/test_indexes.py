"""B3's portfolios of indexes do not come, or not as they should."""

import datetime as dt
from typing import Any

import pytest

from b3.errors import SourceError
from b3.indexes import land, raw
from b3.lake.layout import Lake
from b3.site.addresses import INDEX_METHODS
from tests.faults.fault import Fault, Shown, shows
from tests.plugins.b3.exchange import Answer, Exchange
from tests.plugins.b3.indexes import index_pages as pages

DATE = dt.date(2026, 10, 5)
DAY, THEORETICAL, PREVIEW = pages.day(), pages.undated(), pages.undated(header=pages.portfolio_header(reductor=None))
WHOLE = (Answer(body=DAY), Answer(body=THEORETICAL), Answer(body=PREVIEW))
HTML = "<html><title>Em manutenção</title></html>".encode()
RED = "The branch of the indexes fails; the quotes of the day do not wait for it. "
KEPT = RED + "The answer is in landing/rejected/. Run the task again before B3 serves the next session's portfolio."
RECEIVED = sorted(f"landing/received/…/{method}.IBOV.json" for method in INDEX_METHODS.values())
REJECTED = "landing/rejected/…/GetPortfolioDay.IBOV.json"


@pytest.fixture
def capture(exchange: Exchange, hook_to: Any, s3: Any, lake: Lake, waits: Any) -> Any:
    def run(*answers: Answer, indexes: tuple[str, ...] = ("IBOV",)) -> land.CapturedPortfolios:
        exchange.will(*answers)
        return land.capture_portfolios(hook_to(exchange.url, attempts=1), s3, lake, DATE, indexes)

    return run


@shows(
    Fault("a web page comes in place of a portfolio", 'NotB3Data: …expected a page of JSON; found a web page, "Em '
          'manutenção".', KEPT, HTML),
    Fault("the portfolio breaks off", "Truncated: …found JSON that breaks off", KEPT, DAY[:-300]),
    Fault("the portfolio is no JSON", "NotB3Data: …expected a page of JSON; found 'B3'", KEPT, b"B3"),
    Fault("B3 renamed a field of the portfolio", "BadLayout: …found no cod and an unknown code.", KEPT,
          DAY.replace(b'"cod"', b'"code"')),
    Fault("a page announces more rows than it has", "BadLayout: …expected 6 rows, as page.totalRecords says; found 5.",
          KEPT, DAY.replace(b'"totalRecords": 5', b'"totalRecords": 6')),
    Fault("the weights do not sum to 100 %", "BadLayout: …expected weights (part) that sum to 100, give or take "
          "0.0030; found 79.500.", KEPT, DAY.replace(b'"20,500"', b'"0,000"', 1)),
    Fault("numbers come in the form of English", "found '20.500'", KEPT, DAY.replace(b'"20,500"', b'"20.500"')),
    Fault("a share is in the portfolio twice", "BadLayout: …expected every cod once; found BANC3 in row 2 of page 1 "
          "and in row 3 of page 1.", KEPT, DAY.replace(b'"BANC4"', b'"BANC3"')),
    Fault("the portfolio names a date that is no day", "found '31/02/26'", KEPT, DAY.replace(b"05/10/26", b"31/02/26")),
    Fault("the portfolio is of a session far away", "WrongDate: …expected the portfolio of a weekday within 5 sessions "
          "of 2026-10-05, the session asked for…found that of Monday 2023-10-02.", KEPT,
          DAY.replace(b"05/10/26", b"02/10/23")),
)  # fmt: skip
def test_a_bad_portfolio_is_kept_apart(fault: Shown, capture: Any, objects: Any) -> None:
    with pytest.raises(SourceError) as error:
        capture(Answer(body=fault.given), *WHOLE[1:])

    fault.is_seen(error.value)
    fault.is_left(sorted(objects()), [*RECEIVED, REJECTED])


@shows(
    Fault("B3 does not know the index", "found status 200 and not one byte. B3 answers so for an index "
          "it does not know: see the index's code.", RED + "Nothing has landed. Correct B3_INDEXES.", Answer()),
    Fault("B3 moved its index pages", "found status 404 Not Found. B3 has no such address: see whether it "
          "moved its index pages.", RED + "Nothing has landed. Correct b3.site.addresses.", Answer(404)),
)  # fmt: skip
def test_an_answer_without_a_portfolio_leaves_nothing(fault: Shown, capture: Any, objects: Any) -> None:
    with pytest.raises(SourceError) as error:
        capture(fault.given)

    fault.is_seen(error.value)
    fault.is_left(objects(), {})


@shows(
    Fault("B3 serves the portfolio of the next session already", "OtherSession: …2026-10-05…2026-10-06",
          "The portfolio lands under its own session; the branch of the indexes is skipped with this reason."),
)  # fmt: skip
def test_a_portfolio_of_the_next_session_lands_there(fault: Shown, capture: Any, objects: Any) -> None:
    with pytest.raises(SourceError) as error:
        capture(Answer(body=DAY.replace(b"05/10/26", b"06/10/26")), *WHOLE[1:])

    fault.is_seen(error.value)
    landed = {key for key in objects() if key.startswith("landing/index/")}
    fault.is_left({key.rpartition("/")[2] for key in landed}, {"2026-10-06.json"})


@shows(
    Fault("one index of several fails", "expected every answer there and whole; found 3 that are not…found status "
          "520…Good answers have landed. Run indexes.scrape again before the next session",
          "The good portfolios land and are refined; the task `indexes.complete` fails, and with it the run."),
)  # fmt: skip
def test_one_bad_index_stops_no_other(fault: Shown, capture: Any, s3: Any, lake: Lake, objects: Any) -> None:
    bad = Answer(520)
    captured = capture(*[answer for good in WHOLE for answer in (good, bad)], indexes=("IBOV", "SMLL"))
    raw.write_portfolios(s3, lake, captured.landed, DATE)

    with pytest.raises(SourceError) as error:
        captured.check()

    fault.is_seen(error.value)
    landed = sorted(key for key in objects() if not key.startswith("landing/received/"))
    expected = [
        f"landing/index/IBOV/{endpoint}/{DATE}.json" for endpoint in ("portfolio_day", "preview", "theoretical")
    ]
    fault.is_left(landed, [*expected, f"raw/index_portfolio/trade_date={DATE}/index_portfolio.parquet"])


@shows(
    Fault("B3 is out of reach after the portfolios landed", "using the files of IBOV that landed for 2026-10-05 before",
          "The run goes on with what landed, and is green."),
)  # fmt: skip
def test_what_landed_before_is_used(fault: Shown, capture: Any, objects: Any, changed: Any, caplog: Any) -> None:
    first, before = capture(*WHOLE), objects()

    again = capture(Answer(520))

    fault.is_seen(caplog.text)
    fault.is_left((changed(before), again.errors, again.landed), ([], [], first.landed))


@shows(
    Fault("simulated and real portfolios meet in one bucket", "expected a file of source 'b3'…found one of source "
          "'simulated'. Real and simulated data never share a bucket",
          "No partition is written. Delete the simulated files, and run scrape again."),
)  # fmt: skip
def test_sources_are_not_mixed(fault: Shown, put_landed: Any, s3: Any, lake: Lake, objects: Any) -> None:
    landed = [
        land.LandedPortfolio("IBOV", endpoint, put_landed(f"landing/index/IBOV/{endpoint}/{DATE}.json", sent, source))
        for endpoint, sent, source in (("portfolio_day", DAY, "b3"), ("theoretical", THEORETICAL, "simulated"))
    ]

    with pytest.raises(SourceError) as error:
        raw.write_portfolios(s3, lake, landed, DATE)

    fault.is_seen(error.value)
    fault.is_left([key for key in objects() if key.startswith("raw/")], [])
