"""The workbook of sectors, read as a spreadsheet program does."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import re
import zipfile
from xml.etree import ElementTree

import pytest

from local.exchange.files import sector_workbook
from local.exchange.market import indexes, universe
from local.exchange.simulation import Simulation

PATH = "/listedCompaniesProxy/CompanyCall/GetDownloadIndustryClassification/"
PORTUGUESE = "eyJsYW5ndWFnZSI6InB0LWJyIn0="
TODAY = dt.date(2026, 10, 5)
MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
GOLDEN = "91d8e6d8e618fc13817b5f9ef3b27cc6e4eade3687f57929efcde89a7271183e"


@pytest.fixture(scope="module")
def content():
    return sector_workbook.workbook(TODAY)


@pytest.fixture(scope="module")
def sheet(content):
    """The texts of the sheet: row number → column → text."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        for name in archive.namelist():
            ElementTree.fromstring(archive.read(name))
        shared = ["".join(item.itertext()) for item in ElementTree.fromstring(archive.read("xl/sharedStrings.xml"))]
        root = ElementTree.fromstring(archive.read("xl/worksheets/sheet1.xml"))
    rows = {}
    for row in root.iter(f"{MAIN}row"):
        cells = {re.sub(r"\d", "", cell.get("r")): cell.find(f"{MAIN}v") for cell in row}
        rows[int(row.get("r"))] = {column: shared[int(v.text)] for column, v in cells.items() if v is not None}
    return rows


def companies_of(sheet):
    """Root → (sector, subsector, segment, name), carried down the rows as a reader must."""
    levels, found = {}, {}
    for number in sorted(sheet):
        row = sheet[number]
        if "D" in row and len(row["D"]) == 4:
            found[row["D"]] = (levels["A"], levels["B"], levels["C"], row["C"].strip())
        elif "C" in row and "D" not in row:
            levels |= row
    return found


def test_it_is_served_as_it_is(content, serving):
    with serving(Simulation(lambda: TODAY)) as request:
        status, headers, body = request(PATH + PORTUGUESE)
        assert (status, body) == (200, content)
        assert headers["Content-Type"].endswith("spreadsheetml.sheet")
        assert body.startswith(b"PK")
        assert request(PATH + "nonsense!")[0] == 400


def test_it_is_laid_out_as_that_of_b3(sheet):
    assert sheet[1] == {"A": "CLASSIFICAÇÃO SETORIAL DAS EMPRESAS NEGOCIADAS NA B3"}
    headings = [number for number, row in sheet.items() if row.get("A") == "SETOR ECONÔMICO"]
    assert headings[0] == 7
    assert len(headings) == len({sector for sector, _ in universe.SECTORS})
    for number in headings:
        assert sheet[number] == {"A": "SETOR ECONÔMICO", "B": "SUBSETOR", "C": "SEGMENTO", "D": "LISTAGEM"}
        assert sheet[number + 1] == {"D": "CÓDIGO", "E": "SEGMENTO"}
        assert set(sheet[number + 2]) == {"A", "B", "C"}
        assert {"C", "D"} <= set(sheet[number + 3]) <= {"C", "D", "E"}
    continued = [set(row) for row in sheet.values()]
    assert {"B", "C"} in continued
    assert {"C"} in continued


def test_it_classifies_every_listed_company_once(sheet):
    codes = [row["D"] for row in sheet.values() if len(row.get("D", "")) == 4]
    first = TODAY.replace(day=1)
    listed = {of.root: of for of in universe.companies() if of.listed <= first <= of.delisted}
    assert sorted(codes) == sorted(listed)
    for root, (sector, subsector, _, name) in companies_of(sheet).items():
        assert (sector, subsector, name) == (listed[root].sector, listed[root].subsector, listed[root].name)


@pytest.mark.parametrize("index", indexes.INDEXES)
def test_it_has_every_constituent(index, sheet):
    classified = companies_of(sheet)
    for portfolio in (indexes.portfolio(index, TODAY), indexes.preview(index, TODAY)):
        for of in portfolio.constituents:
            assert classified[of.root][:2] == universe.SECTORS[of.sector]


def test_it_changes_with_the_month_at_most(content):
    assert sector_workbook.workbook(dt.date(2026, 10, 31)) == content
    assert sector_workbook.workbook(dt.date(2025, 10, 31)) != content


def test_it_has_the_same_bytes_on_every_machine(content):
    assert hashlib.sha256(content).hexdigest() == GOLDEN
