"""The parser on files as B3 sent them, which are not part of this repository.

Looked for in ../shared/b3/cotahist beside the repository, or in the folder cotahist of B3_REAL_FILES.
"""

import datetime as dt
import zipfile

import pyarrow.compute as pc
import pytest

from b3.errors import Truncated
from b3.quotes import cotahist
from tests.places import REAL_FILES
from tests.plugins.b3.quotes.cotahist import naive_cotahist as naive

FOLDER = REAL_FILES / "cotahist"
CUT_SHORT = FOLDER / "COTAHIST_D04012016.truncated.ZIP"
FILES = sorted(set(FOLDER.glob("COTAHIST_*.ZIP")) - {CUT_SHORT})

pytestmark = pytest.mark.skipif(not FILES, reason=f"no real COTAHIST files in {FOLDER}; set B3_REAL_FILES")


def whole_text(path):
    with zipfile.ZipFile(path) as archive:
        return archive.read(archive.namelist()[0])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_row_is_as_a_plain_parser_reads_it(path):
    text = whole_text(path)
    table = cotahist.read_table(path)

    sample = slice(None) if table.num_rows < 10_000 else slice(60_000, 65_000)
    assert table.slice(sample.start or 0, 5_000).to_pylist() == [naive.row(line) for line in naive.lines(text)[sample]]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_summary_agrees_with_the_text(path):
    text = whole_text(path)
    summary = cotahist.verify(path, None)

    assert summary.records == len(naive.lines(text))
    assert summary.trailer_records == summary.records + 2
    assert summary.trailer_form == "lines"
    assert summary.financial_volume == naive.volume(text)
    assert summary.origin == "BOVESPA"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_holds_in_every_real_file(path):
    table = cotahist.read_table(path)

    keys = table.select(["trade_date", "ticker", "market_type", "forward_days"])
    assert keys.group_by(keys.column_names).aggregate([]).num_rows == table.num_rows
    assert pc.all(pc.less_equal(table["low"], table["open"])).as_py()
    assert pc.all(pc.less_equal(table["close"], table["high"])).as_py()


@pytest.mark.parametrize(
    "name, date, records",
    [
        ("COTAHIST_D27042020.ZIP", dt.date(2020, 4, 27), 3_722),
        ("COTAHIST_D30042020.ZIP", dt.date(2020, 4, 30), 4_264),
        ("COTAHIST_D28012014.ZIP", dt.date(2014, 1, 28), 1_426),
        ("COTAHIST_D12022003.demo.ZIP", dt.date(2003, 2, 12), 551),
    ],
)
def test_a_session_has_the_records_it_had(name, date, records):
    summary = cotahist.verify(FOLDER / name, date)
    assert summary.records_by_date == {date: records}


def test_a_month_has_its_sessions():
    summary = cotahist.verify(FOLDER / "COTAHIST_M012021.ZIP", None)
    assert summary.records == 129_292
    assert len(summary.records_by_date) == 19
    assert (min(summary.records_by_date), max(summary.records_by_date)) == (dt.date(2021, 1, 4), dt.date(2021, 1, 29))


def test_the_file_cut_short_is_truncated():
    with pytest.raises(Truncated) as caught:
        cotahist.verify(CUT_SHORT, dt.date(2016, 1, 4))
    assert caught.value.source == str(CUT_SHORT)
    assert "1,745" in caught.value.expected
    assert caught.value.found == "506"
