"""What is odd in B3's file, end to end: published and told; in a flood refused, until a person accepts it."""

import datetime as dt
import re

import pytest

from local.commands import diff
from local.exchange.files import cotahist_file
from tests.e2e.test_daily import zip_of

DATE = dt.date(2010, 6, 16)
OPEN, HIGH = slice(56, 69), slice(69, 82)
FORWARD_DAYS = slice(49, 52)


def spoiled(percent: int) -> bytes:
    """The session, of whose quotes so many open above their high; the first has bytes in PRAZOT that are no digits."""
    header, *quotes, trailer = cotahist_file.session_records(DATE).splitlines(keepends=True)
    rows = [bytearray(row) for row in quotes]
    rows[0][FORWARD_DAYS] = b"\x00\x0f "
    for row in rows[: len(rows) * percent // 100]:
        row[OPEN] = b"%013d" % (int(row[HIGH]) + 1)
    return zip_of(b"".join([header, *rows, trailer]))


@pytest.fixture(scope="module")
def count() -> int:
    return len(cotahist_file.session_columns(DATE)["ticker"])


@pytest.fixture
def published(lab, count):
    """The lake with a session of which 40 % of the quotes are odd."""
    if not lab.objects(f"refined/findings/trade_date={DATE}/"):
        lab.publish(DATE, spoiled(40))
        outcome = lab.run(DATE)
        assert outcome.status == 0, outcome.printed
        told(outcome.printed, count * 40 // 100 + 1)
    return lab


def told(printed: str, findings: int) -> None:
    """The summary of the command says how many there are, and shows the first."""
    assert re.search(rf"^findings +{findings}\s*$", printed, re.MULTILINE), printed
    assert "findings of 2010-06-16: what is odd in B3's file, published as it is" in printed
    assert "low <= open, close <= high" in printed


def readers(lab):
    """What readers see of DATE."""
    return [
        lab.query(f"SELECT count(*), sum(financial_volume), sum(finding_count) FROM quotes WHERE trade_date = {day}")
        + lab.query(f"SELECT count(*), sum(open) FROM raw_quotes WHERE trade_date = {day}")
        + lab.query(f"SELECT rule, count(*) FROM findings WHERE trade_date = {day} GROUP BY rule ORDER BY rule")
        for day in [f"date '{DATE}'"]
    ]


def test_a_session_of_which_less_than_half_is_odd_is_published_and_told(published, count):
    odd = count * 40 // 100
    ((quotes, raw, *findings),) = readers(published)
    assert (quotes[0], quotes[2]) == (str(count), str(odd + 1))
    assert raw[0] == str(count)
    assert findings == [["fields_are_readable", "1"], ["prices_lie_within_low_and_high", str(odd)]]
    ((strict,),) = published.query(
        f"SELECT count(*) FROM quotes WHERE trade_date = date '{DATE}' AND finding_count = 0"
    )
    assert int(strict) == count - odd
    (first, *_) = published.query(
        f"SELECT rule, table_name, file_line, expected, found FROM findings WHERE trade_date = date '{DATE}' "
        "ORDER BY file_line, rule"
    )
    assert first == ["fields_are_readable", "quotes", "2", "every field readable", "forward_days 000f20 (bytes in hex)"]


def test_a_flood_is_refused_and_readers_keep_the_former_quotes_until_it_is_accepted(published, count, capsys):
    before = readers(published)
    odd = count * 60 // 100
    published.publish(DATE, spoiled(60))

    refused = published.run(DATE)

    assert refused.status == 1
    assert refused.state("scrape") == "success"
    assert refused.state("upload") == "failed"
    assert f"found {odd:,} that break prices_lie_within_low_and_high" in refused.printed
    assert "here that is: make run DATE=2010-06-16 ACCEPT=flood" in refused.printed
    assert readers(published) == before

    accepted = published.run(DATE, accept="flood")

    assert accepted.status == 0, accepted.printed
    ((quotes, _, *findings),) = readers(published)
    assert (quotes[0], quotes[2]) == (str(count), str(odd + 1))
    assert findings == [
        ["correction", "1"],
        ["fields_are_readable", "1"],
        ["prices_lie_within_low_and_high", str(odd)],
    ]

    capsys.readouterr()
    assert diff.diff(published.lake, DATE) == 0
    printed = capsys.readouterr().out
    assert re.search(r"1 to 2\n  before  \d+ rows, volume", printed)
    assert f"0 added, 0 gone, {odd - count * 40 // 100} changed" in printed
