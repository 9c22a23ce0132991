"""Write a workbook of one sheet of text, with the smallest part of the format that spreadsheet programs accept."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape, quoteattr

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MEMBER_TIME = (1980, 1, 1, 0, 0, 0)


def workbook(title: str, rows: Mapping[int, Sequence[str]], merged: Sequence[str]) -> bytes:
    """Return the bytes of an .xlsx, the same on every machine.

    Args:
        title: name of the sheet.
        rows: texts by row number, from column A on; "" is an empty cell.
        merged: ranges of merged cells, such as "A1:E3".
    """
    texts: dict[str, int] = {}
    sheet = "".join(_row(number, rows[number], texts) for number in sorted(rows))
    merges = "".join(f'<mergeCell ref="{cells}"/>' for cells in merged)
    strings = "".join(f'<si><t xml:space="preserve">{escape(text)}</t></si>' for text in texts)
    overrides = "".join(
        f'<Override PartName="/xl/{part}.xml" ContentType="{_TYPES}.{kind}+xml"/>'
        for part, kind in (
            ("workbook", "sheet.main"),
            ("worksheets/sheet1", "worksheet"),
            ("sharedStrings", "sharedStrings"),
        )
    )
    return _package(
        {
            "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f"{overrides}</Types>",
            "_rels/.rels": _relationships({"officeDocument": "xl/workbook.xml"}),
            "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
            f'<sheet name={quoteattr(title)} sheetId="1" r:id="rId1"/></sheets></workbook>',
            "xl/_rels/workbook.xml.rels": _relationships(
                {"worksheet": "worksheets/sheet1.xml", "sharedStrings": "sharedStrings.xml"}
            ),
            "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{_MAIN}"><sheetData>{sheet}</sheetData>'
            f'<mergeCells count="{len(merged)}">{merges}</mergeCells></worksheet>',
            "xl/sharedStrings.xml": f'<sst xmlns="{_MAIN}" uniqueCount="{len(texts)}">{strings}</sst>',
        }
    )


def _row(number: int, cells: Sequence[str], texts: dict[str, int]) -> str:
    """Return a row of the sheet, and add its new texts to the shared `texts`."""
    written = []
    for column, text in zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", cells, strict=False):
        at = f'r="{column}{number}"'
        shared = texts.setdefault(text, len(texts)) if text else None
        written.append(f"<c {at}/>" if shared is None else f'<c {at} t="s"><v>{shared}</v></c>')
    return f'<row r="{number}">{"".join(written)}</row>'


def _relationships(targets: Mapping[str, str]) -> str:
    items = "".join(
        f'<Relationship Id="rId{position}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for position, (kind, target) in enumerate(targets.items(), start=1)
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{items}</Relationships>'


def _package(members: Mapping[str, str]) -> bytes:
    out = io.BytesIO()
    # Stored, not compressed: builds of zlib compress the same text to different bytes.
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, text in members.items():
            member = zipfile.ZipInfo(name, _MEMBER_TIME)
            member.create_system = 0
            archive.writestr(member, (_DECLARATION + text).encode())
    return out.getvalue()
