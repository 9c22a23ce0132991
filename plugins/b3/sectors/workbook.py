"""Read B3's sector classification: a workbook of every listed company.

The workbook ("Classificação setorial das empresas negociadas na B3", xlsx) is one sheet of five columns: sector,
subsector, segment, and the code and listing segment of a listing. A row of the table is of one of two kinds. It names a
company and its code; or it begins a segment, and names the sector and subsector too if they change. An empty cell means
the same as in the rows above. The two rows of the heading are repeated on each printed page.

The key is the root of the tickers, their first four characters: PETR of PETR3 and PETR4. A company that changes its
name gets a new root. So a workbook fits the sessions near its date, and fits older sessions less and less.
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
from typing import IO, Any, NamedTuple
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
# B3's workbook has 700 rows and unpacks to 0.3 MB. Parsed XML takes up to sixty times as much memory as its text.
_LARGEST = 8 << 20
_MOST_ROWS = 5_000
# Of a sector, company or code. A sheet may name one text in all of its rows.
_LONGEST_TEXT = 500
# Of a member: rows, cells, texts and all else.
_MOST_ELEMENTS = 200_000
_DEEPEST = 64
_LONGEST_TAG = 1 << 18
_PIECE = 1 << 16
_EXCERPT = 200
# The methods that the format allows. For others, zipfile sets no limit while it unpacks.
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# The first letters of a ZIP in base64.
_ENCODED_ZIP = b"UEsDB"
_READ_LAYOUT = "B3 changed the workbook: open it, and adapt b3.sectors.workbook."
_FETCH_AGAIN = "Delete this copy and download the workbook from B3 again."


def root(ticker: str) -> str:
    """Return the workbook's key of a ticker."""
    return ticker[:4]


class _Row(NamedTuple):
    number: int
    cells: tuple[str, ...]

    def __str__(self) -> str:
        """Return the row for messages."""
        return f"row {self.number} with {', '.join(filter(None, self.cells)) or 'nothing'}"


def read_workbook(xlsx_bytes: bytes, *, source: str = "sector classification") -> pa.Table:
    """Return the companies of the workbook, one row each (SCHEMA), in its order.

    Args:
        xlsx_bytes: the workbook as B3 sends it, plain or in base64, with or without quotes. Other downloads of the same
            pages are in base64.
        source: name of the workbook in messages.

    Raises:
        NotPublished: no bytes.
        NotB3Data: a web page, or anything else that is no workbook.
        Truncated: the workbook is cut short or damaged.
        BadLayout: a heading is not B3's; a row is neither a company nor the beginning of a segment; a code is no root
            of tickers, or stands twice; or there is no company.
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
    """Yield the companies of a table that begins with its heading, up to the footnotes below it."""
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
        elif max(map(len, row.cells)) > _LONGEST_TEXT:
            raise _bad(source, f"texts of at most {_LONGEST_TEXT} letters", str(row))
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
    found = found if len(found) <= _EXCERPT else found[:_EXCERPT] + "…"
    return BadLayout(source=source, expected=expected, found=found, hint=_READ_LAYOUT)


def _rows(xlsx_bytes: bytes, source: str) -> list[_Row]:
    """Return the rows of the first sheet; texts have single spaces, and none at their ends."""
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
    except RuntimeError as error:
        # zipfile's error about a ZIP that is encrypted, or newer than it knows.
        raise _bad(source, "a workbook in a plain ZIP, not encrypted", str(error)) from error
    except Exception as error:
        # On damaged bytes the ZIP and XML modules and their codecs raise a dozen types, few of them documented.
        raise _bad(source, "an xlsx workbook with a sheet of texts", f"{type(error).__name__}: {error}") from error


def _unwrapped(body: bytes, source: str) -> bytes:
    """Return the workbook in `body`: decoded if it is a ZIP in base64, else as it is."""
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
    rows: list[_Row] = []
    for row in worksheet.iterfind(f"{_SHEET}sheetData/{_SHEET}row"):
        if len(rows) == _MOST_ROWS:
            raise _bad(source, f"at most {_MOST_ROWS} rows", "more")
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
        return _parsed(member, name, source)


def _parsed(member: IO[bytes], name: str, source: str) -> ElementTree.Element:
    """Return the tree of a member; read piece by piece, so that no more than the bounds is ever in memory."""
    builder = _Builder(name, source)
    parser = ElementTree.XMLParser(target=builder)
    size = 0
    while piece := member.read(_PIECE):
        size += len(piece)
        if size > _LARGEST:
            raise _bad(source, f"{name} of at most {_LARGEST} bytes", "more")
        parser.feed(piece)
        builder.check_pending(len(piece))
    return parser.close()


class _Builder(ElementTree.TreeBuilder):
    """Build a tree of few elements, none deep, without a document type: its entities could multiply the text."""

    def __init__(self, name: str, source: str) -> None:
        super().__init__()
        self._name = name
        self._source = source
        self._elements = self._depth = self._pending = 0

    def start(self, tag: str, attributes: dict[Any, Any], /) -> ElementTree.Element:
        self._elements += 1
        self._depth += 1
        self._pending = 0
        if self._elements > _MOST_ELEMENTS:
            raise _bad(self._source, f"at most {_MOST_ELEMENTS} elements in {self._name}", "more")
        if self._depth > _DEEPEST:
            raise _bad(self._source, f"elements of {self._name} at most {_DEEPEST} deep", "deeper ones")
        return super().start(tag, attributes)

    def end(self, tag: str, /) -> ElementTree.Element:
        self._depth -= 1
        self._pending = 0
        return super().end(tag)

    def data(self, data: str, /) -> None:
        self._pending = 0
        super().data(data)

    def doctype(self, name: str, public: str | None, system: str | None) -> None:
        raise _bad(self._source, f"no document type in {self._name}", f"<!DOCTYPE {name}")

    def check_pending(self, size: int) -> None:
        """Raise BadLayout if a tag goes on for too many pieces; `size` is that of the last one."""
        self._pending += size
        if self._pending > _LONGEST_TAG:
            raise _bad(self._source, f"tags of {self._name} of at most {_LONGEST_TAG} bytes", "a longer one")


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
