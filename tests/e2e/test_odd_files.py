"""What B3 sends for one session, run by run: odd is published and told, bad is refused, a correction goes everywhere.

Each fixture is a run on what the one before it left, and keeps what readers saw then.
"""

import datetime as dt
import io
import re
import zipfile
from dataclasses import dataclass
from decimal import Decimal

import pytest

from b3.calendar import sessions
from local.commands import diff
from local.exchange.files import cotahist_file
from local.exchange.market import indexes
from tests.e2e.conftest import Outcome

DATE = dt.date(2012, 1, 2)
FOLLOWING = sessions.next_session(DATE)
QUOTES = ("scrape", "upload", "crawl_raw", "refine", "crawl_refined", "validate.raw_and_refined_agree")
BESIDE = ("indexes.scrape", "indexes.upload", "indexes.complete", "sectors.scrape", "sectors.upload")
OPEN, HIGH, VOLUME = slice(56, 69), slice(69, 82), slice(170, 188)
FORWARD_DAYS = slice(49, 52)
CENT = Decimal("0.01")
COUNT = len(cotahist_file.session_columns(DATE)["ticker"])
# A share of the index that is good.
TICKER = indexes.portfolio("SMLL", DATE).constituents[0].ticker


def zip_of(text: bytes, name: str = f"COTAHIST_D{DATE:%d%m%Y}.TXT") -> bytes:
    """A ZIP of the same bytes each time: another one would be a correction."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def spoiled(percent: int) -> bytes:
    """The session, of whose quotes so many open above their high; the first has bytes in PRAZOT that are no digits."""
    header, *quotes, trailer = cotahist_file.session_records(DATE).splitlines(keepends=True)
    rows = [bytearray(row) for row in quotes]
    rows[0][FORWARD_DAYS] = b"\x00\x0f "
    for row in rows[: len(rows) * percent // 100]:
        row[OPEN] = b"%013d" % (int(row[HIGH]) + 1)
    return zip_of(b"".join([header, *rows, trailer]))


def with_a_cent_more() -> bytes:
    """B3's file of the year up to FOLLOWING, without anything odd, and with another volume of TICKER's round lot."""
    out = io.BytesIO()
    cotahist_file.write_records(out, [DATE, FOLLOWING])
    lines = out.getvalue().splitlines(keepends=True)
    key = f"01{DATE:%Y%m%d}02{TICKER:<12}010".encode()
    (place,) = [place for place, line in enumerate(lines) if line.startswith(key)]
    line = lines[place]
    lines[place] = line[: VOLUME.start] + b"%018d" % (int(line[VOLUME]) + 1) + line[VOLUME.stop :]
    return zip_of(b"".join(lines), f"COTAHIST_A{DATE.year}.TXT")


@dataclass
class Ran:
    """A run, and what readers see of DATE after it."""

    outcome: Outcome
    quotes: list[list[str | None]]
    raw: list[list[str | None]]
    findings: list[list[str | None]]
    constituents: list[list[str | None]]
    volumes: list[Decimal]


def readers(lab, outcome):
    of_date = f"WHERE trade_date = date '{DATE}'"
    return Ran(
        outcome,
        lab.query(f"SELECT count(*), sum(financial_volume), sum(finding_count) FROM quotes {of_date}"),
        lab.query(f"SELECT count(*), sum(open) FROM raw_quotes {of_date}"),
        lab.query(f"SELECT rule, count(*) FROM findings {of_date} GROUP BY rule ORDER BY rule"),
        lab.query(f"SELECT index_code, count(*) FROM index_stocks {of_date} GROUP BY index_code ORDER BY 1"),
        # Of TICKER: of its round lot in quotes, and of all its lots in index_stocks.
        [
            Decimal(volume)
            for sql in (
                f"SELECT financial_volume FROM quotes {of_date} AND ticker = '{TICKER}'",
                f"SELECT total_financial_volume FROM index_stocks {of_date} AND ticker = '{TICKER}' "
                "AND index_code = 'SMLL'",
            )
            for (volume,) in lab.query(sql)
        ],
    )


def seen(ran):
    return ran.quotes, ran.raw, ran.findings, ran.constituents


@pytest.fixture(scope="module")
def published(lab):
    """40 % of the quotes are odd, and B3's portfolios are those of the next session, as on a Sunday or a holiday."""
    lab.publish(DATE, spoiled(40))
    lab.publish_indexes(FOLLOWING)
    outcome = lab.run(DATE)
    lab.withdraw_indexes()
    assert outcome.status == 0, outcome.printed
    assert sorted(lab.objects(of=str(DATE)) | lab.objects(of=f"{DATE:%d%m%Y}")) == [
        f"landing/quotes/COTAHIST_D{DATE:%d%m%Y}.ZIP",
        f"metrics/run_metrics/trade_date={DATE}/b3_daily.parquet",
        f"raw/quotes/trade_date={DATE}/quotes.parquet",
        f"refined/findings/trade_date={DATE}/findings.parquet",
        f"refined/quotes/trade_date={DATE}/quotes.parquet",
        f"reports/trade_date={DATE}/index.html",
    ]
    return readers(lab, outcome)


@pytest.fixture(scope="module")
def refused(lab, published):
    """60 % are odd now: a flood."""
    lab.publish(DATE, spoiled(60))
    return readers(lab, lab.run(DATE))


@pytest.fixture(scope="module")
def accepted(lab, refused):
    """The flood is accepted. Of two indexes one has a bad portfolio, and B3 announces a holiday less."""
    lab.publish_indexes(DATE)
    lab.publish_indexes(DATE, "SMLL")
    answer, page = lab.exchange / "GetPortfolioDay.IBOV.json", lab.exchange / "feriados.html"
    answer.write_bytes(answer.read_bytes().replace(b'"cod"', b'"code"'))
    page.write_text(page.read_text().replace("Não haverá negociação", "Haverá negociação", 1))
    outcome = lab.run(DATE, accept="flood")
    lab.withdraw_indexes()
    return readers(lab, outcome)


@pytest.fixture(scope="module")
def year(lab, accepted):
    """B3 corrects a volume in the file of the year, where nothing else is odd."""
    lab.publish_year(DATE.year, with_a_cent_more())
    return readers(lab, lab.run_year(DATE.year))


@pytest.fixture(scope="module")
def brought(lab, year):
    """The daily DAG once more. The daily file is online as it was, and B3's portfolios are good."""
    lab.publish_indexes(DATE)
    lab.publish_indexes(DATE, "SMLL")
    outcome = lab.run(DATE)
    lab.withdraw_indexes()
    return readers(lab, outcome)


class TestLessThanHalfIsOdd:
    def test_it_is_published(self, published):
        odd = COUNT * 40 // 100
        ((rows, _, findings),) = published.quotes
        assert (rows, findings) == (str(COUNT), str(odd + 1))
        assert published.raw[0][0] == str(COUNT)
        assert published.findings == [["fields_are_readable", "1"], ["prices_lie_within_low_and_high", str(odd)]]

    def test_the_command_tells_how_many_findings_there_are_and_shows_the_first(self, published):
        printed = published.outcome.printed
        assert re.search(rf"^findings +{COUNT * 40 // 100 + 1}\s*$", printed, re.MULTILINE), printed
        assert f"findings of {DATE}: what is odd in B3's file, published as it is" in printed
        assert re.search(r"^fields_are_readable .* every field readable +forward_days 000f20", printed, re.MULTILINE)
        assert "low <= open, close <= high" in printed


class TestPortfoliosOfAnotherSession:
    def test_they_are_skipped_with_a_reason_and_the_quotes_go_on(self, published):
        outcome = published.outcome
        assert {outcome.state(task) for task in QUOTES} == {"success"}
        assert {outcome.state(task) for task in BESIDE} == {"skipped"}
        assert outcome.state("validate.index_stocks_are_one_generation") == "skipped"
        assert re.search(rf"skipped +indexes\.scrape .*\n.*{DATE}.*{FOLLOWING}", outcome.printed)

    def test_they_land_under_their_own_session(self, lab, published):
        assert f"landing/index/IBOV/portfolio_day/{FOLLOWING}.json" in lab.objects()


class TestAFlood:
    def test_is_refused_and_readers_keep_the_former_quotes(self, published, refused):
        outcome, odd = refused.outcome, COUNT * 60 // 100
        assert outcome.status == 1
        assert outcome.state("scrape") == "success"
        assert outcome.state("upload") == "failed"
        assert f"found {odd:,} that break prices_lie_within_low_and_high" in outcome.printed
        assert f"here that is: make run DATE={DATE} ACCEPT=flood" in outcome.printed
        assert seen(refused) == seen(published)

    def test_is_published_once_it_is_accepted(self, accepted):
        odd = COUNT * 60 // 100
        ((rows, _, findings),) = accepted.quotes
        assert {accepted.outcome.state(task) for task in QUOTES} == {"success"}
        assert (rows, findings) == (str(COUNT), str(odd + 1))
        assert accepted.findings == [
            ["correction", "1"],
            ["fields_are_readable", "1"],
            ["prices_lie_within_low_and_high", str(odd)],
        ]

    def test_that_was_accepted_is_compared_with_what_was_before(self, lab, accepted, capsys):
        assert diff.diff(lab.lake, DATE, "1", "2") == 0
        printed = capsys.readouterr().out
        assert re.search(r"1 to 2\n  before  \d+ rows, volume", printed)
        assert f"0 added, 0 gone, {COUNT * 60 // 100 - COUNT * 40 // 100} changed" in printed


class TestABadPortfolio:
    def test_fails_the_run_and_its_bytes_are_kept(self, lab, accepted):
        outcome = accepted.outcome
        assert outcome.status == 1
        assert outcome.state("indexes.scrape") == "success"
        assert outcome.state("indexes.complete") == "failed"
        assert re.search(r"expected the fields .*found no cod and an unknown code", outcome.printed), outcome.printed
        assert any(key.endswith("/GetPortfolioDay.IBOV.json") for key in lab.objects("landing/rejected/"))

    def test_is_in_the_way_of_no_other_index(self, accepted):
        assert accepted.outcome.state("validate.index_stocks_agree_with_the_portfolio") == "success"
        assert accepted.constituents == [["SMLL", str(len(indexes.portfolio("SMLL", DATE).constituents))]]


def test_another_holiday_than_the_calendar_has_fails_the_run(accepted):
    assert accepted.outcome.state("calendar_agrees") == "failed"
    assert re.search(r"CalendarDiffers: .*expected .*found", accepted.outcome.printed), accepted.outcome.printed


class TestACorrectionInTheYear:
    def test_fails_the_check_of_the_constituents_and_no_other(self, year):
        printed = " ".join(year.outcome.printed.split())
        assert year.outcome.status == 1
        assert re.findall(r"\d{4} failed (\S+)", printed) == ["validate.quotes_agree_with_index_stocks"]
        # The check's own sentence comes first, and alone.
        assert re.search(
            rf"CheckViolated: .*SMLL {TICKER} .*run b3_daily again, from scrape on, for {DATE}", printed
        ), printed
        assert "Final state of Athena job" not in printed and "Cannot cast" not in printed

    def test_arrives_in_the_quotes(self, accepted, year):
        of_quotes, of_index_stocks = accepted.volumes
        assert year.volumes == [of_quotes + CENT, of_index_stocks]

    def test_the_daily_dag_brings_to_the_constituents_though_the_daily_file_is_as_it_was(self, accepted, brought):
        assert brought.outcome.status == 0, brought.outcome.printed
        assert brought.volumes == [volume + CENT for volume in accepted.volumes]
        assert [index for index, _ in brought.constituents] == ["IBOV", "SMLL"]


class TestWhatReadersSeeStays:
    """Of each way to fail before and after the quotes are landed; what else is bad is tried by the tests of scrape."""

    @pytest.mark.parametrize(
        ("answer", "message"),
        [
            (cotahist_file.session_file(DATE)[:-4000], r"Truncated: .*expected .*found"),
            (b"", r"NotPublished: .*expected a ZIP file; found status 200 and not one byte"),
        ],
        ids=["truncated ZIP", "empty 200"],
    )
    def test_where_b3s_answer_is_bad(self, lab, brought, answer, message):
        lab.publish(DATE, answer)

        after = readers(lab, lab.run(DATE))

        assert after.outcome.status == 1
        assert after.outcome.state("scrape") == "failed"
        assert re.search(message, after.outcome.printed), after.outcome.printed
        assert seen(after) == seen(brought)

    def test_where_the_glue_script_raises(self, lab, brought, tmp_path):
        lab.publish(DATE, spoiled(60))
        script = tmp_path / "refine_job.py"
        script.write_text("raise ValueError('expected a working script, found this one')\n")

        after = readers(lab, lab.run(DATE, script=script))

        assert after.outcome.status == 1
        assert after.outcome.state("refine") == "failed"
        assert "expected a working script, found this one" in after.outcome.printed
        assert seen(after) == seen(brought)
