"""B3's sector classification: the workbook of every listed company.

The workbook ("Classificação setorial das empresas negociadas na B3", xlsx) is one sheet of five columns: sector,
subsector, segment, and of a listing its code and listing segment. A row of the table either names a company, with
its code, or begins a segment, and then the sector and subsector too where they change: what a cell leaves out is
as in the rows above. The two rows of the heading return at each printed page.

Its key is the root of the tickers, their first four characters: PETR of PETR3 and PETR4. A company of a new name
has a new root, so a workbook joins the sessions around its own date and ever fewer of those before.
"""

from __future__ import annotations

import base64
import codecs
import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from typing import NamedTuple
from xml.etree import ElementTree

import pyarrow as pa

from b3.errors import BadLayout, NotB3Data, NotPublished, SourceError, Truncated
from b3.site import webpage

SCHEMA = pa.schema(
    [
        pa.field("root", pa.string(), nullable=False),
        pa.field("company", pa.string(), nullable=False),
        pa.field("sector", pa.string(), nullable=False),
        pa.field("subsector", pa.string(), nullable=False),
        pa.field("segment", pa.string(), nullable=False),
        pa.field("listing_segment", pa.string()),
    ]
)

HEADING = (("SETOR ECONÔMICO", "SUBSETOR", "SEGMENTO", "LISTAGEM", ""), ("", "", "", "CÓDIGO", "SEGMENTO"))
_COLUMNS = "ABCDE"
_ROOT = re.compile(r"[A-Z][A-Z0-9]{3}")

_SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_RELATION_ID = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
# B3's workbook unpacks to 0.3 MB. Its XML takes some twenty times the bytes of the text in memory.
_LARGEST = 8 << 20
# What the format allows; of the others zipfile bounds no unpacking.
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# How base64 of a ZIP begins.
_ENCODED_ZIP = b"UEsDB"
_READ_LAYOUT = "B3 changed the workbook: open it, and bring b3.sectors.workbook up to it."
_FETCH_AGAIN = "Delete this copy and download the workbook from B3 again."


def root(ticker: str) -> str:
    """Return the workbook's key of a ticker."""
    return ticker[:4]


class _Row(NamedTuple):
    number: int
    cells: tuple[str, ...]

    def __str__(self) -> str:
        return f"row {self.number} with {', '.join(filter(None, self.cells)) or 'nothing'}"


def read_workbook(xlsx_bytes: bytes, *, source: str = "sector classification") -> pa.Table:
    """The companies of the workbook, in its order, one row each (SCHEMA).

    Args:
        xlsx_bytes: the workbook as B3 sends it: itself, or base64 of it, in quotes or not, as other downloads of
            these pages are.
        source: what the bytes are of, for messages.

    Raises:
        NotPublished: no bytes.
        NotB3Data: a web page, or anything else that is no workbook.
        Truncated: the workbook is cut short or damaged.
        BadLayout: a heading that is not B3's, a row that is neither a company nor the beginning of a segment, a code
            that is no root of tickers, the same code twice, or no company at all.
    """
    rows = [row for row in _rows(xlsx_bytes, source) if any(row.cells)]
    # The title above the table fills the first column only.
    start = next((number for number, row in enumerate(rows) if any(row.cells[1:])), len(rows))
    companies = list(_companies(rows[start:], source))
    if not companies:
        raise _bad(source, "companies below the heading", "none")
    seen: dict[str | None, str | None] = {}
    for company in companies:
        code, name = company["root"], company["company"]
        if code in seen:
            raise _bad(source, "every code once", f"{code} of {seen[code]} and of {name}")
        seen[code] = name
    return pa.Table.from_pylist(companies, schema=SCHEMA)


def _companies(rows: list[_Row], source: str) -> Iterator[dict[str, str | None]]:
    """The companies of a table that begins with its heading, up to the footnotes below it."""
    sector = subsector = segment = ""
    heading_lines = 0
    footnotes = False
    for row in rows:
        first, second, third, code, listing = row.cells
        if heading_lines < len(HEADING) or row.cells == HEADING[0]:
            heading_lines %= len(HEADING)
            _check_heading(row, HEADING[heading_lines], source)
            heading_lines += 1
        elif not any(row.cells[1:]):
            footnotes = True
        elif footnotes:
            raise _bad(source, "nothing but footnotes below the table", str(row))
        elif code:
            if first or second or not third or not segment:
                raise _bad(source, "a company's name, code and listing segment alone, below its segment", str(row))
            if not _ROOT.fullmatch(code):
                raise _bad(source, "CÓDIGO of four letters or digits", str(row))
            yield dict(zip(SCHEMA.names, (code, third, sector, subsector, segment, listing or None), strict=True))
        else:
            sector, subsector, segment = first or sector, second or ("" if first else subsector), third
            if listing or not (sector and subsector and segment):
                raise _bad(source, "the beginning of a segment: its name, and those of what it belongs to", str(row))


def _check_heading(row: _Row, heading: tuple[str, ...], source: str) -> None:
    for column, expected, found in zip(_COLUMNS, heading, row.cells, strict=True):
        if found != expected:
            raise _bad(
                source,
                f"{f'the heading {expected!r}' if expected else 'nothing'} in cell {column}{row.number}",
                repr(found) if found else "an empty cell",
            )


def _bad(source: str, expected: str, found: str) -> BadLayout:
    return BadLayout(source=source, expected=expected, found=found, hint=_READ_LAYOUT)


def _rows(xlsx_bytes: bytes, source: str) -> list[_Row]:
    """The first sheet's rows, their texts with single spaces and none around."""
    if not xlsx_bytes:
        raise NotPublished(source=source, expected="an xlsx workbook", found="not one byte", hint=_FETCH_AGAIN)
    webpage.refuse(xlsx_bytes, source=source, expected="an xlsx workbook")
    workbook = _unwrapped(xlsx_bytes, source)
    if not workbook.startswith(b"PK"):
        raise NotB3Data(source=source, expected="an xlsx workbook", found=repr(workbook[:20]), hint=_FETCH_AGAIN)
    try:
        with zipfile.ZipFile(io.BytesIO(workbook)) as archive:
            return _sheet_rows(archive, source)
    except SourceError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise Truncated(source=source, expected="a whole workbook", found=str(error), hint=_FETCH_AGAIN) from error
    except Exception as error:
        # Damage shows in whatever the ZIP and XML modules and their codecs raise: a dozen types, few documented.
        raise _bad(source, "an xlsx workbook with a sheet of texts", f"{type(error).__name__}: {error}") from error


def _unwrapped(body: bytes, source: str) -> bytes:
    """The workbook in `body`, decoded where it is base64 of a ZIP; anything else as it is."""
    text = body.removeprefix(codecs.BOM_UTF8).strip()
    quoted = text.startswith(b'"')
    if not text[quoted:].startswith(_ENCODED_ZIP):
        return body
    try:
        if quoted:
            text = json.loads(text).encode()
        return base64.b64decode(b"".join(text.split()), validate=True)
    except ValueError as error:
        raise Truncated(
            source=source, expected="the whole base64 of a workbook", found=str(error), hint=_FETCH_AGAIN
        ) from error


def _sheet_rows(archive: zipfile.ZipFile, source: str) -> list[_Row]:
    unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > _LARGEST:
        raise _bad(source, f"a workbook that unpacks to at most {_LARGEST} bytes", f"{unpacked}")
    sheet = _member(archive, "xl/workbook.xml", source).find(f"{_SHEET}sheets/{_SHEET}sheet")
    if sheet is None:
        raise _bad(source, "a sheet in the workbook", "none")
    relations = _member(archive, "xl/_rels/workbook.xml.rels", source)
    targets = {relation.get("Id"): relation.get("Target", "") for relation in relations}
    target = targets[sheet.get(_RELATION_ID)]
    texts = _shared_texts(archive, source)
    worksheet = _member(archive, target[1:] if target.startswith("/") else f"xl/{target}", source)
    rows = []
    for row in worksheet.iterfind(f"{_SHEET}sheetData/{_SHEET}row"):
        cells = {re.sub(r"\d", "", cell.get("r", "")): _text(cell, texts) for cell in row}
        number = int(row.get("r", 0))
        rows.append(_Row(number, tuple(cells.pop(column, "") for column in _COLUMNS)))
        for column, text in cells.items():
            if text:
                raise _bad(source, f"the columns {_COLUMNS[0]} to {_COLUMNS[-1]}", f"{text!r} in cell {column}{number}")
    return rows


def _member(archive: zipfile.ZipFile, name: str, source: str) -> ElementTree.Element:
    if archive.getinfo(name).compress_type not in _COMPRESSIONS:
        raise _bad(source, f"{name} stored or deflated", f"compression method {archive.getinfo(name).compress_type}")
    with archive.open(name) as member:
        # Never more than announced, which is bounded: `archive.read` would unpack all that is there first.
        return ElementTree.fromstring(member.read(_LARGEST))


def _shared_texts(archive: zipfile.ZipFile, source: str) -> list[str]:
    if "xl/sharedStrings.xml" not in archive.namelist():
        return []
    return [_joined(item) for item in _member(archive, "xl/sharedStrings.xml", source)]


def _text(cell: ElementTree.Element, shared: list[str]) -> str:
    if cell.get("t") == "inlineStr":
        return _joined(cell)
    value = cell.findtext(f"{_SHEET}v", "")
    return shared[int(value)] if cell.get("t") == "s" and value else _spaced(value)


def _joined(element: ElementTree.Element) -> str:
    return _spaced("".join(text.text or "" for text in element.iter(f"{_SHEET}t")))


def _spaced(text: str) -> str:
    return " ".join(text.split())
